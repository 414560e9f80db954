#include "auth/auth.h"

#include <openssl/evp.h>

#include "test/unit/claims.h"
#include "test/unit/directory.h"
#include "test/unit/test.h"
#include "test/unit/vector.h"

#define NOW 1795224000

static struct directory directory;
static char why[512];

#define KEY_A               \
	"a0a1a2a3a4a5a6a7 " \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define KEY_B               \
	"b0b1b2b3b4b5b6b7 " \
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n"

static struct grant_keys *load(const char *text)
{
	directory_open(&directory);
	struct grant_keys *keys =
		grant_keys_load(directory_write(&directory, "grant.keys", text, 0600),
				why, sizeof(why));
	directory_close(&directory);
	return keys;
}

static void grant_fill(struct grant *grant)
{
	*grant = (struct grant){ .standing = STANDING_UNPROVISIONED,
				 .epoch = 7,
				 .issued_s = NOW,
				 .expires_s = NOW + AUTH_GRANT_SECONDS };
	claims_fill(&grant->claims);
	memset(grant->claims.nonce, 0, sizeof(grant->claims.nonce));
}

static enum auth_reason open_own(const struct grant_keys *keys, struct slice bytes,
				 struct grant *out)
{
	struct grant own;

	grant_fill(&own);
	return grant_open(keys, bytes, own.claims.gw, own.claims.srv, NOW, out);
}

static bool grant_eq(const struct grant *a, const struct grant *b)
{
	return memcmp(a->claims.gw, b->claims.gw, sizeof(a->claims.gw)) == 0 &&
	       strcmp(a->claims.srv, b->claims.srv) == 0 &&
	       memcmp(a->claims.sid, b->claims.sid, sizeof(a->claims.sid)) == 0 &&
	       strcmp(a->claims.dev, b->claims.dev) == 0 &&
	       memcmp(a->claims.cred, b->claims.cred, sizeof(a->claims.cred)) == 0 &&
	       memcmp(a->claims.binding, b->claims.binding,
		      sizeof(a->claims.binding)) == 0 &&
	       a->standing == b->standing && a->epoch == b->epoch &&
	       a->issued_s == b->issued_s && a->expires_s == b->expires_s;
}

static void a_grant_comes_back(void)
{
	struct grant_keys *keys = load(KEY_A);
	struct grant grant, back;
	uint8_t bytes[AUTH_GRANT_BYTES];

	CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
	for (size_t i = 0; i < STANDING_N; i++) {
		grant_fill(&grant);
		grant.standing = (enum standing)i;
		grant.epoch = i == 0 ? INT64_MAX : (int64_t)i;
		size_t n = grant_make(keys, &grant, bytes);
		CU_ASSERT_EQUAL(open_own(keys, slice_make(bytes, n), &back),
				REASON_NONE);
		CU_ASSERT_TRUE(grant_eq(&grant, &back));
	}
	grant_keys_free(keys);
}

static void the_longest_grant_fits(void)
{
	struct grant_keys *keys = load(KEY_A);
	struct grant grant, back;
	uint8_t bytes[AUTH_GRANT_BYTES];

	grant_fill(&grant);
	memset(grant.claims.srv, 'a', 253);
	for (size_t i = 63; i < 253; i += 64)
		grant.claims.srv[i] = '.';
	memcpy(grant.claims.srv + 253, ":65535", 7);
	size_t n = grant_make(keys, &grant, bytes);
	CU_ASSERT_TRUE(n <= AUTH_GRANT_BYTES);
	CU_ASSERT_EQUAL(grant_open(keys, slice_make(bytes, n), grant.claims.gw,
				   grant.claims.srv, NOW, &back),
			REASON_NONE);
	grant_keys_free(keys);
}

static struct grant_keys *load_vector(json_t *vector)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s\n", vector_text(vector, "kid"),
		 vector_text(vector, "key"));
	return load(text);
}

