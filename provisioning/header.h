/*
 * Values of request header fields that the device API reads: entity tags (RFC 9110,
 * 8.8.3), preferences (RFC 7240) and ranges (RFC 9110, 14.2). What cannot be read is
 * as good as absent.
 */
#ifndef PROVISIONING_HEADER_H
#define PROVISIONING_HEADER_H

#include "base/slice.h"

/**
 * The entity tag of an If-None-Match that holds exactly one, without `W/` (the
 * comparison is weak), with its quotes.
 * @return the tag inside @p value, or empty for `*`, several tags and malformed ones
 */
struct slice header_entity_tag(struct slice value);
/** Whether an If-None-Match, with any number of tags, or `*`, matches @p tag. */
bool header_matches_tag(struct slice value, struct slice tag);

/** Seconds of `wait=N` among the preferences; 0 when there is none. */
unsigned header_prefer_wait(struct slice value, unsigned max);

enum header_range {
	HEADER_RANGE_NONE, /* absent, not bytes, several, malformed: all of it */
	HEADER_RANGE_PART, /* *first..*last, both included */
	HEADER_RANGE_UNSATISFIABLE, /* begins past the end */
};
/** Read `bytes=a-b`, `bytes=a-` or `bytes=-n` for a representation of @p size bytes. */
enum header_range header_range(struct slice value, uint64_t size, uint64_t *first,
			       uint64_t *last);

#endif
