#include "auth/signing.h"

#include "test/unit/test.h"
#include "test/unit/vector.h"

#define HEAD_BYTES 98 /* spaces, context string and zero */

struct input {
	uint8_t bytes[256];
	size_t n;
};

static struct slice slice_of_input(const struct input *input)
{
	return slice_make(input->bytes, input->n);
}

static enum signing_form form_as(const struct input *input, enum tls_role role)
{
	return signing_form_of(slice_of_input(input), role);
}

static struct input input_of_hex(const char *hex)
{
	struct input input = { .n = strlen(hex) / 2 };

	CU_ASSERT_FATAL(hex_decode(slice_of(hex), input.bytes, input.n));
	return input;
}

/* The example of RFC 8446, 4.4.3: a hash of 32 bytes of 01. */
static struct input rfc8446_example(void)
{
	return input_of_hex(
		"2020202020202020202020202020202020202020202020202020202020202020"
		"2020202020202020202020202020202020202020202020202020202020202020"
		"544c5320312e332c207365727665722043657274696669636174655665726966"
		"79"
		"00"
		"0101010101010101010101010101010101010101010101010101010101010101");
}

/* As a client says it: the same length. */
static struct input client_example(void)
{
	struct input input = rfc8446_example();

	memcpy(input.bytes + 64 + strlen("TLS 1.3, "), "client", 6);
	return input;
}

/* RFC 8422, 5.4: two randoms, named curve, the group, the point. */
static struct input key_exchange(unsigned group, size_t point)
{
	struct input input = { .n = 68 + point };

	memset(input.bytes, 0x20, 64);
	memcpy(input.bytes + 56, "DOWNGRD\x01", 8);
	input.bytes[64] = 3;
	input.bytes[65] = (uint8_t)(group >> 8);
	input.bytes[66] = (uint8_t)group;
	input.bytes[67] = (uint8_t)point;
	memset(input.bytes + 68, 4, point);
	return input;
}

static void a_certificate_verify_is_known_by_every_byte_of_its_head(void)
{
	struct input good = rfc8446_example();

	CU_ASSERT_EQUAL(form_as(&good, TLS_SERVER), SIGNING_FORM_TLS13);
	for (size_t i = 0; i < good.n; i++) {
		struct input bad = good;

		bad.bytes[i] ^= 1;
		CU_ASSERT_EQUAL(form_as(&bad, TLS_SERVER),
				i < HEAD_BYTES ? SIGNING_FORM_NONE
					       : SIGNING_FORM_TLS13);
	}
}

static void each_side_signs_its_own_words(void)
{
	struct input server = rfc8446_example(), client = client_example(),
		     exchange = key_exchange(0x001d, 32);

	CU_ASSERT_EQUAL(form_as(&client, TLS_CLIENT), SIGNING_FORM_TLS13);
	CU_ASSERT_EQUAL(form_as(&client, TLS_SERVER), SIGNING_FORM_NONE);
	CU_ASSERT_EQUAL(form_as(&server, TLS_CLIENT), SIGNING_FORM_NONE);
	CU_ASSERT_EQUAL(form_as(&exchange, TLS_SERVER), SIGNING_FORM_TLS12);
	CU_ASSERT_EQUAL(form_as(&exchange, TLS_CLIENT), SIGNING_FORM_NONE);
}

/* SHA-256 and SHA-384 are the hashes of the cipher suites. */
static void the_hash_has_one_of_two_lengths(void)
{
	struct input input = rfc8446_example();

	for (input.n = 0; input.n <= sizeof(input.bytes); input.n++)
		CU_ASSERT_EQUAL(form_as(&input, TLS_SERVER),
				input.n == HEAD_BYTES + 32 || input.n == HEAD_BYTES + 48
					? SIGNING_FORM_TLS13
					: SIGNING_FORM_NONE);
}

