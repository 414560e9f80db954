#include "provisioning/header.h"

#include "test/unit/test.h"

static bool is_tag(const char *value, const char *tag)
{
	return slice_eq(header_entity_tag(slice_of(value)), slice_of(tag));
}

/* RFC 9110, 8.8.3 */
static void reads_one_entity_tag(void)
{
	CU_ASSERT_TRUE(is_tag("\"r1\"", "\"r1\""));
	CU_ASSERT_TRUE(is_tag("  W/\"r1\" ", "\"r1\""));
	CU_ASSERT_TRUE(is_tag("\"\"", "\"\""));
	static const char *const not_one[] = {
		"",
		"*",
		"r1",
		"\"r1",
		"r1\"",
		"\"",
		"\"a\", \"b\"",
		"\"a b\"",
		"w/\"r1\"",
		"\"\xc3\xa9\"",
		"\"a\"b\"",
	};
	for (size_t i = 0; i < sizeof(not_one) / sizeof(not_one[0]); i++)
		CU_ASSERT_EQUAL(header_entity_tag(slice_of(not_one[i])).n, 0);
}

/* RFC 9110, 13.1.2 */
static void matches_any_of_several_tags(void)
{
	static const char *const matching[] = { "\"b\"", "*", "\"a\", \"b\"",
						"\"a\",W/\"b\" , \"c\"" };
	for (size_t i = 0; i < sizeof(matching) / sizeof(matching[0]); i++)
		CU_ASSERT_TRUE(
			header_matches_tag(slice_of(matching[i]), SLICE("\"b\"")));
	static const char *const others[] = { "", "\"a\"", "b", "\"a\", b", "\"bb\"" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CU_ASSERT_FALSE(
			header_matches_tag(slice_of(others[i]), SLICE("\"b\"")));
}

/* RFC 7240, 4.3 */
static void reads_how_long_to_wait(void)
{
	static const struct {
		const char *value;
		unsigned seconds;
	} cases[] = {
		{ "wait=3", 3 },
		{ "WAIT = 3", 3 },
		{ "respond-async, wait=2", 2 },
		{ "wait=60", 5 },
		{ "wait=0", 0 },
		{ "wait=99999999999999999999", 0 },
		{ "wait=-1", 0 },
		{ "wait=\"3\"", 0 },
		{ "wait", 0 },
		{ "waits=3", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(header_prefer_wait(slice_of(cases[i].value), 5),
				cases[i].seconds);
}

/* RFC 9110, 14.1.2 and 14.2 */
static void reads_one_range(void)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum header_range range;
		uint64_t first, last;
	} cases[] = {
		{ "bytes=0-0", 10, HEADER_RANGE_PART, 0, 0 },
		{ "bytes=2-5", 10, HEADER_RANGE_PART, 2, 5 },
		{ "bytes=2-", 10, HEADER_RANGE_PART, 2, 9 },
		{ "bytes=2-99", 10, HEADER_RANGE_PART, 2, 9 },
		{ "bytes=9-9", 10, HEADER_RANGE_PART, 9, 9 },
		{ "bytes=-3", 10, HEADER_RANGE_PART, 7, 9 },
		{ "bytes=-30", 10, HEADER_RANGE_PART, 0, 9 },
		{ "Bytes=1-2", 10, HEADER_RANGE_PART, 1, 2 },
		{ "bytes=10-", 10, HEADER_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=10-12", 10, HEADER_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-0", 10, HEADER_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-", 0, HEADER_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-1", 0, HEADER_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=5-2", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=-", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=1", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=a-b", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=0-1,3-4", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=0x1-2", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "bytes=0-99999999999999999999", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "items=0-1", 10, HEADER_RANGE_NONE, 0, 0 },
		{ "", 10, HEADER_RANGE_NONE, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t first = 0, last = 0;
		CU_ASSERT_EQUAL(header_range(slice_of(cases[i].value), cases[i].size,
					     &first, &last),
				cases[i].range);
		CU_ASSERT_EQUAL(first, cases[i].first);
		CU_ASSERT_EQUAL(last, cases[i].last);
	}
}

TEST_MAIN("server_header", TEST(reads_one_entity_tag),
	  TEST(matches_any_of_several_tags), TEST(reads_how_long_to_wait),
	  TEST(reads_one_range))
