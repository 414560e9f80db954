#include "provctl/csv.h"

#include "test/unit/test.h"

/* All records of a text, fields joined by '|', records by '/'; then the error. */
static const char *read_all(struct arena *arena, struct slice text)
{
	const char *fields[CSV_FIELDS_MAX], *all = "";
	struct csv csv;
	size_t n;

	csv_open(&csv, text);
	while ((n = csv_next(&csv, arena, fields)) > 0)
		for (size_t i = 0; i < n; i++)
			all = arena_printf(arena, "%s%s%s", all,
					   i ? "|" : (*all ? "/" : ""), fields[i]);
	return csv.error ? arena_printf(arena, "%s!%u %s", all, csv.line, csv.error)
			 : all;
}

static const struct {
	struct slice text;
	const char *expected;
} samples[] = {
	{ SLICE(""), "" },
	{ SLICE("\n\r\n\n"), "" },
	{ SLICE("a,b\nc,d\n"), "a|b/c|d" },
	{ SLICE("a,b\r\nc,d"), "a|b/c|d" },
	{ SLICE("a,,\n,\n"), "a||/|" },
	{ SLICE("\"a,b\",\"c\"\"d\",\"\"\n"), "a,b|c\"d|" },
	{ SLICE("\"two\nlines\",b\nc"), "two\nlines|b/c" },
	{ SLICE(" a , b "), " a | b " },
	{ SLICE("a\n\"open"), "a!2 a quote that does not end, or a NUL" },
	{ SLICE("a\nb\0c"), "a!2 a quote that does not end, or a NUL" },
	{ SLICE("\"a\"b"), "!1 a quote or carriage return inside a field" },
	{ SLICE("a\"b"), "!1 a quote or carriage return inside a field" },
	{ SLICE("a\rb"), "!1 a quote or carriage return inside a field" },
};

static void reads_records(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct arena *arena = arena_new(1 << 16);
		CU_ASSERT_STRING_EQUAL(read_all(arena, samples[i].text),
				       samples[i].expected);
		arena_free(arena);
	}
}

static void refuses_too_many_fields(void)
{
	struct arena *arena = arena_new(1 << 16);
	char text[CSV_FIELDS_MAX + 1];
	const char *fields[CSV_FIELDS_MAX];
	struct csv csv;

	memset(text, ',', sizeof(text));
	csv_open(&csv, slice_make(text, CSV_FIELDS_MAX - 1));
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), CSV_FIELDS_MAX);
	csv_open(&csv, slice_make(text, CSV_FIELDS_MAX));
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), 0);
	CU_ASSERT_PTR_NOT_NULL(csv.error);
	arena_free(arena);
}

static void knows_the_line_of_a_record(void)
{
	struct arena *arena = arena_new(1 << 16);
	const char *fields[CSV_FIELDS_MAX];
	struct csv csv;

	csv_open(&csv, SLICE("a\n\n\"b\nb\"\nc\n"));
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), 1);
	CU_ASSERT_EQUAL(csv.line, 1);
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), 1);
	CU_ASSERT_EQUAL(csv.line, 3);
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), 1);
	CU_ASSERT_EQUAL(csv.line, 5);
	CU_ASSERT_EQUAL(csv_next(&csv, arena, fields), 0);
	CU_ASSERT_PTR_NULL(csv.error);
	arena_free(arena);
}

TEST_MAIN("csv", TEST(reads_records), TEST(refuses_too_many_fields),
	  TEST(knows_the_line_of_a_record))