static void read_vector(json_t *vector, struct arena *arena, struct grant *out)
{
	struct auth_claims *c = &out->claims;

	*out = (struct grant){ .standing = STANDING_UNKNOWN };
	memcpy(c->gw, vector_bytes(vector, "gw", arena).p, sizeof(c->gw));
	memcpy(c->sid, vector_bytes(vector, "sid", arena).p, sizeof(c->sid));
	memcpy(c->cred, vector_bytes(vector, "cred", arena).p, sizeof(c->cred));
	memcpy(c->binding, vector_bytes(vector, "cbA", arena).p, sizeof(c->binding));
	snprintf(c->srv, sizeof(c->srv), "%s", vector_text(vector, "srv"));
	snprintf(c->dev, sizeof(c->dev), "%s", vector_text(vector, "dev"));
	CU_ASSERT_TRUE(standing_parse(slice_of(vector_text(vector, "standing")),
				      &out->standing));
	out->epoch = json_integer_value(json_object_get(vector, "epoch"));
	out->issued_s = json_integer_value(json_object_get(vector, "iat"));
	out->expires_s = json_integer_value(json_object_get(vector, "exp"));
}

static void vectors_hold_both_ways(void)
{
	json_t *file = vector_load("grant.json"), *vector;
	size_t i;

	CU_ASSERT_TRUE(json_array_size(file) >= 3);
	json_array_foreach (file, i, vector) {
		struct arena *arena = arena_new(1 << 16);
		struct grant_keys *keys = load_vector(vector);
		struct grant grant, back;
		uint8_t bytes[AUTH_GRANT_BYTES];

		CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
		read_vector(vector, arena, &grant);
		struct slice made = vector_bytes(vector, "grant", arena);
		size_t n = grant_make(keys, &grant, bytes);
		CU_ASSERT_TRUE(slice_eq(slice_make(bytes, n), made));
		CU_ASSERT_EQUAL(grant_open(keys, made, grant.claims.gw,
					   grant.claims.srv, grant.issued_s, &back),
				REASON_NONE);
		CU_ASSERT_TRUE(grant_eq(&grant, &back));
		grant_keys_free(keys);
		arena_free(arena);
	}
	json_decref(file);
}

static void every_flipped_bit_and_every_cut_is_refused(void)
{
	struct grant_keys *keys = load(KEY_A KEY_B);
	struct grant grant, back;
	uint8_t bytes[AUTH_GRANT_BYTES];

	grant_fill(&grant);
	size_t n = grant_make(keys, &grant, bytes);
	for (size_t i = 0; i < n * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		CU_ASSERT_EQUAL(open_own(keys, slice_make(bytes, n), &back),
				REASON_GRANT_INVALID);
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *heap = malloc(cut ? cut : 1);
		memcpy(heap, bytes, cut);
		CU_ASSERT_EQUAL(open_own(keys, slice_make(heap, cut), &back),
				REASON_GRANT_INVALID);
		free(heap);
	}
	CU_ASSERT_EQUAL(open_own(keys, slice_make(bytes, n + 1), &back),
			REASON_GRANT_INVALID);
	CU_ASSERT_EQUAL(open_own(keys, slice_make(bytes, n), &back), REASON_NONE);
	grant_keys_free(keys);
}

#define N_FIELDS 11

/* Make a grant whose MAC is right over whatever fields are given. */
static size_t forge(const struct slice fields[N_FIELDS], uint8_t out[2048])
{
	static const uint8_t kid[] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7 };
	uint8_t key[32], text[2048];
	size_t size = 0;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	memcpy(out, kid, sizeof(kid));
	size_t n = auth_encode(AUTH_LABEL_GRANT_PAYLOAD, fields, N_FIELDS, out + 8,
			       2048 - 8 - 32);
	const struct slice covered[] = { slice_make(kid, sizeof(kid)),
					 slice_make(out + 8, n) };
	size_t m = auth_encode(AUTH_LABEL_GRANT, covered, 2, text, sizeof(text));
	CU_ASSERT_FATAL(n > 0 && m > 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key,
					       sizeof(key), text, m, out + 8 + n, 32,
					       &size));
	return 8 + n + size;
}

