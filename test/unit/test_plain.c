#include "provctl/plain.h"

#include <locale.h>

#include "test/unit/test.h"

static bool becomes(const char *from, const char *expected)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", from);
	plain(text);
	if (strcmp(text, expected) != 0)
		fprintf(stderr, "\n%s is no %s", text, expected);
	return strcmp(text, expected) == 0;
}

static void puts_a_mark_for_each_control_character(void)
{
	CU_ASSERT_TRUE(becomes("", ""));
	CU_ASSERT_TRUE(becomes("\x1b[31mred", "?[31mred"));
	CU_ASSERT_TRUE(becomes("two\nlines\r\n", "two?lines??"));
	CU_ASSERT_TRUE(becomes("\x01\x1f\x7f", "???"));
	/* C1, of two bytes: the CSI of 8 bits, and the first and last of them */
	CU_ASSERT_TRUE(becomes("a\xc2\x9b"
			       "31m",
			       "a?31m"));
	CU_ASSERT_TRUE(becomes("\xc2\x80\xc2\x9f", "??"));
}

static void leaves_what_is_text(void)
{
	CU_ASSERT_TRUE(becomes("plain ~ text", "plain ~ text"));
	CU_ASSERT_TRUE(becomes("caf\xc3\xa9", "caf\xc3\xa9"));
	/* The characters behind C1, and those that end in its bytes. */
	CU_ASSERT_TRUE(becomes("\xc2\xa0\xc3\x9b", "\xc2\xa0\xc3\x9b"));
	CU_ASSERT_TRUE(becomes("\xe2\x82\x9b", "\xe2\x82\x9b"));
	/* What is cut off at the end is no character, and nothing is read behind it. */
	CU_ASSERT_TRUE(becomes("a\xc2", "a\xc2"));
}

static void counts_columns(void)
{
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return;
	CU_ASSERT_EQUAL(plain_width(SLICE("")), 0);
	CU_ASSERT_EQUAL(plain_width(SLICE("abc")), 3);
	CU_ASSERT_EQUAL(plain_width(SLICE("caf\xc3\xa9")), 4);
	/* wide: U+65E5; joins the one before it: U+0301 */
	CU_ASSERT_EQUAL(plain_width(SLICE("\xe6\x97\xa5")), 2);
	CU_ASSERT_EQUAL(plain_width(SLICE("e\xcc\x81")), 1);
	/* no characters: a byte is a column */
	CU_ASSERT_EQUAL(plain_width(SLICE("a\xff\xc2")), 3);
}

TEST_MAIN("plain", TEST(puts_a_mark_for_each_control_character),
	  TEST(leaves_what_is_text), TEST(counts_columns))
