#include "auth/proof.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/field.h"
#include "auth/jws.h"
#include "base/files.h"
#include "base/log.h"

#define PINS_MAX          2
#define INTERMEDIATES_MAX 2
#define AUTH_LEVEL        2           /* 112 bits at least, in every certificate */
#define ARENA_LIMIT_BYTES (32 * 1024) /* over what AUTH_PROOF_BYTES decode to */

/* ---- Trust ---- */

struct proof_trust {
	char srv[AUTH_SRV_CHARS + 1];
	char uri[AUTH_SRV_CHARS + sizeof("https:///")]; /* the only SAN under a root */
	X509_STORE *roots;                              /* NULL: pins alone */
	char pins[PINS_MAX][JWS_THUMBPRINT_CHARS + 1];
	size_t n_pins;
};

static bool take_pins(struct proof_trust *trust,
		      const struct proof_trust_settings *settings, char *why,
		      size_t why_size)
{
	if (settings->n_pins > PINS_MAX) {
		snprintf(why, why_size, "more than two pins");
		return false;
	}
	for (size_t i = 0; i < settings->n_pins; i++) {
		struct slice pin = slice_of(settings->pins[i]);
		uint8_t hash[SHA256_BYTES];
		if (base64url_decode(pin, hash, sizeof(hash)) != SHA256_BYTES) {
			snprintf(why, why_size,
				 "pin %zu is no thumbprint: 43 characters of base64url",
				 i + 1);
			return false;
		}
		memcpy(trust->pins[i], pin.p, pin.n + 1);
	}
	trust->n_pins = settings->n_pins;
	return true;
}

static bool take_roots(struct proof_trust *trust, const char *path, char *why,
		       size_t why_size)
{
	BIO *bio = BIO_new_file(files_path(path), "r");
	X509 *root;
	size_t n = 0;

	trust->roots = X509_STORE_new();
	BUG_ON(!trust->roots);
	while (bio && (root = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		BUG_ON(X509_STORE_add_cert(trust->roots, root) != 1);
		X509_free(root);
		n++;
	}
	/* A file that ends is no error, one that breaks off is. */
	bool is_whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	BIO_free(bio);
	ERR_clear_error();
	if (n > 0 && is_whole)
		return true;
	snprintf(why, why_size, "%s: %s", path,
		 !bio    ? "cannot be read"
		 : n > 0 ? "holds what is no certificate"
			 : "holds no certificate in PEM form");
	return false;
}

struct proof_trust *proof_trust_new(const struct proof_trust_settings *settings,
				    char *why, size_t why_size)
{
	struct proof_trust *trust = calloc(1, sizeof(*trust));

	BUG_ON(!trust);
	if (!field_srv(slice_of(settings->srv), trust->srv)) {
		snprintf(why, why_size, "%s is no host:port in lower case",
			 settings->srv);
		goto fail;
	}
	snprintf(trust->uri, sizeof(trust->uri), "https://%s/", trust->srv);
	if (!settings->root_path && settings->n_pins == 0) {
		snprintf(why, why_size, "neither a root nor a pin");
		goto fail;
	}
	if (!take_pins(trust, settings, why, why_size))
		goto fail;
	if (settings->root_path &&
	    !take_roots(trust, settings->root_path, why, why_size))
		goto fail;
	return trust;
fail:
	proof_trust_free(trust);
	return NULL;
}

void proof_trust_free(struct proof_trust *trust)
{
	if (!trust)
		return;
	X509_STORE_free(trust->roots);
	free(trust);
}

static bool is_pinned(const struct proof_trust *trust, const char *kid)
{
	for (size_t i = 0; i < trust->n_pins; i++)
		if (strcmp(trust->pins[i], kid) == 0)
			return true;
	return false;
}

/* The one SAN is the URI of the server. */
static bool is_named(const struct proof_trust *trust, const X509 *leaf)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool ok = false;

	if (sk_GENERAL_NAME_num(names) == 1) {
		int type;
		const ASN1_STRING *uri =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &type);
		ok = type == GEN_URI &&
		     slice_eq(slice_make(ASN1_STRING_get0_data(uri),
					 (size_t)ASN1_STRING_length(uri)),
			      slice_of(trust->uri));
	}
	GENERAL_NAMES_free(names);
	return ok;
}