static void fields_of_own(struct slice fields[N_FIELDS], struct grant *grant)
{
	const struct auth_claims *c = &grant->claims;

	grant_fill(grant);
	const struct slice own[N_FIELDS] = {
		slice_make(c->gw, 32),
		slice_of(c->srv),
		slice_make(c->sid, 16),
		slice_of(c->dev),
		SLICE("certificate"),
		slice_make(c->cred, 32),
		slice_make(c->binding, 32),
		SLICE("unprovisioned"),
		SLICE("\0\0\0\0\0\0\0\x07"),
		SLICE("\0\0\0\0\x6b\x00\xf1\xc0"),
		SLICE("\0\0\0\0\x6b\x00\xf4\x18"),
	};
	memcpy(fields, own, sizeof(own));
}

static enum auth_reason open_forged(const struct grant_keys *keys,
				    const struct slice fields[N_FIELDS])
{
	uint8_t bytes[2048];
	struct grant back;
	size_t n = forge(fields, bytes);

	return open_own(keys, slice_make(bytes, n), &back);
}

/* security: a right MAC does not excuse a wrong payload. */
static void fields_of_another_form_are_refused(void)
{
	struct grant_keys *keys = load(KEY_A);
	struct slice own[N_FIELDS], fields[N_FIELDS];
	struct grant grant;

	fields_of_own(own, &grant);
	CU_ASSERT_EQUAL(open_forged(keys, own), REASON_NONE);
	for (size_t i = 0; i < N_FIELDS; i++) {
		char longer[300] = { 0 };

		memcpy(fields, own, sizeof(own));
		memcpy(longer, own[i].p, own[i].n);
		fields[i] = slice_make(NULL, 0);
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
		fields[i] = SLICE("");
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
		fields[i] = slice_make(own[i].p, own[i].n - 1);
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
		fields[i] = slice_make(longer, own[i].n + 1);
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
		fields[i] = slice_make(longer, sizeof(longer));
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
		if (i + 1 == N_FIELDS || own[i].n == own[i + 1].n)
			continue;
		fields[i] = own[i + 1]; /* each moved into its neighbour */
		fields[i + 1] = own[i];
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
	}
	for (size_t i = 8; i < N_FIELDS; i++) { /* negative numbers */
		memcpy(fields, own, sizeof(own));
		fields[i] = SLICE("\x80\0\0\0\0\0\0\0");
		CU_ASSERT_EQUAL(open_forged(keys, fields), REASON_GRANT_INVALID);
	}
	grant_keys_free(keys);
}

static void a_grant_is_for_one_gateway_and_one_server(void)
{
	struct grant_keys *keys = load(KEY_A);
	struct grant grant, back;
	uint8_t bytes[AUTH_GRANT_BYTES], gw[SHA256_BYTES];

	grant_fill(&grant);
	size_t n = grant_make(keys, &grant, bytes);
	struct slice text = slice_make(bytes, n);
	memcpy(gw, grant.claims.gw, sizeof(gw));
	gw[31] ^= 1;
	CU_ASSERT_EQUAL(grant_open(keys, text, gw, grant.claims.srv, NOW, &back),
			REASON_GRANT_INVALID);
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, "prov.example.com:443",
				   NOW, &back),
			REASON_GRANT_INVALID);
	grant_keys_free(keys);
}

