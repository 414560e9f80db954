/*
 * Text forms of bytes: hex, base64 (RFC 4648, 4), base64url without padding
 * (RFC 4648, 5) and UUIDs (RFC 9562). Decoders are strict: one
 * canonical spelling, everything else is refused. Also SHA-256 and random bytes,
 * which everybody needs.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <sys/types.h>

#include "base/arena.h"

#define SHA256_BYTES 32
#define UUID_CHARS   36

/** Characters of base64url without padding for @p n bytes. */
#define BASE64URL_CHARS(n) (((n)*4 + 2) / 3)

/** Write lower-case hex and a NUL; @p out holds 2 * n + 1. */
void hex_encode(struct slice bytes, char *out);
/** Value of a hex digit of either case, or -1. */
int hex_digit_value(char c);
/** @return false unless exactly 2 * @p n lower- or upper-case hex digits */
bool hex_decode(struct slice text, uint8_t *out, size_t n);

/** Write base64url without padding and a NUL; @p out holds BASE64URL_CHARS(n) + 1. */
void base64url_encode(struct slice bytes, char *out);
/**
 * Decode base64url without padding into at most @p cap bytes.
 * @return length, or -1 for foreign characters, padding, impossible lengths,
 *         spare bits that are not zero, or more than @p cap bytes
 */
ssize_t base64url_decode(struct slice text, uint8_t *out, size_t cap);
/** Plain padded base64 and a NUL; @p out holds 4 * ((n + 2) / 3) + 1. */
void base64_encode(struct slice bytes, char *out);
/** Strict inverse of base64_encode(); returns as base64url_decode(). */
ssize_t base64_decode(struct slice text, uint8_t *out, size_t cap);

/** Write a random UUID version 4, lower case, and a NUL. */
void uuid_make(char out[UUID_CHARS + 1]);
/** @return true for the lower-case 8-4-4-4-12 form of any UUID */
bool uuid_is_valid(struct slice text);

/** SHA-256 of @p bytes, which may be none. */
void sha256(struct slice bytes, uint8_t out[SHA256_BYTES]);
/** SHA-256 of bytes that come in pieces. Never NULL; freed by digest_end(). */
struct digest;
struct digest *digest_begin(void);
void digest_add(struct digest *digest, struct slice bytes);
/** @param out  NULL: nobody wants it */
void digest_end(struct digest *digest, uint8_t out[SHA256_BYTES]);
/** Fill with cryptographically strong bytes; aborts when there are none. */
void random_bytes(void *out, size_t n);

#endif
