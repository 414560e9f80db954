/*
 * Fields of an encoding (encode.c) read into the members of claims: each of its one
 * size and form, or refused.
 */
#ifndef AUTH_FIELD_H
#define AUTH_FIELD_H

#include "auth/auth.h"

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

#endif
