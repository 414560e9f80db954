/*
 * For tests of proofs: a site with a proof root, an issuer and a proof key, made when
 * the test runs, and proofs with any header and payload.
 */
#ifndef TEST_UNIT_PROOF_SITE_H
#define TEST_UNIT_PROOF_SITE_H

#include "auth/jws.h"
#include "auth/proof.h"
#include "test/unit/cert.h"
#include "test/unit/claims.h"
#include "test/unit/directory.h"
#include "test/unit/test.h"

#define SRV "prov.example.com:8443"
#define URI SLICE("https://" SRV "/")

static struct {
	struct directory directory;
	char root_path[512];
	EVP_PKEY *root_key, *middle_key, *leaf_key;
	X509 *root, *middle, *leaf;
	struct arena *arena;
	struct proof_trust *by_root, *by_pin;
} site;

static inline struct proof_trust *trust_new(const char *root_path, const char *pin)
{
	char why[256];
	struct proof_trust *trust = proof_trust_new(
		&(struct proof_trust_settings){
			.srv = SRV,
			.root_path = root_path,
			.pins = &pin,
			.n_pins = pin ? 1 : 0,
		},
		why, sizeof(why));

	CU_ASSERT_PTR_NOT_NULL_FATAL(trust);
	return trust;
}

static inline void site_open(void)
{
	char pin[JWS_THUMBPRINT_CHARS + 1];

	directory_open(&site.directory);
	site.arena = arena_new(1 << 24);
	site.root_key = cert_key("P-256");
	site.middle_key = cert_key("P-256");
	site.leaf_key = cert_key("P-256");
	site.root = cert_make(&(struct cert_spec){
		.name = "root", .key = site.root_key, .is_ca = true });
	site.middle = cert_make(&(struct cert_spec){ .name = "middle",
						     .key = site.middle_key,
						     .issuer = site.root,
						     .issuer_key = site.root_key,
						     .is_ca = true });
	site.leaf = cert_make(&(struct cert_spec){ .name = "proof",
						   .key = site.leaf_key,
						   .issuer = site.middle,
						   .issuer_key = site.middle_key,
						   .uris = { URI } });
	snprintf(site.root_path, sizeof(site.root_path), "%s/root.pem",
		 site.directory.path);
	cert_write(site.root_path, &site.root, 1);
	CU_ASSERT_TRUE(jws_thumbprint(site.leaf_key, pin));
	site.by_root = trust_new(site.root_path, NULL);
	site.by_pin = trust_new(NULL, pin);
}

static inline void site_close(void)
{
	proof_trust_free(site.by_root);
	proof_trust_free(site.by_pin);
	X509_free(site.root);
	X509_free(site.middle);
	X509_free(site.leaf);
	EVP_PKEY_free(site.root_key);
	EVP_PKEY_free(site.middle_key);
	EVP_PKEY_free(site.leaf_key);
	arena_free(site.arena);
	directory_close(&site.directory);
}

static inline void own_claims(struct proof_claims *out)
{
	*out = (struct proof_claims){ .standing = STANDING_UNPROVISIONED,
				      .issued_s = 1795224000 };
	claims_fill(&out->claims);
	memset(out->gh, 'h', sizeof(out->gh));
}

static inline enum auth_reason judge(const struct proof_trust *trust, struct slice jws)
{
	struct proof_claims own;

	own_claims(&own);
	return proof_verify(trust, jws, &own.claims, own.standing, own.gh);
}

/* Sign any header and payload. */
static inline struct slice make(EVP_PKEY *key, const char *header, const char *payload)
{
	size_t n = strlen(header), cap = 1 << 16;
	char *encoded = arena_alloc(site.arena, BASE64URL_CHARS(n) + 1);
	char *out = arena_alloc(site.arena, cap);

	CU_ASSERT_FATAL(encoded && out);
	base64url_encode(slice_of(header), encoded);
	ssize_t length = jws_sign(key, slice_of(encoded), slice_of(payload), out, cap);
	CU_ASSERT_FATAL(length > 0);
	return slice_make(out, (size_t)length);
}

static inline const char *own_payload(void)
{
	struct proof_claims own;

	own_claims(&own);
	return proof_claims_encode(&own, site.arena);
}

static inline const char *header_of(X509 *const *certs, size_t n)
{
	const char *text = jws_header(PROOF_TYP, certs, n, site.arena);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	char *json = arena_alloc(site.arena, strlen(text) + 1);
	ssize_t length =
		base64url_decode(slice_of(text), (uint8_t *)json, strlen(text));
	CU_ASSERT_FATAL(length > 0);
	json[length] = '\0';
	return json;
}

static inline const char *own_header(void)
{
	return header_of((X509 *const[]){ site.leaf, site.middle }, 2);
}

static inline struct slice own_proof(void)
{
	return make(site.leaf_key, own_header(), own_payload());
}

#endif
