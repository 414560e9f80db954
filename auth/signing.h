/*
 * What the holder of a TLS key signs for those who do not hold it: the inputs of TLS
 * handshakes, by the schemes that we accept. Between keyring.c, which signs, and
 * signer.c, which asks. Knows no keys and no channels.
 */
#ifndef AUTH_SIGNING_H
#define AUTH_SIGNING_H

#include "base/codec.h"
#include "base/tls.h"

#define SIGNING_INPUT_BYTES    146 /* longest that is signed */
#define SIGNING_QUESTION_BYTES 256

/** A SignatureScheme. */
struct signing_scheme {
	uint16_t id; /* RFC 8446, 4.2.3 */
	const char *key_type;
	const char *group;  /* which TLS 1.3 demands of an EC key */
	const char *digest; /* NULL: the scheme has its own */
	const char *digest_alias;
	bool is_pss;
	bool is_tls13; /* may sign there; all may in TLS 1.2 */
};

/** @return NULL when @p id is none of ours */
const struct signing_scheme *signing_scheme_of(uint16_t id);
/** By what libssl says when it signs. @p digest is a name, or NULL or "" for none. */
const struct signing_scheme *signing_scheme_find(const char *key_type,
						 const char *digest, bool is_pss);

enum signing_form {
	SIGNING_FORM_NONE,
	SIGNING_FORM_TLS13, /* of a CertificateVerify: RFC 8446, 4.4.3 */
	SIGNING_FORM_TLS12, /* of a ServerKeyExchange: RFC 8422, 5.4 */
};
/**
 * Which input of a handshake @p input is, to the byte, when a key of @p role signs it.
 * A TLS 1.2 input is only a server's, and only one that says by the mark in its random
 * (RFC 8446, 4.1.3) that it would have spoken TLS 1.3.
 */
enum signing_form signing_form_of(struct slice input, enum tls_role role);

/** A question to the keyring. The key is named by its public half. */
struct signing_question {
	uint8_t spki[SHA256_BYTES];
	const struct signing_scheme *scheme;
	struct slice input;
};
/** @return length; 0 when the input is longer than any that is signed */
size_t signing_question_encode(const struct signing_question *question,
			       uint8_t out[SIGNING_QUESTION_BYTES]);
/** @p out points into @p bytes. @return false for anything else than a question */
bool signing_question_decode(struct slice bytes, struct signing_question *out);

#endif
