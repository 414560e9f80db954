/*
 * Between signer.c, which asks the keyring at a hatch, and signer_provider.c, which
 * is what OpenSSL sees of it.
 */
#ifndef AUTH_SIGNER_H
#define AUTH_SIGNER_H

#include "auth/signing.h"

struct signer;

/**
 * Have the keyring sign. Blocks at most as long as signer_new() was told.
 * @return length of the signature; -1 when there is none (logged when that is new)
 */
ssize_t signer_sign(struct signer *signer, const struct signing_question *question,
		    uint8_t *out, size_t cap);

/**
 * A key whose public half is @p public and whose private half is in the keyring.
 * @param signer  borrowed for the life of the key
 * @param public  borrowed; the provider makes one of its own from it
 * @return a new reference, or NULL
 */
EVP_PKEY *signer_provider_key(struct signer *signer, const EVP_PKEY *public,
			      const uint8_t spki[SHA256_BYTES]);

#endif
