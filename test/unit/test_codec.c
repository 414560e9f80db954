#include "base/codec.h"

#include "test/unit/test.h"

static void hex_goes_both_ways(void)
{
	uint8_t bytes[4];
	char text[9];

	hex_encode(SLICE("\x00\x9f\xff\x0a"), text);
	CU_ASSERT_STRING_EQUAL(text, "009fff0a");
	CU_ASSERT_TRUE(hex_decode(SLICE("009fFF0A"), bytes, 4));
	CU_ASSERT_EQUAL(memcmp(bytes, "\x00\x9f\xff\x0a", 4), 0);
	CU_ASSERT_FALSE(hex_decode(SLICE("009fff0"), bytes, 4));
	CU_ASSERT_FALSE(hex_decode(SLICE("009fff0a0"), bytes, 4));
	CU_ASSERT_FALSE(hex_decode(SLICE("009fff0a00"), bytes, 4));
	CU_ASSERT_FALSE(hex_decode(SLICE("009fff0g"), bytes, 4));
	CU_ASSERT_FALSE(hex_decode(SLICE("0 9fff0a"), bytes, 4));
}

/* RFC 4648, 10. */
static const struct {
	struct slice bytes;
	const char *padded, *bare;
} rfc4648[] = {
	{ SLICE(""), "", "" },
	{ SLICE("f"), "Zg==", "Zg" },
	{ SLICE("fo"), "Zm8=", "Zm8" },
	{ SLICE("foo"), "Zm9v", "Zm9v" },
	{ SLICE("foob"), "Zm9vYg==", "Zm9vYg" },
	{ SLICE("fooba"), "Zm9vYmE=", "Zm9vYmE" },
	{ SLICE("foobar"), "Zm9vYmFy", "Zm9vYmFy" },
	{ SLICE("\xfb\xff\xbf"), "+/+/", "-_-_" },
};
#define N_RFC4648 (sizeof(rfc4648) / sizeof(rfc4648[0]))

static void base64_goes_both_ways(void)
{
	for (size_t i = 0; i < N_RFC4648; i++) {
		uint8_t bytes[6];
		char text[9];
		ssize_t n;

		base64_encode(rfc4648[i].bytes, text);
		CU_ASSERT_STRING_EQUAL(text, rfc4648[i].padded);
		n = base64_decode(slice_of(text), bytes, sizeof(bytes));
		CU_ASSERT_TRUE(
			slice_eq(slice_make(bytes, (size_t)n), rfc4648[i].bytes));

		base64url_encode(rfc4648[i].bytes, text);
		CU_ASSERT_STRING_EQUAL(text, rfc4648[i].bare);
		CU_ASSERT_EQUAL(strlen(text), BASE64URL_CHARS(rfc4648[i].bytes.n));
		n = base64url_decode(slice_of(text), bytes, sizeof(bytes));
		CU_ASSERT_TRUE(
			slice_eq(slice_make(bytes, (size_t)n), rfc4648[i].bytes));
	}
}

static void every_byte_survives_base64url(void)
{
	uint8_t bytes[256], back[256];
	char text[BASE64URL_CHARS(256) + 1];

	for (size_t n = 0; n <= 256; n++) {
		random_bytes(bytes, sizeof(bytes));
		base64url_encode(slice_make(bytes, n), text);
		CU_ASSERT_EQUAL(base64url_decode(slice_of(text), back, n), (ssize_t)n);
		CU_ASSERT_EQUAL(memcmp(bytes, back, n), 0);
		if (n > 0)
			CU_ASSERT_EQUAL(base64url_decode(slice_of(text), back, n - 1),
					-1);
	}
}

