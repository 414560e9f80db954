/* Array literals as PostgreSQL reads them: its manual, 8.15.2 and 8.15.6. */
#include "smsc/array.h"

#include "test/unit/test.h"

static void writes_what_postgresql_reads(void)
{
	static const struct {
		struct slice values[3];
		size_t n;
		struct slice literal;
	} rows[] = {
		{ .n = 0, .literal = SLICE("{}") },
		{ { SLICE("a") }, 1, SLICE("{\"a\"}") },
		{ { SLICE(""), SLICE("NULL"), { NULL, 0 } },
		  3,
		  SLICE("{\"\",\"NULL\",NULL}") },
		{ { SLICE("a,{b}"), SLICE("say \"x\""), SLICE("c:\\d\\") },
		  3,
		  SLICE("{\"a,{b}\",\"say \\\"x\\\"\",\"c:\\\\d\\\\\"}") },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct array array = { 0 };
		for (size_t k = 0; k < rows[i].n; k++)
			array_add(&array, rows[i].values[k]);
		CU_ASSERT(slice_eq(array_literal(&array), rows[i].literal));
		array_free(&array);
	}
}

/* To its end at any length, whatever stands at the edge of what was allocated. */
static void grows(void)
{
	char quotes[300];
	memset(quotes, '"', sizeof(quotes));
	for (size_t n = 0; n < sizeof(quotes); n++) {
		struct array array = { 0 };
		array_add(&array, slice_make(quotes, n));
		array_add(&array, (struct slice){ NULL, 0 });
		struct slice literal = array_literal(&array);
		CU_ASSERT_EQUAL_FATAL(literal.n, 2 * n + 9);
		CU_ASSERT_EQUAL(memcmp(literal.p + literal.n - 7, "\",NULL}", 7), 0);
		array_free(&array);
	}
}

static void writes_numbers(void)
{
	struct array array = { 0 };
	array_add_number(&array, INT64_MIN);
	array_add_number(&array, 7);
	CU_ASSERT(slice_eq(array_literal(&array),
			   SLICE("{\"-9223372036854775808\",\"7\"}")));
	array_free(&array);
}

TEST_MAIN("array", TEST(writes_what_postgresql_reads), TEST(grows),
	  TEST(writes_numbers))
