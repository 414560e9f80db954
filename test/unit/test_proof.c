#include "auth/auth.h"

#include <jansson.h>

#include "test/unit/proof_site.h"
#include "test/unit/vector.h"

/* ---- The proof as a whole ---- */

static void a_proof_is_believed_by_root_or_by_pin(void)
{
	site_open();
	CU_ASSERT_EQUAL(judge(site.by_root, own_proof()), REASON_NONE);
	CU_ASSERT_EQUAL(judge(site.by_pin, own_proof()), REASON_NONE);
	site_close();
}

static void the_grant_is_compared_where_it_is_known(void)
{
	struct proof_claims own;
	uint8_t other[SHA256_BYTES] = { 0 };

	site_open();
	own_claims(&own);
	CU_ASSERT_EQUAL(proof_verify(site.by_root, own_proof(), &own.claims,
				     own.standing, NULL),
			REASON_NONE);
	CU_ASSERT_EQUAL(proof_verify(site.by_root, own_proof(), &own.claims,
				     own.standing, other),
			REASON_PROOF_GRANT_MISMATCH);
	site_close();
}

static enum auth_reason judge_by(const struct proof_claims *own)
{
	static struct slice proof;

	proof = own_proof();
	return proof_verify(site.by_pin, proof, &own->claims, own->standing, own->gh);
}

static void every_other_claim_of_the_verifier_is_a_mismatch(void)
{
	struct proof_claims own;
	uint8_t *fields[5];
	size_t sizes[5];

	site_open();
	own_claims(&own);
	claims_fields(&own.claims, fields, sizes);
	for (size_t i = 0; i < 5; i++) {
		for (size_t bit = 0; bit < sizes[i] * 8; bit += 37) {
			fields[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
			CU_ASSERT_EQUAL(judge_by(&own), REASON_PROOF_MISMATCH);
			fields[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		fields[i][sizes[i] - 1] ^= 0x80;
		CU_ASSERT_EQUAL(judge_by(&own), REASON_PROOF_MISMATCH);
		fields[i][sizes[i] - 1] ^= 0x80;
	}
	for (size_t i = 0; i < STANDING_N; i++) {
		own.standing = (enum standing)i;
		CU_ASSERT_EQUAL(judge_by(&own), i == STANDING_UNPROVISIONED
							? REASON_NONE
							: REASON_PROOF_MISMATCH);
	}
	own_claims(&own);
	own.claims.dev[14] = '4';
	CU_ASSERT_EQUAL(judge_by(&own), REASON_PROOF_MISMATCH);
	own_claims(&own);
	own.claims.srv[0] = 'q';
	CU_ASSERT_EQUAL(judge_by(&own), REASON_PROOF_MISMATCH);
	site_close();
}

/* security: the verifier's word for srv is its trust, too. */
static void a_proof_of_another_server_is_a_mismatch(void)
{
	struct proof_claims other;

	site_open();
	own_claims(&other);
	snprintf(other.claims.srv, sizeof(other.claims.srv), "other.example.com:8443");
	struct slice proof = make(site.leaf_key, own_header(),
				  proof_claims_encode(&other, site.arena));
	CU_ASSERT_EQUAL(proof_verify(site.by_pin, proof, &other.claims, other.standing,
				     other.gh),
			REASON_PROOF_MISMATCH);
	CU_ASSERT_EQUAL(judge(site.by_pin, proof), REASON_PROOF_MISMATCH);
	site_close();
}

/* ---- Trust ---- */

static enum auth_reason judge_leaf(struct cert_spec spec, bool with_middle)
{
	spec.name = "proof";
	spec.key = site.leaf_key;
	if (!spec.issuer) {
		spec.issuer = site.middle;
		spec.issuer_key = site.middle_key;
	}
	X509 *leaf = cert_make(&spec);
	const char *header =
		header_of((X509 *const[]){ leaf, site.middle }, with_middle ? 2 : 1);
	struct slice proof = make(site.leaf_key, header, own_payload());
	/* The pin is the key's, whatever the certificate says. */
	CU_ASSERT_EQUAL(judge(site.by_pin, proof), REASON_NONE);
	enum auth_reason reason = judge(site.by_root, proof);
	X509_free(leaf);
	return reason;
}

static const struct {
	struct cert_spec spec;
	enum auth_reason reason;
} leaves[] = {
	{ { .uris = { URI } }, REASON_NONE },
	{ { .uris = { URI }, .key_usage = "digitalSignature" }, REASON_NONE },
	{ { .uris = { URI }, .key_usage = "keyAgreement" }, REASON_PROOF_UNTRUSTED },
	{ { .from_s = -7200, .to_s = -3600, .uris = { URI } }, REASON_PROOF_UNTRUSTED },
	{ { .from_s = 3600, .to_s = 7200, .uris = { URI } }, REASON_PROOF_UNTRUSTED },
	{ { .dns = NULL }, REASON_PROOF_UNTRUSTED },
	{ { .dns = "prov.example.com" }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { URI }, .dns = "prov.example.com" }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { URI, URI } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { URI }, .n_sans = 2 }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("https://other.example.com:8443/") } },
	  REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("https://prov.example.com/") } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("https://" SRV) } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("https://" SRV "/x") } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("https://" SRV "/\0") } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("HTTPS://" SRV "/") } }, REASON_PROOF_UNTRUSTED },
	{ { .uris = { SLICE("http://" SRV "/") } }, REASON_PROOF_UNTRUSTED },
};

