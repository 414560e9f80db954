/*
 * Compact JWS (RFC 7515) in the one shape that the protocol has: ES256, header of
 * exactly alg, typ, kid, x5c, where kid is the RFC 7638 thumbprint of the key of the
 * first certificate. Says whether that key made the signature, not whether it is to
 * be trusted, and does not look into the payload.
 */
#ifndef AUTH_JWS_H
#define AUTH_JWS_H

#include <openssl/x509.h>

#include "base/codec.h"

#define JWS_CERTS_MAX        3    /* leaf and at most two intermediates */
#define JWS_X5C_CHARS        4096 /* all certificates together, base64 */
#define JWS_THUMBPRINT_CHARS BASE64URL_CHARS(SHA256_BYTES)

/**
 * RFC 7638 thumbprint of a P-256 key, base64url.
 * @return false when it is another kind of key
 */
bool jws_thumbprint(const EVP_PKEY *key, char out[JWS_THUMBPRINT_CHARS + 1]);

struct jws {
	X509 *certs[JWS_CERTS_MAX]; /* leaf first */
	size_t n_certs;
	char kid[JWS_THUMBPRINT_CHARS + 1];
	struct slice payload; /* decoded, in the arena */
};

enum jws_result {
	JWS_OK,
	JWS_MALFORMED,     /* @c out holds nothing to be looked at */
	JWS_BAD_SIGNATURE, /* well formed, but signed by another key or changed */
};

/**
 * Read a JWS of one type and verify its signature by its own leaf.
 *
 * @param text   borrowed
 * @param typ    the only accepted type
 * @param arena  holds the payload
 * @param out    closed by jws_close(), also after a failure
 */
enum jws_result jws_open(struct slice text, const char *typ, struct arena *arena,
			 struct jws *out) __attribute__((warn_unused_result));
/** Free the certificates, and empty OpenSSL's queue of errors. */
void jws_close(struct jws *jws);

/**
 * Write the header for a chain, base64url, as jws_sign() takes it.
 * @return in the arena, or NULL when the leaf is not P-256 or x5c would be too long
 */
const char *jws_header(const char *typ, X509 *const *certs, size_t n_certs,
		       struct arena *arena);
/**
 * Sign @p payload under @p header.
 * @return length of the JWS written to @p out, or -1 when @p cap is too small
 * Cost: one ECDSA signature, 24 us.
 */
ssize_t jws_sign(EVP_PKEY *key, struct slice header, struct slice payload, char *out,
		 size_t cap) __attribute__((warn_unused_result));

#endif
