#include "auth/jws.h"

#include <jansson.h>

#include "test/unit/proof_site.h"

static void every_changed_character_and_every_cut_is_refused(void)
{
	site_open();
	struct slice proof = own_proof();
	char *text = malloc(proof.n + 1);
	memcpy(text, proof.p, proof.n);
	for (size_t i = 0; i < proof.n; i++) {
		text[i] ^= 1;
		CU_ASSERT_NOT_EQUAL(judge(site.by_root, slice_make(text, proof.n)),
				    REASON_NONE);
		CU_ASSERT_NOT_EQUAL(judge(site.by_pin, slice_make(text, proof.n)),
				    REASON_NONE);
		text[i] ^= 1;
	}
	text[proof.n] = 'A';
	CU_ASSERT_EQUAL(judge(site.by_pin, slice_make(text, proof.n + 1)),
			REASON_PROOF_MALFORMED);
	for (size_t n = 0; n < proof.n; n += n < 16 ? 1 : 13) {
		char *cut = malloc(n ? n : 1);
		memcpy(cut, text, n);
		CU_ASSERT_EQUAL(judge(site.by_pin, slice_make(cut, n)),
				REASON_PROOF_MALFORMED);
		free(cut);
	}
	free(text);
	site_close();
}

static void a_wrong_signature_of_the_right_form_is_named_so(void)
{
	site_open();
	const char *header = own_header();
	struct slice by_other = make(site.middle_key, header, own_payload());
	CU_ASSERT_EQUAL(judge(site.by_pin, by_other), REASON_PROOF_SIGNATURE);
	CU_ASSERT_EQUAL(judge(site.by_root, by_other), REASON_PROOF_SIGNATURE);
	struct slice proof = own_proof();
	char *zero = arena_alloc(site.arena, proof.n);
	memcpy(zero, proof.p, proof.n);
	memset(zero + proof.n - 86, 'A', 86); /* r = s = 0 */
	CU_ASSERT_EQUAL(judge(site.by_pin, slice_make(zero, proof.n)),
			REASON_PROOF_SIGNATURE);
	site_close();
}

static void the_compact_form_has_three_parts(void)
{
	site_open();
	struct slice proof = own_proof();
	const char *const formats[] = { ".%.*s", "%.*s.", "%.*s.AA", "..%.*s" };
	CU_ASSERT_EQUAL(judge(site.by_pin, SLICE("")), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge(site.by_pin, SLICE("..")), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge(site.by_pin, SLICE("...")), REASON_PROOF_MALFORMED);
	for (size_t i = 0; i < 4; i++) {
		char *text = arena_alloc(site.arena, proof.n + 8);
		size_t before = strcspn(formats[i], "%"),
		       after = strlen(formats[i]) - before - 4;
		memcpy(text, formats[i], before);
		memcpy(text + before, proof.p, proof.n);
		memcpy(text + before + proof.n, formats[i] + before + 4, after);
		CU_ASSERT_EQUAL(
			judge(site.by_pin, slice_make(text, before + proof.n + after)),
			REASON_PROOF_MALFORMED);
	}
	site_close();
}

/* The header with a member set, or removed for NULL. Takes @p value. */
static enum auth_reason judge_header(const char *member, json_t *value)
{
	json_t *header = json_loads(own_header(), 0, NULL);

	if (value)
		json_object_set_new(header, member, value);
	else
		json_object_del(header, member);
	char *text = json_dumps(header, JSON_COMPACT);
	struct slice proof = make(site.leaf_key, text, own_payload());
	enum auth_reason by_pin = judge(site.by_pin, proof);
	CU_ASSERT_EQUAL(by_pin, judge(site.by_root, proof));
	free(text);
	json_decref(header);
	return by_pin;
}

static void the_header_has_exactly_its_members(void)
{
	static const char *const members[] = { "alg", "typ", "kid", "x5c" };

	site_open();
	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(judge_header(members[i], NULL), REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_header(members[i], json_null()),
				REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_header(members[i], json_integer(1)),
				REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_header(members[i], json_array()),
				REASON_PROOF_MALFORMED);
		CU_ASSERT_EQUAL(judge_header(members[i], json_string("")),
				REASON_PROOF_MALFORMED);
	}
	CU_ASSERT_EQUAL(judge_header("crit", json_array()), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("jwk", json_object()), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("cty", json_string("JWT")),
			REASON_PROOF_MALFORMED);
	site_close();
}

