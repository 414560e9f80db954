#include "test/unit/test.h"

#include <stdlib.h>

#include "contrib/handset/view.h"

static struct view view;

static void start(void)
{
	view = (struct view){ 0 };
	view_begin(&view, "Title");
}

static void breaks_text_at_spaces(void)
{
	start();
	view_add(&view, "The quick brown fox jumps over the lazy dog.\n\nEnd");
	view_end(&view);
	CU_ASSERT_EQUAL(view.n, 4);
	CU_ASSERT_STRING_EQUAL(view.lines[0].text,
			       "The quick brown fox jumps over the");
	CU_ASSERT_STRING_EQUAL(view.lines[1].text, "lazy dog.");
	CU_ASSERT_STRING_EQUAL(view.lines[2].text, "");
	CU_ASSERT(view_contains(&view, SLICE("over the lazy dog.")));
	CU_ASSERT_FALSE(view_contains(&view, SLICE("cat")));
}

static void breaks_long_words_and_counts_characters(void)
{
	start();
	view_add(&view, "ääääääääääääääääääääääääääääääääääää");
	CU_ASSERT_EQUAL(view.n, 2);
	CU_ASSERT_EQUAL(strlen(view.lines[0].text), 2 * VIEW_COLUMNS);
	CU_ASSERT_EQUAL(strlen(view.lines[1].text), 2 * 2);
}

/* What comes from outside cannot drive the terminal. */
static void lets_no_control_character_through(void)
{
	char *drawn;
	size_t n;
	FILE *out = open_memstream(&drawn, &n);

	start();
	view_add(&view, "a\033[2Jb\rc\x7f\xc2\x9b"
			"d");
	view_add_choice(&view, "x\x07y");
	view_end(&view);
	view_draw(&view, out);
	fclose(out);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT((unsigned char)drawn[i] >= 0x20 || drawn[i] == '\n');
	CU_ASSERT_PTR_NULL(memmem(drawn, n, "\xc2\x9b", 2));
	CU_ASSERT_PTR_NOT_NULL(strstr(drawn, "a.[2Jb.c"));
	free(drawn);
}

static void marks_one_choice(void)
{
	char *drawn;
	size_t n;
	FILE *out = open_memstream(&drawn, &n);

	start();
	view_add(&view, "Choose:");
	view_add_choice(&view, "Package");
	view_add_choice(&view, "Features");
	view_end(&view);
	view_move(&view, 1);
	view_move(&view, 1);
	CU_ASSERT_EQUAL(view.marker, 1);
	view_draw(&view, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(drawn, "| > 2 Features"));
	CU_ASSERT_PTR_NOT_NULL(strstr(drawn, "|   1 Package"));
	free(drawn);
	view_move(&view, -5);
	CU_ASSERT_EQUAL(view.marker, 0);
}

static void scrolls_long_texts(void)
{
	start();
	for (int i = 0; i < 30; i++)
		view_addf(&view, "line %d", i);
	view_end(&view);
	view_move(&view, -1);
	CU_ASSERT_EQUAL(view.top, 0);
	view_move(&view, 100);
	CU_ASSERT_EQUAL(view.top, 30 - VIEW_ROWS);
}

static void keeps_within_its_lines(void)
{
	start();
	for (int i = 0; i < 2 * VIEW_LINES; i++)
		view_add(&view, "x");
	view_end(&view);
	CU_ASSERT_EQUAL(view.n, VIEW_LINES);
}

TEST_MAIN("view", TEST(breaks_text_at_spaces),
	  TEST(breaks_long_words_and_counts_characters),
	  TEST(lets_no_control_character_through), TEST(marks_one_choice),
	  TEST(scrolls_long_texts), TEST(keeps_within_its_lines))
