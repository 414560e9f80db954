#include "provisioning/header.h"

/* Whether a text is one entity-tag, weak or strong; its opaque part to *tag. */
static bool read_tag(struct slice text, struct slice *tag)
{
	if (slice_starts(text, SLICE("W/")))
		text = slice_make(text.p + 2, text.n - 2);
	if (text.n < 2 || text.p[0] != '"' || text.p[text.n - 1] != '"')
		return false;
	for (size_t i = 1; i < text.n - 1; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '"')
			return false;
	*tag = text;
	return true;
}

struct slice header_entity_tag(struct slice value)
{
	struct slice tag = { NULL, 0 };
	return read_tag(slice_trim(value), &tag) ? tag : slice_make(NULL, 0);
}

bool header_matches_tag(struct slice value, struct slice tag)
{
	struct slice element, candidate;
	if (slice_eq(slice_trim(value), SLICE("*")))
		return true;
	/* A comma inside a tag would split it; our own tags have none. */
	while (slice_next(&value, ',', &element))
		if (read_tag(slice_trim(element), &candidate) &&
		    slice_eq(candidate, tag))
			return true;
	return false;
}

unsigned header_prefer_wait(struct slice value, unsigned max)
{
	struct slice element, name;
	while (slice_next(&value, ',', &element)) {
		element = slice_trim(element);
		if (!slice_next(&element, '=', &name) ||
		    !slice_eq_nocase(slice_trim(name), SLICE("wait")))
			continue;
		uint64_t seconds;
		if (!slice_to_u64(slice_trim(element), UINT32_MAX, &seconds))
			return 0;
		return seconds < max ? (unsigned)seconds : max;
	}
	return 0;
}

enum header_range header_range(struct slice value, uint64_t size, uint64_t *first,
			       uint64_t *last)
{
	struct slice text = slice_trim(value), from;
	uint64_t a = 0, b = UINT64_MAX;
	if (text.n < 6 || !slice_eq_nocase(slice_make(text.p, 6), SLICE("bytes=")))
		return HEADER_RANGE_NONE;
	text = slice_make(text.p + 6, text.n - 6);
	if (!memchr(text.p, '-', text.n) || !slice_next(&text, '-', &from))
		return HEADER_RANGE_NONE;
	if ((from.n > 0 && !slice_to_u64(from, UINT64_MAX, &a)) ||
	    (text.n > 0 && !slice_to_u64(text, UINT64_MAX, &b)) ||
	    (from.n == 0 && text.n == 0) || (from.n > 0 && b < a))
		return HEADER_RANGE_NONE;
	if (from.n == 0) { /* the last b bytes */
		if (b == 0 || size == 0)
			return HEADER_RANGE_UNSATISFIABLE;
		*first = b < size ? size - b : 0;
		*last = size - 1;
		return HEADER_RANGE_PART;
	}
	if (a >= size)
		return HEADER_RANGE_UNSATISFIABLE;
	*first = a;
	*last = b < size ? b : size - 1;
	return HEADER_RANGE_PART;
}