static void other_algorithms_types_and_keys_are_refused(void)
{
	static const char *const algs[] = { "none",  "HS256", "ES384", "ES256K",
					    "es256", "PS256", "ES256 " };

	site_open();
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		CU_ASSERT_EQUAL(judge_header("alg", json_string(algs[i])),
				REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("typ", json_string("JWT")),
			REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("typ", json_string("provbox-proof")),
			REASON_PROOF_MALFORMED);
	char kid[JWS_THUMBPRINT_CHARS + 1];
	CU_ASSERT_TRUE(jws_thumbprint(site.middle_key, kid));
	CU_ASSERT_EQUAL(judge_header("kid", json_string(kid)), REASON_PROOF_MALFORMED);
	site_close();
}

static void members_may_stand_in_any_order_but_not_twice(void)
{
	site_open();
	json_t *header = json_loads(own_header(), 0, NULL);
	char *x5c = json_dumps(json_object_get(header, "x5c"), JSON_INDENT(2));
	const char *kid = json_string_value(json_object_get(header, "kid"));
	const char *any =
		arena_printf(site.arena,
			     " { \"x5c\": %s,\n \"kid\":\"%s\", \"typ\":\"" PROOF_TYP
			     "\",\"alg\":\"ES256\" } ",
			     x5c, kid);
	CU_ASSERT_EQUAL(judge(site.by_pin, make(site.leaf_key, any, own_payload())),
			REASON_NONE);
	const char *twice =
		arena_printf(site.arena, "{\"alg\":\"ES256\",%s", own_header() + 1);
	CU_ASSERT_EQUAL(judge(site.by_pin, make(site.leaf_key, twice, own_payload())),
			REASON_PROOF_MALFORMED);
	free(x5c);
	json_decref(header);
	site_close();
}

static json_t *x5c_of(const char *first, size_t n)
{
	json_t *header = json_loads(own_header(), 0, NULL);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			list, first ? json_string(first)
				    : json_incref(json_array_get(
					      json_object_get(header, "x5c"), i % 2)));
	json_decref(header);
	return list;
}

static void certificates_are_strict_base64_and_few(void)
{
	site_open();
	json_t *own = x5c_of(NULL, 1);
	const char *leaf = json_string_value(json_array_get(own, 0));
	const char *const changed[] = { "%s=", "%s\n", " %s", "%sAAAA", "!%s" };
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(NULL, 2)), REASON_NONE);
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(NULL, 3)), REASON_NONE);
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(NULL, 0)), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(NULL, 4)), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of("", 1)), REASON_PROOF_MALFORMED);
	CU_ASSERT_EQUAL(judge_header("x5c", x5c_of("MAA=", 1)), REASON_PROOF_MALFORMED);
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		char text[2048];
		size_t at = strcspn(changed[i], "%");
		snprintf(text, sizeof(text), "%.*s%s%s", (int)at, changed[i], leaf,
			 changed[i] + at + 2);
		CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(text, 1)),
				REASON_PROOF_MALFORMED);
	}
	CU_ASSERT_EQUAL(judge_header("x5c", json_string(leaf)), REASON_PROOF_MALFORMED);
	json_array_append_new(own, json_integer(1));
	CU_ASSERT_EQUAL(judge_header("x5c", own), REASON_PROOF_MALFORMED);
	site_close();
}

/* A certificate with DER of about @p n bytes. */
static X509 *fat_cert(size_t n)
{
	char *uri = arena_alloc(site.arena, n);

	memset(uri, 'a', n);
	return cert_make(&(struct cert_spec){
		.name = "fat", .key = site.leaf_key, .uris = { { uri, n } } });
}

static void certificates_have_a_limit_in_all(void)
{
	site_open();
	X509 *small = fat_cert(700), *large = fat_cert(2600), *larger = fat_cert(2900);
	CU_ASSERT_PTR_NOT_NULL(
		jws_header(PROOF_TYP, (X509 *const[]){ large }, 1, site.arena));
	CU_ASSERT_PTR_NULL(
		jws_header(PROOF_TYP, (X509 *const[]){ larger }, 1, site.arena));
	CU_ASSERT_PTR_NULL(
		jws_header(PROOF_TYP, (X509 *const[]){ large, small }, 2, site.arena));
	CU_ASSERT_EQUAL(judge(site.by_pin,
			      make(site.leaf_key, header_of(&large, 1), own_payload())),
			REASON_NONE);
	/* Each alone is within the limit, both together are not. */
	json_t *both = json_array();
	X509 *const certs[] = { large, small };
	for (size_t i = 0; i < 2; i++) {
		json_t *header = json_loads(header_of(&certs[i], 1), 0, NULL);
		json_array_append(both,
				  json_array_get(json_object_get(header, "x5c"), 0));
		json_decref(header);
	}
	CU_ASSERT_EQUAL(judge_header("x5c", both), REASON_PROOF_MALFORMED);
	X509_free(small);
	X509_free(large);
	X509_free(larger);
	site_close();
}

