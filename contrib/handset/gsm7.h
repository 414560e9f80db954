/*
 * Text of a short message as bytes of the air: the GSM 7-bit default alphabet with
 * its extension table (3GPP TS 23.038, 6.2.1), one septet in a byte as SMPP carries
 * it, and UCS-2, read as UTF-16BE. To and from UTF-8. Knows no messages.
 */
#ifndef CONTRIB_HANDSET_GSM7_H
#define CONTRIB_HANDSET_GSM7_H

#include <event2/buffer.h>

#include "base/slice.h"

/**
 * Append @p septets, one in each byte, as UTF-8.
 *
 * An escape before a code that the extension table does not have shows the character
 * of the default alphabet, and a lone escape at the end a space, as the standard wants.
 *
 * @return false when a byte is over 0x7f; then nothing is appended
 */
bool gsm7_decode(struct slice septets, struct evbuffer *utf8);
/**
 * Append UTF-16BE as UTF-8. A surrogate without its partner becomes U+FFFD.
 *
 * @return false for an odd number of bytes; then nothing is appended
 */
bool ucs2_decode(struct slice bytes, struct evbuffer *utf8);
/**
 * Append UTF-8 as septets, one in each byte.
 *
 * @return false when a character is in neither table or the text is no UTF-8; then
 *         nothing is appended
 */
bool gsm7_encode(struct slice utf8, struct evbuffer *septets);
/** Append UTF-8 as UTF-16BE. @return false when the text is no UTF-8 */
bool ucs2_encode(struct slice utf8, struct evbuffer *bytes);

#endif