static void under_a_root_the_only_name_is_the_server(void)
{
	site_open();
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		CU_ASSERT_EQUAL(judge_leaf(leaves[i].spec, true), leaves[i].reason);
	site_close();
}

static void a_chain_must_lead_to_the_root(void)
{
	site_open();
	const struct cert_spec good = { .uris = { URI } };
	CU_ASSERT_EQUAL(judge_leaf(good, false), REASON_PROOF_UNTRUSTED);
	X509 *no_ca = cert_make(&(struct cert_spec){ .name = "middle",
						     .key = site.middle_key,
						     .issuer = site.root,
						     .issuer_key = site.root_key });
	X509 *middle = site.middle;
	site.middle = no_ca;
	CU_ASSERT_EQUAL(judge_leaf(good, true), REASON_PROOF_UNTRUSTED);
	site.middle = middle;
	X509_free(no_ca);
	struct cert_spec by_root = good;
	by_root.issuer = site.root;
	by_root.issuer_key = site.root_key;
	CU_ASSERT_EQUAL(judge_leaf(by_root, false), REASON_NONE);
	by_root.issuer_key = site.middle_key; /* says root, is signed by another */
	CU_ASSERT_EQUAL(judge_leaf(by_root, false), REASON_PROOF_UNTRUSTED);
	/* Self-signed with the right name. */
	X509 *self = cert_make(&(struct cert_spec){
		.name = "proof", .key = site.leaf_key, .uris = { URI } });
	struct slice proof = make(site.leaf_key, header_of(&self, 1), own_payload());
	CU_ASSERT_EQUAL(judge(site.by_root, proof), REASON_PROOF_UNTRUSTED);
	X509_free(self);
	site_close();
}

static void another_pin_is_untrusted(void)
{
	char pin[JWS_THUMBPRINT_CHARS + 1];

	site_open();
	CU_ASSERT_TRUE(jws_thumbprint(site.middle_key, pin));
	struct proof_trust *other = trust_new(NULL, pin);
	CU_ASSERT_EQUAL(judge(other, own_proof()), REASON_PROOF_UNTRUSTED);
	proof_trust_free(other);
	other = trust_new(site.root_path, pin); /* one of the two is enough */
	CU_ASSERT_EQUAL(judge(other, own_proof()), REASON_NONE);
	proof_trust_free(other);
	site_close();
}

static void the_second_pin_counts(void)
{
	char pins[2][JWS_THUMBPRINT_CHARS + 1], why[128];

	site_open();
	CU_ASSERT_TRUE(jws_thumbprint(site.middle_key, pins[0]));
	CU_ASSERT_TRUE(jws_thumbprint(site.leaf_key, pins[1]));
	struct proof_trust *both = proof_trust_new(
		&(struct proof_trust_settings){
			.srv = SRV,
			.pins = (const char *const[]){ pins[0], pins[1] },
			.n_pins = 2 },
		why, sizeof(why));
	CU_ASSERT_EQUAL(judge(both, own_proof()), REASON_NONE);
	proof_trust_free(both);
	site_close();
}

