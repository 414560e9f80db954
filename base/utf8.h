/*
 * Characters of UTF-8 text (RFC 3629), one at a time. Strict: what is cut, overlong, a
 * surrogate or beyond U+10FFFF is no character.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <event2/buffer.h>

#include "base/slice.h"

#define UTF8_REPLACEMENT 0xfffd
#define UTF8_BYTES_MAX   4 /* of one character */

/**
 * Write one character; what is none becomes U+FFFD.
 * @return bytes written, 1 to UTF8_BYTES_MAX; no NUL after them
 */
size_t utf8_put(uint32_t character, char out[UTF8_BYTES_MAX]);
/** As utf8_put(), at the end of a buffer. */
void utf8_append(struct evbuffer *out, uint32_t character);
/**
 * Take the first character off @p rest.
 *
 * @return false when @p rest is empty or does not begin with a character; @p rest is
 * then unchanged
 */
bool utf8_next(struct slice *rest, uint32_t *character);
/** Characters in @p text; bytes that are none count as one each. */
size_t utf8_length(struct slice text);
/**
 * Take as many whole characters off @p rest as fit into @p columns.
 * Bytes that are no character are taken one by one.
 */
struct slice utf8_take(struct slice *rest, size_t columns);

#endif
