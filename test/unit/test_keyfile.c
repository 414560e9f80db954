/* Files of keys: strictly read, and never repeated. */
#include "base/keyfile.h"

#include "base/codec.h"
#include "test/unit/directory.h"

#define KID_A  "a0a1a2a3a4a5a6a7"
#define KID_B  "b0b1b2b3b4b5b6b7"
#define BYTES  "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define LINE_A KID_A " " BYTES "\n"
#define LINE_B KID_B " " BYTES "\n"

static struct directory directory;
static struct keyfile file;
static char why[256];

static bool load(const char *text, mode_t mode)
{
	directory_open(&directory);
	bool is_loaded = keyfile_load(directory_write(&directory, "keys", text, mode),
				      &file, why, sizeof(why));
	directory_close(&directory);
	return is_loaded;
}

static void reads_one_key_or_two(void)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{ LINE_A, 1 },
		{ LINE_A LINE_B, 2 },
		{ "# made 2026-11-21\n\n" LINE_A, 1 },
		{ "  " KID_A " " BYTES "\t\n", 1 },
		{ KID_A " " BYTES, 1 },
		{ KID_A " " BYTES "\r\n\r\n" KID_B " " BYTES "\r\n", 2 },
	};
	uint8_t kid[KEYFILE_KID_BYTES], bytes[KEYFILE_KEY_BYTES];
	CU_ASSERT_FATAL(hex_decode(SLICE(KID_A), kid, sizeof(kid)));
	CU_ASSERT_FATAL(hex_decode(SLICE(BYTES), bytes, sizeof(bytes)));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_FATAL(load(cases[i].text, 0600));
		CU_ASSERT_EQUAL(file.n, cases[i].n);
		CU_ASSERT_PTR_EQUAL(keyfile_find(&file, kid), &file.keys[0]);
		CU_ASSERT_EQUAL(memcmp(file.keys[0].bytes, bytes, sizeof(bytes)), 0);
	}
	kid[7] ^= 1;
	CU_ASSERT_PTR_NULL(keyfile_find(&file, kid));
}

static void says_what_is_wrong(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "keys: holds no key" },
		{ "# none\n\n", "keys: holds no key" },
		{ KID_A "\n", ":1: not `KID KEY`" },
		{ KID_A " \n", ":1: not `KID KEY`" },
		{ "a0 " BYTES "\n", ":1: not `KID KEY`" },
		{ "g" BYTES " " BYTES "\n", ":1: not `KID KEY`" },
		{ KID_A "  " BYTES "\n", ":1: not `KID KEY`" },
		{ KID_A " " BYTES "00\n", ":1: not `KID KEY`" },
		{ LINE_A KID_B " 2021\n", ":2: not `KID KEY`" },
		{ "#\n" LINE_A "junk\n", ":3: not `KID KEY`" },
		{ LINE_A LINE_A, ":2: the same KID twice" },
		{ LINE_A LINE_B "c0c1c2c3c4c5c6c7 " BYTES, ":3: more than two" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_FALSE(load(cases[i].text, 0600));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].why));
		CU_ASSERT_PTR_NULL(strstr(why, "2021")); /* of no key */
	}
	CU_ASSERT_FALSE(load(LINE_A, 0640));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod 600"));
}

static void leaves_nothing_behind(void)
{
	static const struct keyfile none;
	CU_ASSERT_FALSE(load(LINE_A "junk\n", 0600));
	CU_ASSERT_EQUAL(memcmp(&file, &none, sizeof(file)), 0);
	CU_ASSERT_FATAL(load(LINE_A LINE_B, 0600));
	keyfile_wipe(&file);
	CU_ASSERT_EQUAL(memcmp(&file, &none, sizeof(file)), 0);
}

TEST_MAIN("keyfile", TEST(reads_one_key_or_two), TEST(says_what_is_wrong),
	  TEST(leaves_nothing_behind))
