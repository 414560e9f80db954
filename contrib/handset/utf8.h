/* Characters of UTF-8 text (RFC 3629), one at a time. */
#ifndef CONTRIB_HANDSET_UTF8_H
#define CONTRIB_HANDSET_UTF8_H

#include <event2/buffer.h>

#include "base/slice.h"

#define UTF8_REPLACEMENT 0xfffd

/** Append one character up to U+10FFFF; a surrogate becomes U+FFFD. */
void utf8_append(struct evbuffer *out, uint32_t character);
/**
 * Take the first character off @p rest.
 *
 * @return false when @p rest is empty or does not begin with a character: cut,
 * overlong, a surrogate, or no UTF-8; @p rest is then unchanged
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
