#include "base/help.h"

#include "test/unit/caught.h"
#include "test/unit/test.h"

static const char *row(int column, const char *left, const char *text)
{
	struct caught caught = caught_begin(stdout);

	help_row(stdout, column, left, text);
	return caught_end(caught);
}

static void sets_two_columns(void)
{
	CU_ASSERT_STRING_EQUAL(row(10, "  --a", "what it does"),
			       "  --a     what it does\n");
	CU_ASSERT_STRING_EQUAL(row(4, "  --long", "what"), "  --long\n    what\n");
	CU_ASSERT_STRING_EQUAL(row(0, "", "a paragraph"), "a paragraph\n");
}

static void breaks_lines_before_the_last_column(void)
{
	char word[HELP_COLUMNS + 2], text[2 * HELP_COLUMNS + 3];
	const char *printed;

	/* 7 and 72 columns fill a line; one more does not fit */
	for (int n = 72; n <= 73; n++) {
		memset(word, 'x', (size_t)n);
		word[n] = '\0';
		snprintf(text, sizeof(text), "word %s", word);
		printed = row(2, "", text);
		CU_ASSERT_EQUAL(strcspn(printed, "\n"),
				n == 72 ? (size_t)HELP_COLUMNS : 6u);
	}
	memset(word, 'x', HELP_COLUMNS + 1); /* wider than all: on a line of its own */
	word[HELP_COLUMNS + 1] = '\0';
	snprintf(text, sizeof(text), "a %s b", word);
	printed = row(2, "", text);
	CU_ASSERT_EQUAL(strncmp(printed, "  a\n  xxx", 9), 0);
	CU_ASSERT_STRING_EQUAL(strchr(printed + 4, '\n'), "\n  b\n");
}

TEST_MAIN("help", TEST(sets_two_columns), TEST(breaks_lines_before_the_last_column))