/* security: the same point on a curve that came with the key (CVE-2020-0601). */
static void a_key_with_a_curve_of_its_own_is_refused(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("group", (char[]){ "P-256" }, 0),
		OSSL_PARAM_construct_utf8_string("encoding", (char[]){ "explicit" }, 0),
		OSSL_PARAM_construct_end()
	};

	site_open();
	CU_ASSERT_FATAL(EVP_PKEY_keygen_init(context) == 1 &&
			EVP_PKEY_CTX_set_params(context, params) == 1 &&
			EVP_PKEY_generate(context, &key) == 1);
	X509 *made = cert_make(
		&(struct cert_spec){ .name = "proof", .key = key, .uris = { URI } });
	unsigned char *der = NULL;
	int n = i2d_X509(made, &der);
	const unsigned char *at = der;
	X509 *leaf = d2i_X509(NULL, &at, n); /* as it comes from outside */
	char pin[JWS_THUMBPRINT_CHARS + 1];
	CU_ASSERT_FALSE(jws_thumbprint(X509_get0_pubkey(leaf), pin));
	CU_ASSERT_PTR_NULL(jws_header(PROOF_TYP, &leaf, 1, site.arena));
	X509_free(leaf);
	X509_free(made);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(context);
	site_close();
}

static void leaves_of_other_kinds_are_malformed(void)
{
	EVP_PKEY *keys[] = { cert_key("P-384"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048) };

	site_open();
	for (size_t i = 0; i < 2; i++) {
		X509 *leaf = cert_make(&(struct cert_spec){
			.name = "proof", .key = keys[i], .uris = { URI } });
		unsigned char *der = NULL;
		int n = i2d_X509(leaf, &der);
		char *text = arena_alloc(site.arena, 4096);
		base64_encode(slice_make(der, (size_t)n), text);
		CU_ASSERT_EQUAL(judge_header("x5c", x5c_of(text, 1)),
				REASON_PROOF_MALFORMED);
		OPENSSL_free(der);
		X509_free(leaf);
		EVP_PKEY_free(keys[i]);
	}
	site_close();
}

static void any_bytes_are_refused(void)
{
	site_open();
	struct slice proof = own_proof();
	char *bytes = malloc(proof.n);
	srandom(3);
	for (int round = 0; round < 2000; round++) {
		memcpy(bytes, proof.p, proof.n);
		for (int i = random() % 4; i >= 0; i--)
			bytes[(size_t)random() % proof.n] ^= (char)(1 + random() % 255);
		struct slice text = slice_make(bytes, proof.n);
		if (!slice_eq(text, proof))
			CU_ASSERT_NOT_EQUAL(judge(site.by_pin, text), REASON_NONE);
	}
	free(bytes);
	char *long_text = calloc(1, AUTH_PROOF_BYTES + 1);
	memset(long_text, 'A', AUTH_PROOF_BYTES + 1);
	CU_ASSERT_EQUAL(judge(site.by_pin, slice_make(long_text, AUTH_PROOF_BYTES + 1)),
			REASON_PROOF_MALFORMED);
	free(long_text);
	site_close();
}

TEST_MAIN("jws", TEST(every_changed_character_and_every_cut_is_refused),
	  TEST(a_wrong_signature_of_the_right_form_is_named_so),
	  TEST(the_compact_form_has_three_parts),
	  TEST(the_header_has_exactly_its_members),
	  TEST(other_algorithms_types_and_keys_are_refused),
	  TEST(members_may_stand_in_any_order_but_not_twice),
	  TEST(certificates_are_strict_base64_and_few),
	  TEST(certificates_have_a_limit_in_all),
	  TEST(a_key_with_a_curve_of_its_own_is_refused),
	  TEST(leaves_of_other_kinds_are_malformed), TEST(any_bytes_are_refused))
