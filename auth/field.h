/*
 * Fields of encodings and messages: read into the members of claims, each of its one
 * size and form or refused, and written as text.
 */
#ifndef AUTH_FIELD_H
#define AUTH_FIELD_H

#include "auth/auth.h"
#include "base/log.h"

/** Exactly @p n bytes. */
static inline bool field_bytes(struct slice field, uint8_t *out, size_t n)
{
	if (!field.p || field.n != n)
		return false;
	memcpy(out, field.p, n);
	return true;
}

/** An identifier in canonical form. */
static inline bool field_dev(struct slice field, char out[AUTH_DEV_CHARS + 1])
{
	return identity_canonical(field, out) && slice_eq(slice_of(out), field);
}

/** A host:port in canonical form. */
static inline bool field_srv(struct slice field, char out[AUTH_SRV_CHARS + 1])
{
	return identity_srv(field, 0, out) && slice_eq(slice_of(out), field);
}

struct field_text {
	char p[BASE64URL_CHARS(32) + 1];
};

static inline struct field_text field_text(const void *bytes, size_t n)
{
	struct field_text text;

	BUG_ON(n > 32);
	base64url_encode(slice_make(bytes, n), text.p);
	return text;
}

/** Base64url of an array of at most 32 bytes; lives as long as the expression. */
#define FIELD_TEXT(array) field_text((array), sizeof(array)).p

#endif
