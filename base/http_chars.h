/*
 * Character classes of HTTP and URIs, one table look-up each. For the files of
 * base/http*.c alone.
 */
#ifndef BASE_HTTP_CHARS_H
#define BASE_HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum http_chars {
	HTTP_CHARS_TOKEN = 1,       /* tchar (RFC 9110, 5.6.2) */
	HTTP_CHARS_VALUE = 2,       /* field value: no control but HTAB */
	HTTP_CHARS_SEGMENT = 4,     /* pchar without `%` and `;` (RFC 3986, 3.3) */
	HTTP_CHARS_QUERY = 8,       /* raw in a query: SEGMENT and `/ ? ;` */
	HTTP_CHARS_NO_ESCAPE = 16,  /* never percent-encoded anywhere */
	HTTP_CHARS_HOST = 32,       /* name or IPv4 address, lower case */
	HTTP_CHARS_UNRESERVED = 64, /* RFC 3986, 2.3 */
};

extern const uint8_t http_chars[256];

static inline bool http_chars_has(char c, enum http_chars class)
{
	return http_chars[(uint8_t)c] & class;
}

#endif