static bool trust_opens(const char *srv, const char *root_path, const char *pin,
			size_t n_pins)
{
	char why[512] = "";
	const char *const pins[] = { pin, pin, pin };
	struct proof_trust *trust =
		proof_trust_new(&(struct proof_trust_settings){ .srv = srv,
								.root_path = root_path,
								.pins = pins,
								.n_pins = n_pins },
				why, sizeof(why));
	bool ok = trust != NULL;

	CU_ASSERT_EQUAL(ok, why[0] == '\0');
	proof_trust_free(trust);
	return ok;
}

static void trust_is_checked_when_it_is_made(void)
{
	const char *pin = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
	struct directory *directory = &site.directory;

	site_open();
	CU_ASSERT_TRUE(trust_opens(SRV, NULL, pin, 1));
	CU_ASSERT_TRUE(trust_opens(SRV, NULL, pin, 2));
	CU_ASSERT_FALSE(trust_opens(SRV, NULL, pin, 3));
	CU_ASSERT_FALSE(trust_opens(SRV, NULL, NULL, 0));
	CU_ASSERT_FALSE(trust_opens("Prov.example.com:8443", NULL, pin, 1));
	CU_ASSERT_FALSE(trust_opens("prov.example.com", NULL, pin, 1));
	CU_ASSERT_FALSE(trust_opens(SRV, NULL, pin + 1, 1));
	CU_ASSERT_FALSE(trust_opens(SRV, NULL, "", 1));
	CU_ASSERT_TRUE(trust_opens(SRV, site.root_path, NULL, 0));
	CU_ASSERT_FALSE(trust_opens(SRV, directory_file(directory, "none"), NULL, 0));
	CU_ASSERT_FALSE(trust_opens(
		SRV, directory_write(directory, "junk.pem", "junk\n", 0600), NULL, 0));
	CU_ASSERT_FALSE(trust_opens(
		SRV,
		directory_write(directory, "cut.pem",
				"-----BEGIN CERTIFICATE-----\nMIIB\n", 0600),
		NULL, 0));
	site_close();
}

/* ---- Claims ---- */

static enum auth_reason judge_payload(const char *member, json_t *value)
{
	json_t *payload = json_loads(own_payload(), 0, NULL);

	if (value)
		json_object_set_new(payload, member, value);
	else
		json_object_del(payload, member);
	char *text = json_dumps(payload, JSON_COMPACT);
	enum auth_reason reason =
		judge(site.by_pin, make(site.leaf_key, own_header(), text));
	free(text);
	json_decref(payload);
	return reason;
}

static void claims_have_exactly_their_members(void)
{
	site_open();
	json_t *own = json_loads(own_payload(), JSON_REJECT_DUPLICATES, NULL), *value;
	const char *member;
	CU_ASSERT_EQUAL(json_object_size(own), 12);
	json_object_foreach (own, member, value) {
		CU_ASSERT_EQUAL(judge_payload(member, json_incref(value)), REASON_NONE);
		CU_ASSERT_EQUAL(judge_payload(member, NULL), REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_payload(member, json_null()),
				REASON_PROOF_MALFORMED);
		bool is_method = strcmp(member, "method") == 0;
		CU_ASSERT_EQUAL(judge_payload(member, json_string("no one")),
				is_method ? REASON_PROOF_MISMATCH
					  : REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_payload(member, json_real(1.0)),
				REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_payload(member, json_integer(-1)),
				REASON_PROOF_MALFORMED);
	}
	CU_ASSERT_EQUAL(judge_payload("exp", json_integer(1)), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_payload("v", json_integer(2)), REASON_PROOF_MALFORMED);
	const char *twice = arena_printf(site.arena, "{\"v\":1,%s", own_payload() + 1);
	CU_ASSERT_EQUAL(judge(site.by_pin, make(site.leaf_key, own_header(), twice)),
			REASON_PROOF_MALFORMED);
	json_decref(own);
	site_close();
}

/* Each claim moved into the next one of the same form. */
static void claims_moved_to_a_neighbour_are_a_mismatch(void)
{
	static const char *const pairs[][2] = { { "gw", "nG" },    { "nG", "cred" },
						{ "cred", "cbA" }, { "cbA", "gh" },
						{ "gw", "cred" },  { "gw", "cbA" } };

	site_open();
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		json_t *claims = json_loads(own_payload(), 0, NULL);
		json_t *one = json_incref(json_object_get(claims, pairs[i][0]));
		json_t *other = json_incref(json_object_get(claims, pairs[i][1]));
		json_object_set_new(claims, pairs[i][0], other);
		json_object_set_new(claims, pairs[i][1], one);
		char *text = json_dumps(claims, JSON_COMPACT);
		CU_ASSERT_EQUAL(
			judge(site.by_pin, make(site.leaf_key, own_header(), text)),
			REASON_PROOF_MISMATCH);
		free(text);
		json_decref(claims);
	}
	site_close();
}