static void a_grant_expires(void)
{
	struct grant_keys *keys = load(KEY_A);
	struct grant grant, back;
	uint8_t bytes[AUTH_GRANT_BYTES];

	grant_fill(&grant);
	size_t n = grant_make(keys, &grant, bytes);
	struct slice text = slice_make(bytes, n);
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, grant.claims.srv,
				   grant.expires_s - 1, &back),
			REASON_NONE);
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, grant.claims.srv,
				   grant.expires_s, &back),
			REASON_GRANT_EXPIRED);
	/* Nor does it hold for longer by a clock that was set back. */
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, grant.claims.srv,
				   grant.issued_s - AUTH_GRANT_SECONDS + 1, &back),
			REASON_NONE);
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, grant.claims.srv,
				   grant.issued_s - AUTH_GRANT_SECONDS, &back),
			REASON_GRANT_EXPIRED);
	/* A wrong one that is old as well is wrong. */
	bytes[n - 1] ^= 1;
	CU_ASSERT_EQUAL(grant_open(keys, text, grant.claims.gw, grant.claims.srv,
				   grant.expires_s, &back),
			REASON_GRANT_INVALID);
	grant_keys_free(keys);
}

static void two_keys_are_valid_during_a_rotation(void)
{
	struct grant_keys *old = load(KEY_A), *both = load(KEY_B KEY_A),
			  *only_new = load(KEY_B);
	struct grant grant, back;
	uint8_t by_old[AUTH_GRANT_BYTES], by_new[AUTH_GRANT_BYTES];

	CU_ASSERT_PTR_NOT_NULL_FATAL(both);
	grant_fill(&grant);
	size_t n = grant_make(old, &grant, by_old);
	CU_ASSERT_EQUAL(grant_make(both, &grant, by_new), n);
	CU_ASSERT_EQUAL(open_own(both, slice_make(by_old, n), &back), REASON_NONE);
	CU_ASSERT_EQUAL(open_own(both, slice_make(by_new, n), &back), REASON_NONE);
	CU_ASSERT_EQUAL(open_own(only_new, slice_make(by_new, n), &back), REASON_NONE);
	CU_ASSERT_EQUAL(open_own(only_new, slice_make(by_old, n), &back),
			REASON_GRANT_INVALID);
	/* The key id alone does not make the other key accept it. */
	memcpy(by_old, by_new, 8);
	CU_ASSERT_EQUAL(open_own(both, slice_make(by_old, n), &back),
			REASON_GRANT_INVALID);
	grant_keys_free(old);
	grant_keys_free(both);
	grant_keys_free(only_new);
}

static void there_are_no_keys_of_a_file_that_is_wrong(void)
{
	CU_ASSERT_PTR_NULL(load("# none\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "grant.keys: holds no key"));
	directory_open(&directory);
	CU_ASSERT_PTR_NULL(
		grant_keys_load(directory_write(&directory, "grant.keys", KEY_A, 0640),
				why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod 600"));
	directory_close(&directory);
}

static void no_grant_hashes_like_the_empty_string(void)
{
	uint8_t hash[SHA256_BYTES], expected[SHA256_BYTES];

	grant_hash((struct slice){ NULL, 0 }, hash);
	CU_ASSERT_TRUE(hex_decode(SLICE("e3b0c44298fc1c149afbf4c8996fb924"
					"27ae41e4649b934ca495991b7852b855"),
				  expected, sizeof(expected)));
	CU_ASSERT_EQUAL(memcmp(hash, expected, sizeof(hash)), 0);
	grant_hash(SLICE("abc"), hash);
	CU_ASSERT_TRUE(hex_decode(SLICE("ba7816bf8f01cfea414140de5dae2223"
					"b00361a396177a9cb410ff61f20015ad"),
				  expected, sizeof(expected)));
	CU_ASSERT_EQUAL(memcmp(hash, expected, sizeof(hash)), 0);
}

TEST_MAIN("grant", TEST(a_grant_comes_back), TEST(the_longest_grant_fits),
	  TEST(vectors_hold_both_ways),
	  TEST(every_flipped_bit_and_every_cut_is_refused),
	  TEST(fields_of_another_form_are_refused),
	  TEST(a_grant_is_for_one_gateway_and_one_server), TEST(a_grant_expires),
	  TEST(two_keys_are_valid_during_a_rotation),
	  TEST(there_are_no_keys_of_a_file_that_is_wrong),
	  TEST(no_grant_hashes_like_the_empty_string))
