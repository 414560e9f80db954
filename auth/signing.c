#include "auth/signing.h"

#include <strings.h>

#include "auth/auth.h"
#include "auth/field.h"

#define PADDING_BYTES   64
#define RANDOM_BYTES    32
#define CURVE_HEAD      4 /* curve_type, namedcurve, length of the point */
#define NAMED_CURVE     3
#define SHA384_BYTES    48
#define UNCOMPRESSED    4
#define DOWNGRADE_BYTES 8

/* ---- Schemes ---- */

/* Those that base/tls.c offers. */
#define SHA_256 "SHA2-256", "SHA256"
#define SHA_384 "SHA2-384", "SHA384"
static const struct signing_scheme schemes[] = {
	{ 0x0403, "EC", "prime256v1", SHA_256, false, true },
	{ 0x0503, "EC", "secp384r1", SHA_384, false, true },
	{ 0x0807, "ED25519", NULL, NULL, NULL, false, true },
	{ 0x0804, "RSA", NULL, SHA_256, true, true },
	{ 0x0805, "RSA", NULL, SHA_384, true, true },
	{ 0x0401, "RSA", NULL, SHA_256, false, false },
	{ 0x0501, "RSA", NULL, SHA_384, false, false },
};
#define N_SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

const struct signing_scheme *signing_scheme_of(uint16_t id)
{
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (schemes[i].id == id)
			return &schemes[i];
	return NULL;
}

static bool is_digest(const struct signing_scheme *scheme, const char *name)
{
	if (!scheme->digest || !name || !*name)
		return !scheme->digest && (!name || !*name);
	return strcasecmp(name, scheme->digest) == 0 ||
	       strcasecmp(name, scheme->digest_alias) == 0;
}

const struct signing_scheme *signing_scheme_find(const char *key_type,
						 const char *digest, bool is_pss)
{
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (strcmp(schemes[i].key_type, key_type) == 0 &&
		    schemes[i].is_pss == is_pss && is_digest(&schemes[i], digest))
			return &schemes[i];
	return NULL;
}

/* ---- Inputs ---- */

static bool take(struct slice *rest, size_t n, struct slice *out)
{
	if (rest->n < n)
		return false;
	*out = slice_make(rest->p, n);
	*rest = slice_make(rest->p + n, rest->n - n);
	return true;
}

/* RFC 8446, 4.4.3: spaces, whose it is, a zero, the hash of the handshake so far. */
static bool is_certificate_verify(struct slice input, enum tls_role role)
{
	static const char spaces[PADDING_BYTES + 1] =
		"                                "
		"                                ";
	static const char server[] = "TLS 1.3, server CertificateVerify";
	static const char client[] = "TLS 1.3, client CertificateVerify";
	const char *context = role == TLS_SERVER ? server : client;
	struct slice padding, whose;

	/* The zero ends the context. */
	return take(&input, PADDING_BYTES, &padding) &&
	       take(&input, sizeof(server), &whose) &&
	       memcmp(padding.p, spaces, PADDING_BYTES) == 0 &&
	       memcmp(whose.p, context, sizeof(server)) == 0 &&
	       (input.n == SHA256_BYTES || input.n == SHA384_BYTES);
}

/* The groups that base/tls.c offers. */
static bool is_point(unsigned group, struct slice point)
{
	switch (group) {
	case 0x001d: return point.n == 32;                               /* x25519 */
	case 0x0017: return point.n == 65 && point.p[0] == UNCOMPRESSED; /* secp256r1 */
	default: return false;
	}
}

/* RFC 8422, 5.4: both randoms, and the server's share. */
static bool is_key_exchange(struct slice input)
{
	static const char mark[DOWNGRADE_BYTES + 1] = "DOWNGRD\x01";
	struct slice client, server, head;

	if (!take(&input, RANDOM_BYTES, &client) ||
	    !take(&input, RANDOM_BYTES, &server) || !take(&input, CURVE_HEAD, &head) ||
	    memcmp(server.p + RANDOM_BYTES - DOWNGRADE_BYTES, mark, DOWNGRADE_BYTES))
		return false;
	const uint8_t *h = (const uint8_t *)head.p;
	return h[0] == NAMED_CURVE && h[3] == input.n &&
	       is_point((unsigned)h[1] << 8 | h[2], input);
}

enum signing_form signing_form_of(struct slice input, enum tls_role role)
{
	if (is_certificate_verify(input, role))
		return SIGNING_FORM_TLS13;
	if (role == TLS_SERVER && is_key_exchange(input))
		return SIGNING_FORM_TLS12;
	return SIGNING_FORM_NONE;
}

/* ---- Questions ---- */

enum question_field {
	QUESTION_SPKI,
	QUESTION_SCHEME,
	QUESTION_INPUT,
	QUESTION_N
};

size_t signing_question_encode(const struct signing_question *question,
			       uint8_t out[SIGNING_QUESTION_BYTES])
{
	const uint8_t scheme[2] = { (uint8_t)(question->scheme->id >> 8),
				    (uint8_t)question->scheme->id };
	const struct slice fields[QUESTION_N] = {
		[QUESTION_SPKI] = slice_make(question->spki, sizeof(question->spki)),
		[QUESTION_SCHEME] = slice_make(scheme, sizeof(scheme)),
		[QUESTION_INPUT] = question->input,
	};

	if (question->input.n > SIGNING_INPUT_BYTES)
		return 0;
	return auth_encode(AUTH_LABEL_SIGNATURE, fields, QUESTION_N, out,
			   SIGNING_QUESTION_BYTES);
}

bool signing_question_decode(struct slice bytes, struct signing_question *out)
{
	struct slice f[QUESTION_N];
	uint8_t scheme[2];

	if (!auth_decode(AUTH_LABEL_SIGNATURE, bytes, f, QUESTION_N) ||
	    !field_bytes(f[QUESTION_SPKI], out->spki, sizeof(out->spki)) ||
	    !field_bytes(f[QUESTION_SCHEME], scheme, sizeof(scheme)) ||
	    !f[QUESTION_INPUT].p)
		return false;
	out->scheme = signing_scheme_of((uint16_t)(scheme[0] << 8 | scheme[1]));
	out->input = f[QUESTION_INPUT];
	return out->scheme != NULL;
}
