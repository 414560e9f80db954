/*
 * Slices: borrowed bytes with a length, the shape in which everything from
 * outside is passed around. A slice owns nothing, is not NUL-terminated and may
 * hold any byte. Knows no protocol.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

/** Slice of a string literal, without its NUL. */
#define SLICE(literal) ((struct slice){ .p = (literal), .n = sizeof(literal) - 1 })

/** Slice of @p n borrowed bytes at @p p. */
static inline struct slice slice_make(const void *p, size_t n)
{
	return (struct slice){ .p = p, .n = n };
}

/** Slice of a borrowed NUL-terminated string; NULL gives the empty slice. */
static inline struct slice slice_of(const char *s)
{
	return (struct slice){ .p = s, .n = s ? strlen(s) : 0 };
}

/** Compare byte by byte; not for secrets. */
bool slice_eq(struct slice a, struct slice b);
/** Compare, ASCII letters without regard to case. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
/** The slice without spaces and tabs at both ends (OWS of RFC 9110, 5.6.3). */
struct slice slice_trim(struct slice s);
/**
 * Take the next field off @p rest, up to @p separator or the end.
 *
 *     while (slice_next(&rest, ',', &field))
 *
 * @return false when nothing is left, that is when rest->p is NULL. What stands after
 *         the last separator is a field even when it is empty, and so is "".
 */
bool slice_next(struct slice *rest, char separator, struct slice *field);
/**
 * Read an unsigned decimal number: digits only, no sign, no space, not empty.
 * @return false when it is not one, or is over @p max; *out is then untouched
 */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out);
/**
 * Compare two secrets; the time depends on the lengths alone.
 * @return true when length and bytes are equal
 */
bool slice_eq_secret(struct slice a, struct slice b);

#endif
