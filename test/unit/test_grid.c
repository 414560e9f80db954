#include "provctl/grid.h"

#include <locale.h>

#include "provctl/pg_type.h"
#include "test/unit/operator.h"

#define TEXT_TYPE 25

static const struct column columns[] = {
	{ "name", TEXT_TYPE }, { "count", PG_INT8 },   { "at", PG_TIMESTAMPTZ },
	{ "is_on", PG_BOOL },  { "detail", PG_JSONB }, { "list", PG_TEXT_ARRAY },
	{ "last", TEXT_TYPE },
};
#define N_COLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))

static const char *print(const char *const (*rows)[ROW_COLUMNS_MAX], int n)
{
	struct arena *arena = arena_new(1 << 16);
	PGresult *made = rows_make(columns, N_COLUMNS, rows, n);
	struct caught caught = caught_begin(stdout);

	grid_print(arena, made);
	const char *text = caught_end(caught);
	PQclear(made);
	arena_free(arena);
	return text;
}

static void aligns_what_it_prints(void)
{
	static const char *const rows[][ROW_COLUMNS_MAX] = {
		{ "\xc3\xa9", "7", "2026-11-21 01:02:03.456789+00", "t", "{}",
		  "{a,\"b c\"}", "x" },
		{ "longer", "12345678", "2026-11-21 01:02:03+00", "f", "{\"a\": 1}",
		  "{}", NULL },
	};

	CU_ASSERT_STRING_EQUAL(
		print(rows, 2),
		"name       count  at                       is_on  detail    list   "
		"last\n"
		"\xc3\xa9              7  2026-11-21 01:02:03.456  yes    -         a "
		"b c  x\n"
		"longer  12345678  2026-11-21 01:02:03      no     {\"a\": 1}  -      "
		"-\n");
	CU_ASSERT_STRING_EQUAL(print(NULL, 0), "(none)\n");
}

/* A wide character has two columns, one that joins the one before it none. */
static void aligns_wide_characters(void)
{
	static const char *const rows[][ROW_COLUMNS_MAX] = {
		{ "\xe6\x9d\xb1\xe4\xba\xac", "1" }, /* two ideographs */
		{ "e\xcc\x81", "2" },                /* e and an acute */
		{ "\xff", "3" },                     /* no character */
	};
	struct arena *arena = arena_new(1 << 16);
	PGresult *made = rows_make(columns, 2, rows, 3);

	CU_ASSERT_PTR_NOT_NULL_FATAL(setlocale(LC_CTYPE, "C.UTF-8"));
	struct caught caught = caught_begin(stdout);
	grid_print(arena, made);
	CU_ASSERT_STRING_EQUAL(caught_end(caught), "name  count\n"
						   "\xe6\x9d\xb1\xe4\xba\xac      1\n"
						   "e\xcc\x81         2\n"
						   "\xff         3\n");
	setlocale(LC_CTYPE, "C");
	PQclear(made);
	arena_free(arena);
}

static void lets_no_control_character_through(void)
{
	static const char *const rows[][ROW_COLUMNS_MAX] = {
		{ "\x1b[2J", "1", NULL, "t", NULL, "{\"\x07\"}",
		  "a\nb\x7f\xc2\x9b"
		  "c" },
	};
	const char *text = print(rows, 1);

	text = strchr(text, '\n') + 1; /* behind the heading */
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "?[2J"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "a?b??c\n"));
	CU_ASSERT_EQUAL(strcspn(text, "\x1b\x07\x7f\x9b"), strlen(text));
	CU_ASSERT_EQUAL(strchr(text, '\n')[1], '\0');
}

static void prints_a_record_as_lines(void)
{
	static const char *const rows[][ROW_COLUMNS_MAX] = {
		{ "first", "1", NULL, "t", NULL, NULL, NULL },
		{ "second", "2", NULL, "f", NULL, NULL, "\x1b" },
	};
	struct arena *arena = arena_new(1 << 16);
	PGresult *made = rows_make(columns, N_COLUMNS, rows, 2);
	struct caught caught = caught_begin(stdout);

	grid_print_record(arena, made, 1);
	CU_ASSERT_STRING_EQUAL(caught_end(caught),
			       "name    second\ncount   2\nat      -\nis_on   no\n"
			       "detail  -\nlist    -\nlast    ?\n");
	PQclear(made);
	arena_free(arena);
}

static void prints_a_table_piece_by_piece(void)
{
	static const struct column two[] = { { "key", TEXT_TYPE },
					     { "name", TEXT_TYPE },
					     { "count", PG_INT4 } };
	static const char *const narrow[][ROW_COLUMNS_MAX] = { { "k1", "a", "1" } };
	static const char *const wide[][ROW_COLUMNS_MAX] = { { "k2", "longer", "2" } };
	struct arena *arena = arena_new(1 << 16);
	struct grid grid = { .first = 1 };
	PGresult *pieces[] = { rows_make(two, 3, NULL, 0), rows_make(two, 3, narrow, 1),
			       rows_make(two, 3, wide, 1),
			       rows_make(two, 3, narrow, 1) };
	struct caught caught = caught_begin(stdout);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		grid_print_more(&grid, arena, pieces[i]);
		PQclear(pieces[i]);
	}
	CU_ASSERT_STRING_EQUAL(caught_end(caught), "name  count\n"
						   "a         1\n"
						   "longer      2\n"
						   "a           1\n");
	arena_free(arena);
}

TEST_MAIN("grid", TEST(aligns_wide_characters), TEST(prints_a_table_piece_by_piece),
	  TEST(aligns_what_it_prints), TEST(lets_no_control_character_through),
	  TEST(prints_a_record_as_lines))
