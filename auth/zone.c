#include "auth/auth.h"
#include "base/time.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "auth/field.h"
#include "auth/jws.h"
#include "auth/proof.h"
#include "base/files.h"
#include "base/log.h"

#define QUESTION_BYTES    1024 /* over the longest claims, encoded */
#define ARENA_LIMIT_BYTES (16 * 1024)

/* ---- Secrets ---- */

struct zone {
	EVP_PKEY *key;
	struct arena *arena; /* of the header, for the life of the zone */
	struct slice header; /* alike in every proof: base64url, as jws_sign() wants */
};

/* At most one more than a proof may carry. */
static size_t read_chain(const char *path, X509 *certs[JWS_CERTS_MAX + 1])
{
	BIO *bio = BIO_new_file(files_path(path), "r");
	size_t n = 0;

	while (bio && n <= JWS_CERTS_MAX &&
	       (certs[n] = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		n++;
	BIO_free(bio);
	ERR_clear_error();
	return n;
}

static const char *check_chain(const struct zone *zone, X509 *const *certs, size_t n)
{
	if (n == 0)
		return "holds no certificate in PEM form";
	if (n > JWS_CERTS_MAX)
		return "holds more than a leaf and two intermediates; leave the root "
		       "out";
	if (!EVP_PKEY_eq(X509_get0_pubkey(certs[0]), zone->key))
		return "its first certificate is not of the proof key";
	return NULL;
}

static bool load_chain(struct zone *zone, const char *path, char *why, size_t why_size)
{
	X509 *certs[JWS_CERTS_MAX + 1];
	size_t n = read_chain(path, certs);
	const char *problem = check_chain(zone, certs, n);

	if (!problem) {
		zone->header = slice_of(jws_header(PROOF_TYP, certs, n, zone->arena));
		if (!zone->header.p)
			problem = "the proof key is not EC P-256, or the certificates "
				  "are longer than 4 KiB in base64";
	}
	while (n > 0)
		X509_free(certs[--n]);
	if (problem)
		snprintf(why, why_size, "%s: %s", path, problem);
	return !problem;
}

struct zone *zone_load(const char *chain_path, const char *key_path, char *why,
		       size_t why_size)
{
	struct zone *zone = calloc(1, sizeof(*zone));

	BUG_ON(!zone);
	zone->arena = arena_new(ARENA_LIMIT_BYTES);
	zone->key = keys_load(key_path, why, why_size);
	if (zone->key && load_chain(zone, chain_path, why, why_size))
		return zone;
	zone_free(zone);
	return NULL;
}

void zone_free(struct zone *zone)
{
	if (!zone)
		return;
	EVP_PKEY_free(zone->key); /* wipes */
	arena_free(zone->arena);
	free(zone);
}

/* ---- Question ---- */

/* The fields of a question: everything that a proof says but the time. */
enum question_field {
	QUESTION_GW,
	QUESTION_SRV,
	QUESTION_SID,
	QUESTION_NONCE,
	QUESTION_DEV,
	QUESTION_METHOD,
	QUESTION_CRED,
	QUESTION_BINDING,
	QUESTION_STANDING,
	QUESTION_GH,
	QUESTION_N
};

static bool question_decode(struct slice question, struct proof_claims *out)
{
	struct auth_claims *c = &out->claims;
	struct slice f[QUESTION_N];

	return auth_decode(AUTH_LABEL_ZONE_PROOF, question, f, QUESTION_N) &&
	       field_bytes(f[QUESTION_GW], c->gw, sizeof(c->gw)) &&
	       field_srv(f[QUESTION_SRV], c->srv) &&
	       field_bytes(f[QUESTION_SID], c->sid, sizeof(c->sid)) &&
	       field_bytes(f[QUESTION_NONCE], c->nonce, sizeof(c->nonce)) &&
	       field_dev(f[QUESTION_DEV], c->dev) &&
	       slice_eq(f[QUESTION_METHOD], SLICE(AUTH_METHOD)) &&
	       field_bytes(f[QUESTION_CRED], c->cred, sizeof(c->cred)) &&
	       field_bytes(f[QUESTION_BINDING], c->binding, sizeof(c->binding)) &&
	       standing_parse(f[QUESTION_STANDING], &out->standing) &&
	       field_bytes(f[QUESTION_GH], out->gh, sizeof(out->gh));
}

ssize_t zone_answer(void *arg, struct slice question, uint8_t *answer, size_t cap)
{
	struct zone *zone = arg;
	struct proof_claims claims;
	char jws[AUTH_PROOF_BYTES + 1];

	if (!question_decode(question, &claims))
		return -1;
	claims.issued_s = time_now_ms() / 1000;
	struct arena *arena = arena_new(ARENA_LIMIT_BYTES);
	struct slice payload = slice_of(proof_claims_encode(&claims, arena));
	BUG_ON(!payload.p);
	ssize_t n = jws_sign(zone->key, zone->header, payload, jws, sizeof(jws));
	arena_free(arena);
	if (n < 0 || (size_t)n > cap)
		return -1;
	memcpy(answer, jws, (size_t)n);
	return n;
}

uint32_t zone_ask_proof(struct child_caller *caller, const struct auth_claims *claims,
			enum standing standing, const uint8_t gh[SHA256_BYTES],
			int64_t deadline_ms, child_answer_fn *fn, void *arg)
{
	const struct slice fields[QUESTION_N] = {
		[QUESTION_GW] = slice_make(claims->gw, sizeof(claims->gw)),
		[QUESTION_SRV] = slice_of(claims->srv),
		[QUESTION_SID] = slice_make(claims->sid, sizeof(claims->sid)),
		[QUESTION_NONCE] = slice_make(claims->nonce, sizeof(claims->nonce)),
		[QUESTION_DEV] = slice_of(claims->dev),
		[QUESTION_METHOD] = SLICE(AUTH_METHOD),
		[QUESTION_CRED] = slice_make(claims->cred, sizeof(claims->cred)),
		[QUESTION_BINDING] =
			slice_make(claims->binding, sizeof(claims->binding)),
		[QUESTION_STANDING] = slice_of(standing_name(standing)),
		[QUESTION_GH] = slice_make(gh, SHA256_BYTES),
	};
	uint8_t question[QUESTION_BYTES];
	size_t n = auth_encode(AUTH_LABEL_ZONE_PROOF, fields, QUESTION_N, question,
			       sizeof(question));

	BUG_ON(n == 0);
	return child_ask(caller, slice_make(question, n), deadline_ms, fn, arg);
}
