/*
 * JSON from outside: parsed by jansson with duplicate keys refused and depth and
 * size limited, then read by a table that names every member. Unknown members,
 * missing members and other types are refused.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/slice.h"

#define JSON_TEXT_LIMIT  (1 << 20) /* bytes of one text */
#define JSON_DEPTH_LIMIT 16        /* brackets open at a time */

enum json_shape {
	JSON_TEXT,          /* struct slice; min..max bytes; no control characters */
	JSON_TEXT_OPTIONAL, /* {NULL,0} when absent */
	JSON_INT,           /* int64_t; min..max */
	JSON_FLAG,          /* bool */
	JSON_BYTES,         /* struct json_bytes; base64url text of exactly max bytes */
	JSON_BYTES_OPTIONAL, /* n is 0 when absent */
	JSON_OBJECT_OF,      /* json_t *, borrowed; an object */
	JSON_LIST_OF,        /* json_t *, borrowed; an array of min..max elements */
};

struct json_bytes {
	uint8_t p[64];
	size_t n; /* 0: absent */
};

struct json_member {
	const char *name;
	enum json_shape shape;
	size_t offset;
	int64_t min, max;
};

/**
 * Parse one JSON object that fills @p text: UTF-8, no member twice, no \u0000.
 *
 * @param why  on failure one clause for the problem document; holds nothing of @p text
 * @return new reference, or NULL
 */
json_t *json_parse(struct slice text, char *why, size_t why_size);
/**
 * Fill @p out from exactly the members of the table. Slices borrow from @p object.
 *
 * @param out  written at each row's offset; what was read before a failure stays
 * @return false with @p why = "member `x`: what"; it holds nothing of the values
 */
bool json_read(const json_t *object, const struct json_member *members,
	       size_t n_members, void *out, char *why, size_t why_size);

#endif