static void another_method_is_a_mismatch(void)
{
	site_open();
	CU_ASSERT_EQUAL(judge_payload("method", json_string("key")),
			REASON_PROOF_MISMATCH);
	CU_ASSERT_EQUAL(judge_payload("method", json_string("certificat")),
			REASON_PROOF_MISMATCH);
	site_close();
}

static void iat_is_not_judged(void)
{
	site_open();
	CU_ASSERT_EQUAL(judge_payload("iat", json_integer(0)), REASON_NONE);
	CU_ASSERT_EQUAL(judge_payload("iat", json_integer(INT64_MAX)), REASON_NONE);
	site_close();
}

/* ---- Vector ---- */

static void read_vector(json_t *vector, struct proof_claims *out)
{
	struct arena *arena = arena_new(1 << 16);
	struct auth_claims *c = &out->claims;

	*out = (struct proof_claims){ .standing = STANDING_UNPROVISIONED };
	memcpy(c->gw, vector_bytes(vector, "gw", arena).p, sizeof(c->gw));
	memcpy(c->sid, vector_bytes(vector, "sid", arena).p, sizeof(c->sid));
	memcpy(c->nonce, vector_bytes(vector, "nG", arena).p, sizeof(c->nonce));
	memcpy(c->cred, vector_bytes(vector, "cred", arena).p, sizeof(c->cred));
	memcpy(c->binding, vector_bytes(vector, "cbA", arena).p, sizeof(c->binding));
	memcpy(out->gh, vector_bytes(vector, "gh", arena).p, sizeof(out->gh));
	snprintf(c->srv, sizeof(c->srv), "%s", vector_text(vector, "srv"));
	snprintf(c->dev, sizeof(c->dev), "%s", vector_text(vector, "dev"));
	CU_ASSERT_TRUE(standing_parse(slice_of(vector_text(vector, "standing")),
				      &out->standing));
	arena_free(arena);
}

static void the_vector_of_another_implementation_holds(void)
{
	json_t *vector = vector_load("proof.json");
	struct proof_claims own;

	directory_open(&site.directory);
	struct proof_trust *by_root =
		trust_new(directory_write(&site.directory, "root.pem",
					  vector_text(vector, "root"), 0600),
			  NULL);
	struct proof_trust *by_pin = trust_new(NULL, vector_text(vector, "kid"));
	struct slice proof = slice_of(vector_text(vector, "proof"));
	read_vector(vector, &own);
	CU_ASSERT_EQUAL(proof_verify(by_root, proof, &own.claims, own.standing, own.gh),
			REASON_NONE);
	CU_ASSERT_EQUAL(proof_verify(by_pin, proof, &own.claims, own.standing, own.gh),
			REASON_NONE);
	own.claims.binding[0] ^= 1;
	CU_ASSERT_EQUAL(proof_verify(by_pin, proof, &own.claims, own.standing, own.gh),
			REASON_PROOF_MISMATCH);
	proof_trust_free(by_root);
	proof_trust_free(by_pin);
	directory_close(&site.directory);
	json_decref(vector);
}

TEST_MAIN("proof", TEST(a_proof_is_believed_by_root_or_by_pin),
	  TEST(the_grant_is_compared_where_it_is_known),
	  TEST(every_other_claim_of_the_verifier_is_a_mismatch),
	  TEST(a_proof_of_another_server_is_a_mismatch),
	  TEST(under_a_root_the_only_name_is_the_server),
	  TEST(a_chain_must_lead_to_the_root), TEST(another_pin_is_untrusted),
	  TEST(the_second_pin_counts), TEST(trust_is_checked_when_it_is_made),
	  TEST(claims_have_exactly_their_members),
	  TEST(claims_moved_to_a_neighbour_are_a_mismatch),
	  TEST(another_method_is_a_mismatch), TEST(iat_is_not_judged),
	  TEST(the_vector_of_another_implementation_holds))
