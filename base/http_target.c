#include "base/http.h"
#include "base/http_chars.h"
#include "base/utf8.h"

/* The value of an upper-case hex digit, or -1: one spelling only. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that the escape at the start of @p s stands for, or -1. */
static int escaped_byte(struct slice s)
{
	int high, low;

	if (s.n < 3 || s.p[0] != '%')
		return -1;
	high = hex_value(s.p[1]);
	low = hex_value(s.p[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Bytes of the escapes at the start of @p s that are one character of UTF-8, which is
 * not a control (C1); 0: there is none. Overlong ones hide dots and slashes. */
static size_t escaped_character(struct slice s)
{
	char bytes[UTF8_BYTES_MAX];
	struct slice rest = { bytes, 0 };
	uint32_t character;
	size_t n;
	int byte;

	for (; rest.n < sizeof(bytes); rest.n++) {
		byte = escaped_byte(slice_make(s.p + 3 * rest.n, s.n - 3 * rest.n));
		if (byte < 0)
			break;
		bytes[rest.n] = (char)byte;
	}
	n = rest.n;
	if (!utf8_next(&rest, &character) || (character >= 0x80 && character < 0xa0))
		return 0;
	return 3 * (n - rest.n);
}

/*
 * All characters of @p s are raw characters of class @p raw, or needed escapes: never
 * of a byte of class @p never.
 */
static bool is_spelt(struct slice s, enum http_chars raw, unsigned never)
{
	for (size_t i = 0, n = 1; i < s.n; i += n) {
		const struct slice rest = slice_make(s.p + i, s.n - i);
		int byte;

		n = 1;
		if (http_chars_has(s.p[i], raw))
			continue;
		byte = escaped_byte(rest);
		n = escaped_character(rest);
		if (byte < 0 || (http_chars[byte] & never) || n == 0)
			return false;
	}
	return true;
}

static bool segment_is_canonical(struct slice segment)
{
	if (segment.n == 0 || slice_eq(segment, SLICE(".")) ||
	    slice_eq(segment, SLICE("..")))
		return false;
	/* QUERY holds `;` too, which hides dot segments from some servers. */
	return is_spelt(segment, HTTP_CHARS_SEGMENT,
			HTTP_CHARS_QUERY | HTTP_CHARS_NO_ESCAPE);
}

static bool path_is_canonical(struct slice path)
{
	if (path.n == 0 || path.p[0] != '/')
		return false;
	if (path.n == 1)
		return true;
	for (size_t start = 1; start <= path.n;) {
		const char *from = path.p + start;
		const char *slash = memchr(from, '/', path.n - start);
		size_t n = slash ? (size_t)(slash - from) : path.n - start;

		if (!segment_is_canonical(slice_make(from, n)))
			return false;
		start += n + 1;
	}
	return true;
}

void http_target_split(struct slice target, struct slice *path, struct slice *query)
{
	const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;

	*path = target;
	*query = slice_make(NULL, 0);
	if (mark) {
		path->n = (size_t)(mark - target.p);
		*query = slice_make(mark + 1, target.n - path->n - 1);
	}
}

bool http_target_is_canonical(struct slice target)
{
	struct slice path, query;

	http_target_split(target, &path, &query);
	/* Delimiters of a query may be data, so that only what is never a delimiter
	 * (unreserved, `/`, `?` by NO_ESCAPE) has a single spelling. */
	return path_is_canonical(path) &&
	       is_spelt(query, HTTP_CHARS_QUERY,
			HTTP_CHARS_UNRESERVED | HTTP_CHARS_NO_ESCAPE);
}
