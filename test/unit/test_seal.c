/* Texts sealed for a place. */
#include "base/seal.h"

#include "base/codec.h"
#include "test/unit/directory.h"

#define KEY_A "0011223344556677 " KEY_BYTES_A "\n"
#define KEY_B "8899aabbccddeeff " KEY_BYTES_B "\n"
/* NIST, gcmEncryptExtIV256.rsp, [Keylen = 256][PTlen = 128][AADlen = 128], Count = 0 */
#define KEY_BYTES_A "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b"
#define KEY_BYTES_B "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

#define PLACE SLICE("the place")
#define TEXT  SLICE("PIN 4711")

static char why[256];

static struct seal_keys *load(const char *text, mode_t mode)
{
	struct directory directory;
	directory_open(&directory);
	struct seal_keys *keys = seal_keys_load(
		directory_write(&directory, "keys", text, mode), why, sizeof(why));
	directory_close(&directory);
	return keys;
}

static struct seal_keys *keys_of(const char *text)
{
	return load(text, 0600);
}

static void opens_at_its_place(void)
{
	uint8_t sealed[64], again[64], text[64];
	struct seal_keys *keys = keys_of(KEY_A);
	struct slice whole = slice_make(sealed, TEXT.n + SEAL_OVERHEAD);
	CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
	seal_close(keys, PLACE, TEXT, sealed);
	seal_close(keys, PLACE, TEXT, again);
	CU_ASSERT_NOT_EQUAL(memcmp(sealed, again, whole.n), 0); /* a nonce for each */
	CU_ASSERT_EQUAL(seal_open(keys, PLACE, whole, text), (ssize_t)TEXT.n);
	CU_ASSERT_EQUAL(memcmp(text, TEXT.p, TEXT.n), 0);
	CU_ASSERT_EQUAL(seal_open(keys, SLICE("the palce"), whole, text), -1);
	CU_ASSERT_EQUAL(seal_open(keys, SLICE(""), whole, text), -1);
	seal_keys_free(keys);
}

/* Key id, nonce, text and tag: nothing of it may change, and nothing may lack. */
static void opens_nothing_that_was_changed(void)
{
	uint8_t sealed[64], text[64];
	static const uint8_t none[64];
	struct seal_keys *keys = keys_of(KEY_A);
	size_t n = TEXT.n + SEAL_OVERHEAD;
	seal_close(keys, PLACE, TEXT, sealed);
	for (size_t i = 0; i < n; i++) {
		sealed[i] ^= 0x10;
		CU_ASSERT_EQUAL(seal_open(keys, PLACE, slice_make(sealed, n), text),
				-1);
		sealed[i] ^= 0x10;
	}
	for (size_t cut = 0; cut < n; cut++)
		CU_ASSERT_EQUAL(seal_open(keys, PLACE, slice_make(sealed, cut), text),
				-1);
	sealed[n - 1] ^= 1;
	memset(text, 'x', sizeof(text));
	CU_ASSERT_EQUAL(seal_open(keys, PLACE, slice_make(sealed, n), text), -1);
	CU_ASSERT_EQUAL(memcmp(text, none, n), 0); /* no text that is not proven */
	seal_keys_free(keys);
}

static void is_aes_256_gcm(void)
{
	/* The vector, behind a key id. */
	static const char sealed_hex[] = "0011223344556677"
					 "ac93a1a6145299bde902f21a"
					 "8995ae2e6df3dbf96fac7b7137bae67f"
					 "eca5aa77d51d4a0a14d9c51e1da474ab";
	uint8_t sealed[52], place[16], text[52];
	char hex[33];
	struct seal_keys *keys = keys_of(KEY_A);
	CU_ASSERT_FATAL(hex_decode(slice_of(sealed_hex), sealed, sizeof(sealed)));
	CU_ASSERT_FATAL(hex_decode(SLICE("1e0889016f67601c8ebea4943bc23ad6"), place,
				   sizeof(place)));
	CU_ASSERT_EQUAL(seal_open(keys, slice_make(place, sizeof(place)),
				  slice_make(sealed, sizeof(sealed)), text),
			16);
	hex_encode(slice_make(text, 16), hex);
	CU_ASSERT_STRING_EQUAL(hex, "2d71bcfa914e4ac045b2aa60955fad24");
	seal_keys_free(keys);
}

static void keys_change_one_after_the_other(void)
{
	uint8_t sealed[64], text[64];
	struct slice whole = slice_make(sealed, TEXT.n + SEAL_OVERHEAD);
	struct seal_keys *old = keys_of(KEY_A), *both = keys_of(KEY_B "# old\n" KEY_A),
			 *new = keys_of(KEY_B);
	seal_close(old, PLACE, TEXT, sealed);
	CU_ASSERT_EQUAL(seal_open(both, PLACE, whole, text), (ssize_t)TEXT.n);
	CU_ASSERT_EQUAL(seal_open(new, PLACE, whole, text), -1);
	seal_close(both, PLACE, TEXT, sealed);
	CU_ASSERT_EQUAL(seal_open(new, PLACE, whole, text), (ssize_t)TEXT.n);
	seal_keys_free(old);
	seal_keys_free(both);
	seal_keys_free(new);
	seal_keys_free(NULL);
}

static void has_no_keys_of_a_file_that_is_wrong(void)
{
	CU_ASSERT_PTR_NULL(keys_of("# none\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "holds no key"));
	CU_ASSERT_PTR_NULL(load(KEY_A, 0640));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod 600"));
}

TEST_MAIN("seal", TEST(opens_at_its_place), TEST(opens_nothing_that_was_changed),
	  TEST(is_aes_256_gcm), TEST(keys_change_one_after_the_other),
	  TEST(has_no_keys_of_a_file_that_is_wrong))