static bool is_chained(const struct proof_trust *trust, const struct jws *jws)
{
	STACK_OF(X509) *intermediates = sk_X509_new_null();
	X509_STORE_CTX *context = X509_STORE_CTX_new();

	BUG_ON(!intermediates || !context);
	for (size_t i = 1; i < jws->n_certs; i++)
		BUG_ON(sk_X509_push(intermediates, jws->certs[i]) <= 0);
	BUG_ON(X509_STORE_CTX_init(context, trust->roots, jws->certs[0],
				   intermediates) != 1);
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_depth(param, INTERMEDIATES_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
	bool ok = X509_verify_cert(context) == 1 &&
		  (X509_get_key_usage(jws->certs[0]) & KU_DIGITAL_SIGNATURE);
	X509_STORE_CTX_free(context);
	sk_X509_free(intermediates);
	return ok;
}

static bool is_trusted(const struct proof_trust *trust, const struct jws *jws)
{
	return is_pinned(trust, jws->kid) ||
	       (trust->roots && is_named(trust, jws->certs[0]) &&
		is_chained(trust, jws));
}

/* ---- Verification ---- */

static bool claims_eq(const struct auth_claims *a, const struct auth_claims *b)
{
	return memcmp(a->gw, b->gw, sizeof(a->gw)) == 0 &&
	       strcmp(a->srv, b->srv) == 0 &&
	       memcmp(a->sid, b->sid, sizeof(a->sid)) == 0 &&
	       memcmp(a->nonce, b->nonce, sizeof(a->nonce)) == 0 &&
	       strcmp(a->dev, b->dev) == 0 &&
	       memcmp(a->cred, b->cred, sizeof(a->cred)) == 0 &&
	       memcmp(a->binding, b->binding, sizeof(a->binding)) == 0;
}

static enum auth_reason check_claims(const struct proof_trust *trust,
				     const struct proof_claims *proof,
				     const struct auth_claims *claims,
				     enum standing standing, const uint8_t *gh)
{
	if (strcmp(proof->claims.srv, trust->srv) != 0 ||
	    !claims_eq(&proof->claims, claims) || proof->is_other_method ||
	    proof->standing != standing)
		return REASON_PROOF_MISMATCH;
	if (gh && memcmp(proof->gh, gh, sizeof(proof->gh)) != 0)
		return REASON_PROOF_GRANT_MISMATCH;
	return REASON_NONE;
}

static enum auth_reason verify(const struct proof_trust *trust, struct slice text,
			       struct arena *arena, struct jws *jws,
			       struct proof_claims *out)
{
	enum jws_result result = JWS_MALFORMED;

	if (text.n <= AUTH_PROOF_BYTES)
		result = jws_open(text, PROOF_TYP, arena, jws);
	if (result == JWS_MALFORMED)
		return REASON_PROOF_MALFORMED;
	if (!is_trusted(trust, jws))
		return REASON_PROOF_UNTRUSTED;
	if (result != JWS_OK)
		return REASON_PROOF_SIGNATURE;
	return proof_claims_decode(jws->payload, out) ? REASON_NONE
						      : REASON_PROOF_MALFORMED;
}

enum auth_reason proof_verify(const struct proof_trust *trust, struct slice jws,
			      const struct auth_claims *claims, enum standing standing,
			      const uint8_t *gh)
{
	struct arena *arena = arena_new(ARENA_LIMIT_BYTES);
	struct jws opened = { .n_certs = 0 };
	struct proof_claims proof;

	enum auth_reason reason = verify(trust, jws, arena, &opened, &proof);
	if (reason == REASON_NONE)
		reason = check_claims(trust, &proof, claims, standing, gh);
	if (reason == REASON_NONE)
		log_debug("proof", log_str("srv", trust->srv),
			  log_str("kid", opened.kid), log_num("iat", proof.issued_s));
	jws_close(&opened);
	arena_free(arena);
	return reason;
}
