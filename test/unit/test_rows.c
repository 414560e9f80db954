#include "provctl/rows.h"

#include <stdlib.h>

#include "provctl/pg_type.h"
#include "test/unit/operator.h"

#define UUID 2950

static const struct {
	Oid type;
	const char *raw, *json;
} samples[] = {
	{ PG_BOOL, "t", "true" },
	{ PG_BOOL, "f", "false" },
	{ PG_INT4, "-7", "-7" },
	{ PG_INT8, "9007199254740993", "9007199254740993" },
	{ PG_FLOAT8, "0.5", "0.5" },
	{ PG_JSONB, "{\"a\": [1, null]}", "{\"a\":[1,null]}" },
	{ UUID, "00000000-0000-4000-8000-000000000001",
	  "\"00000000-0000-4000-8000-000000000001\"" },
	{ UUID, NULL, "null" },
	{ PG_INT4, NULL, "null" },
	{ UUID, "\x1b\"\xc3\xa9", "\"\\u001B\\\"\xc3\xa9\"" },
	{ PG_TIMESTAMPTZ, "2026-11-21 01:02:03.456789+00",
	  "\"2026-11-21T01:02:03.456Z\"" },
	{ PG_TIMESTAMPTZ, "2026-11-21 01:02:03.4+00", "\"2026-11-21T01:02:03.400Z\"" },
	{ PG_TIMESTAMPTZ, "2026-11-21 01:02:03+00", "\"2026-11-21T01:02:03.000Z\"" },
	{ PG_TIMESTAMPTZ, "infinity", "\"infinity\"" },
	{ PG_TEXT_ARRAY, "{}", "[]" },
	{ PG_TEXT_ARRAY, "{a}", "[\"a\"]" },
	{ PG_TEXT_ARRAY, "{en,\"a b\",\"\",NULL,\"NULL\"}",
	  "[\"en\",\"a b\",\"\",null,\"NULL\"]" },
	{ PG_TEXT_ARRAY, "{\"a,}\\\"\\\\\",b}", "[\"a,}\\\"\\\\\",\"b\"]" },
};

static void gives_each_type_its_json(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct column column = { "x", samples[i].type };
		const char *const row[][ROW_COLUMNS_MAX] = { { samples[i].raw } };
		PGresult *rows = rows_make(&column, 1, row, 1);
		json_t *object = rows_object(rows, 0);
		char *text = json_dumps(json_object_get(object, "x"),
					JSON_ENCODE_ANY | JSON_COMPACT);
		CU_ASSERT_STRING_EQUAL(text, samples[i].json);
		free(text);
		json_decref(object);
		PQclear(rows);
	}
}

static const struct column columns[] = { { "z", PG_INT4 }, { "a", UUID } };
static const char *const two[][ROW_COLUMNS_MAX] = { { "1", "x" }, { "2", NULL } };

static void keeps_the_order_of_rows_and_columns(void)
{
	PGresult *rows = rows_make(columns, 2, two, 2);
	json_t *array = rows_array(rows);
	char *text = json_dumps(array, JSON_COMPACT);

	CU_ASSERT_STRING_EQUAL(text, "[{\"z\":1,\"a\":\"x\"},{\"z\":2,\"a\":null}]");
	free(text);
	json_decref(array);
	PQclear(rows);
	rows = rows_make(columns, 2, NULL, 0);
	array = rows_array(rows);
	CU_ASSERT_EQUAL(json_array_size(array), 0);
	json_decref(array);
	PQclear(rows);
}

static void prints_with_indentation(void)
{
	struct caught caught = caught_begin(stdout);

	rows_print(json_pack("[{si}]", "a", 1));
	CU_ASSERT_STRING_EQUAL(caught_end(caught), "[\n  {\n    \"a\": 1\n  }\n]\n");
	caught = caught_begin(stdout);
	rows_print_done();
	CU_ASSERT_STRING_EQUAL(caught_end(caught), "{\n  \"done\": true\n}\n");
}

TEST_MAIN("rows", TEST(gives_each_type_its_json),
	  TEST(keeps_the_order_of_rows_and_columns), TEST(prints_with_indentation))
