#include "base/utf8.h"

#include "test/unit/test.h"

static void every_character_comes_back(void)
{
	size_t wrong = 0;
	for (uint32_t c = 0; c < 0x110000; c++) {
		char bytes[UTF8_BYTES_MAX];
		uint32_t back = 0;
		struct slice rest = slice_make(bytes, utf8_put(c, bytes));
		bool is_surrogate = c >= 0xd800 && c < 0xe000;
		bool is_read = utf8_next(&rest, &back) && rest.n == 0;
		wrong += !is_read || back != (is_surrogate ? UTF8_REPLACEMENT : c);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void knows_the_four_lengths(void)
{
	static const struct {
		uint32_t character;
		const char *bytes;
	} cases[] = {
		/* RFC 3629, 7, and the ends of each length */
		{ 'A', "A" },
		{ 0x7f, "\x7f" },
		{ 0x80, "\xc2\x80" },
		{ 0x391, "\xce\x91" },
		{ 0x7ff, "\xdf\xbf" },
		{ 0x800, "\xe0\xa0\x80" },
		{ 0x2262, "\xe2\x89\xa2" },
		{ 0xffff, "\xef\xbf\xbf" },
		{ 0x10000, "\xf0\x90\x80\x80" },
		{ 0x233b4, "\xf0\xa3\x8e\xb4" },
		{ 0x10ffff, "\xf4\x8f\xbf\xbf" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char bytes[UTF8_BYTES_MAX];
		size_t n = utf8_put(cases[i].character, bytes);
		CU_ASSERT_TRUE(
			slice_eq(slice_make(bytes, n), slice_of(cases[i].bytes)));
	}
}

static void refuses_what_is_none(void)
{
	static const struct slice cases[] = {
		SLICE("\x80"),             /* a continuation alone */
		SLICE("\xc3"),             /* cut */
		SLICE("\xe2\x82"),         /* cut */
		SLICE("\xf0\x9f\x98"),     /* cut */
		SLICE("\xc3("),            /* no continuation */
		SLICE("\xe2(\xa1"),        /* no continuation */
		SLICE("\xc0\xaf"),         /* overlong */
		SLICE("\xe0\x80\xaf"),     /* overlong */
		SLICE("\xf0\x80\x80\xaf"), /* overlong */
		SLICE("\xed\xa0\x80"),     /* surrogate */
		SLICE("\xed\xbf\xbf"),     /* surrogate */
		SLICE("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
		SLICE("\xf8\x88\x80\x80\x80"),
		SLICE("\xfe"),
		SLICE("\xff"),
		SLICE(""),
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice rest = cases[i];
		uint32_t c;
		CU_ASSERT_FALSE(utf8_next(&rest, &c));
		CU_ASSERT_PTR_EQUAL(rest.p, cases[i].p);
		CU_ASSERT_EQUAL(rest.n, cases[i].n);
	}
}

static void counts_and_cuts_by_characters(void)
{
	/* two characters, a byte that is none, one character */
	struct slice rest = SLICE("a\xc3\xa9\xff\xe2\x82\xac");
	CU_ASSERT_EQUAL(utf8_length(rest), 4);
	CU_ASSERT_TRUE(slice_eq(utf8_take(&rest, 2), SLICE("a\xc3\xa9")));
	CU_ASSERT_TRUE(slice_eq(utf8_take(&rest, 1), SLICE("\xff")));
	CU_ASSERT_TRUE(slice_eq(utf8_take(&rest, 9), SLICE("\xe2\x82\xac")));
	CU_ASSERT_EQUAL(rest.n, 0);
}

TEST_MAIN("utf8", TEST(every_character_comes_back), TEST(knows_the_four_lengths),
	  TEST(refuses_what_is_none), TEST(counts_and_cuts_by_characters))