static void a_key_exchange_is_known_by_its_mark_and_its_group(void)
{
	static const struct {
		unsigned group;
		size_t point;
		enum signing_form form;
	} rows[] = {
		{ 0x001d, 32, SIGNING_FORM_TLS12 }, { 0x0017, 65, SIGNING_FORM_TLS12 },
		{ 0x001d, 31, SIGNING_FORM_NONE },  { 0x001d, 33, SIGNING_FORM_NONE },
		{ 0x001d, 65, SIGNING_FORM_NONE },  { 0x0017, 32, SIGNING_FORM_NONE },
		{ 0x0017, 64, SIGNING_FORM_NONE },  { 0x0018, 97, SIGNING_FORM_NONE },
		{ 0x001e, 56, SIGNING_FORM_NONE },  { 0, 0, SIGNING_FORM_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct input input = key_exchange(rows[i].group, rows[i].point);

		CU_ASSERT_EQUAL(form_as(&input, TLS_SERVER), rows[i].form);
	}
	/* Of the randoms only the mark is known; of the share nothing but its first
	 * byte, where it must be 4. */
	struct input good = key_exchange(0x0017, 65);
	for (size_t i = 0; i < good.n; i++) {
		struct input bad = good;
		bool is_free = i < 56 || i > 68;

		bad.bytes[i] ^= 1;
		CU_ASSERT_EQUAL(form_as(&bad, TLS_SERVER),
				is_free ? SIGNING_FORM_TLS12 : SIGNING_FORM_NONE);
	}
	for (size_t n = 0; n <= sizeof(good.bytes); n++) {
		struct input cut = good;

		cut.n = n;
		CU_ASSERT_EQUAL(form_as(&cut, TLS_SERVER),
				n == good.n ? SIGNING_FORM_TLS12 : SIGNING_FORM_NONE);
	}
}

static void schemes_are_found_by_number_and_by_what_libssl_says(void)
{
	static const struct {
		const char *type, *digest;
		bool is_pss;
		uint16_t id;
	} rows[] = {
		{ "EC", "SHA256", false, 0x0403 },
		{ "EC", "SHA2-256", false, 0x0403 },
		{ "EC", "SHA2-384", false, 0x0503 },
		{ "ED25519", "", false, 0x0807 },
		{ "ED25519", NULL, false, 0x0807 },
		{ "RSA", "SHA2-256", true, 0x0804 },
		{ "RSA", "SHA384", true, 0x0805 },
		{ "RSA", "SHA2-256", false, 0x0401 },
		{ "RSA", "SHA2-384", false, 0x0501 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct signing_scheme *scheme = signing_scheme_find(
			rows[i].type, rows[i].digest, rows[i].is_pss);

		CU_ASSERT_PTR_NOT_NULL_FATAL(scheme);
		CU_ASSERT_EQUAL(scheme->id, rows[i].id);
		CU_ASSERT_PTR_EQUAL(signing_scheme_of(rows[i].id), scheme);
	}
	CU_ASSERT_PTR_NULL(signing_scheme_find("EC", "SHA1", false));
	CU_ASSERT_PTR_NULL(signing_scheme_find("EC", "SHA2-512", false));
	CU_ASSERT_PTR_NULL(signing_scheme_find("EC", "", false));
	CU_ASSERT_PTR_NULL(signing_scheme_find("EC", "SHA2-256", true));
	CU_ASSERT_PTR_NULL(signing_scheme_find("RSA", "SHA1", false));
	CU_ASSERT_PTR_NULL(signing_scheme_find("RSA", "", true));
	CU_ASSERT_PTR_NULL(signing_scheme_find("ED25519", "SHA2-256", false));
	CU_ASSERT_PTR_NULL(signing_scheme_of(0));
	CU_ASSERT_PTR_NULL(signing_scheme_of(0x0201)); /* rsa_pkcs1_sha1 */
	CU_ASSERT_PTR_NULL(signing_scheme_of(0x0603)); /* ecdsa_secp521r1_sha512 */
	CU_ASSERT_PTR_NULL(signing_scheme_of(0x0809)); /* rsa_pss_pss_sha256 */
}

/* The question in encode.json, made by another program. */
static struct slice question_vector(json_t *file, struct arena *arena,
				    struct signing_question *out)
{
	json_t *json;
	size_t i;

	json_array_foreach (file, i, json) {
		json_t *fields = json_object_get(json, "fields");

		if (strcmp(vector_text(json, "label"), "provbox/1 signature") != 0)
			continue;
		memcpy(out->spki, vector_element(fields, 0, arena).p, SHA256_BYTES);
		out->scheme = signing_scheme_of(0x0403);
		out->input = vector_element(fields, 2, arena);
		return vector_bytes(json, "bytes", arena);
	}
	CU_FAIL_FATAL("no vector");
	return slice_make(NULL, 0);
}

static void questions_are_as_in_the_vector(void)
{
	struct arena *arena = arena_new(1 << 16);
	json_t *file = vector_load("encode.json");
	struct signing_question question, back;
	struct slice bytes = question_vector(file, arena, &question);
	uint8_t made[SIGNING_QUESTION_BYTES], bad[SIGNING_QUESTION_BYTES];

	size_t n = signing_question_encode(&question, made);
	CU_ASSERT_TRUE(slice_eq(slice_make(made, n), bytes));
	CU_ASSERT_TRUE_FATAL(signing_question_decode(bytes, &back));
	CU_ASSERT_EQUAL(memcmp(back.spki, question.spki, SHA256_BYTES), 0);
	CU_ASSERT_PTR_EQUAL(back.scheme, question.scheme);
	CU_ASSERT_TRUE(slice_eq(back.input, question.input));
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_FALSE(signing_question_decode(slice_make(made, i), &back));
	memcpy(bad, made, n);
	bad[n] = 0;
	CU_ASSERT_FALSE(signing_question_decode(slice_make(bad, n + 1), &back));
	for (size_t i = 0; i < strlen("provbox/1 signature") + 1; i++) {
		memcpy(bad, made, n);
		bad[i] ^= 1;
		CU_ASSERT_FALSE(signing_question_decode(slice_make(bad, n), &back));
	}
	json_decref(file);
	arena_free(arena);
}

static void longer_inputs_are_not_even_asked_for(void)
{
	static const char zeros[SIGNING_INPUT_BYTES + 1];
	uint8_t made[SIGNING_QUESTION_BYTES];
	struct signing_question question = { .scheme = signing_scheme_of(0x0403) };

	question.input = slice_make(zeros, SIGNING_INPUT_BYTES);
	CU_ASSERT_NOT_EQUAL(signing_question_encode(&question, made), 0);
	question.input = slice_make(zeros, SIGNING_INPUT_BYTES + 1);
	CU_ASSERT_EQUAL(signing_question_encode(&question, made), 0);
}

TEST_MAIN("signing", TEST(a_certificate_verify_is_known_by_every_byte_of_its_head),
	  TEST(each_side_signs_its_own_words), TEST(the_hash_has_one_of_two_lengths),
	  TEST(a_key_exchange_is_known_by_its_mark_and_its_group),
	  TEST(schemes_are_found_by_number_and_by_what_libssl_says),
	  TEST(questions_are_as_in_the_vector),
	  TEST(longer_inputs_are_not_even_asked_for))