static void base64_has_one_spelling(void)
{
	static const struct slice bad_url[] = {
		SLICE("Zg=="),  SLICE("Z"),    SLICE("A"),       SLICE("Zm9vA"),
		SLICE("Zm9vY"), SLICE("Zh"), /* spare bit */
		SLICE("Zm9="),  SLICE("Zm9"),  SLICE("Zm 8"),    SLICE("Zm8\n"),
		SLICE("+/+/"),  SLICE("Zm\0"), SLICE("Zm\xe9x"),
	};
	static const struct slice bad_plain[] = {
		SLICE("Zg"),   SLICE("Zg="),      SLICE("Zh=="),
		SLICE("Z==="), SLICE("===="),     SLICE("Zg=a"),
		SLICE("-_-_"), SLICE("Zm9=Zm9v"), SLICE("Zm9v\n"),
	};
	uint8_t out[16];

	for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
		CU_ASSERT_EQUAL(base64url_decode(bad_url[i], out, sizeof(out)), -1);
	for (size_t i = 0; i < sizeof(bad_plain) / sizeof(bad_plain[0]); i++)
		CU_ASSERT_EQUAL(base64_decode(bad_plain[i], out, sizeof(out)), -1);
}

static void uuids_are_random_and_of_version_4(void)
{
	char a[UUID_CHARS + 1], b[UUID_CHARS + 1];

	uuid_make(a);
	uuid_make(b);
	CU_ASSERT_TRUE(uuid_is_valid(slice_of(a)));
	CU_ASSERT_TRUE(uuid_is_valid(slice_of(b)));
	CU_ASSERT_STRING_NOT_EQUAL(a, b);
	CU_ASSERT_EQUAL(a[14], '4');
	CU_ASSERT_PTR_NOT_NULL(strchr("89ab", a[19]));
}

static void uuids_have_one_spelling(void)
{
	/* RFC 9562, A.1 and A.6: version 1 and version 7. */
	CU_ASSERT_TRUE(uuid_is_valid(SLICE("c232ab00-9414-11ec-b3c8-9f6bdeced846")));
	CU_ASSERT_TRUE(uuid_is_valid(SLICE("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")));
	static const struct slice bad[] = {
		SLICE(""),
		SLICE("C232AB00-9414-11EC-B3C8-9F6BDECED846"),
		SLICE("c232ab00-9414-11ec-b3c8-9f6bdeced84"),
		SLICE("c232ab00-9414-11ec-b3c8-9f6bdeced8460"),
		SLICE("c232ab0-09414-11ec-b3c8-9f6bdeced846"),
		SLICE("c232ab00-9414-11ec-b3c8-9f6bdeced84g"),
		SLICE("{232ab00-9414-11ec-b3c8-9f6bdeced84}"),
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(uuid_is_valid(bad[i]));
}

static void sha256_gives_the_standard_digests(void)
{
	/* FIPS 180-2, B.1, and the digest of nothing. */
	uint8_t digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	sha256(SLICE("abc"), digest);
	hex_encode(slice_make(digest, sizeof(digest)), hex);
	CU_ASSERT_STRING_EQUAL(
		hex,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(slice_make(NULL, 0), digest);
	hex_encode(slice_make(digest, sizeof(digest)), hex);
	CU_ASSERT_STRING_EQUAL(
		hex,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void takes_a_digest_piece_by_piece(void)
{
	uint8_t whole[SHA256_BYTES], pieces[SHA256_BYTES];
	struct digest *digest = digest_begin();

	digest_add(digest, SLICE("a"));
	digest_add(digest, slice_make(NULL, 0));
	digest_add(digest, SLICE("bc"));
	digest_end(digest, pieces);
	sha256(SLICE("abc"), whole);
	CU_ASSERT_EQUAL(memcmp(whole, pieces, SHA256_BYTES), 0);
	digest_end(digest_begin(), pieces);
	sha256(slice_make(NULL, 0), whole);
	CU_ASSERT_EQUAL(memcmp(whole, pieces, SHA256_BYTES), 0);
	digest_end(digest_begin(), NULL);
}

TEST_MAIN("codec", TEST(takes_a_digest_piece_by_piece), TEST(hex_goes_both_ways),
	  TEST(base64_goes_both_ways), TEST(every_byte_survives_base64url),
	  TEST(base64_has_one_spelling), TEST(uuids_are_random_and_of_version_4),
	  TEST(uuids_have_one_spelling), TEST(sha256_gives_the_standard_digests))
