#include "base/slice.h"

#include "test/unit/test.h"

static void compares_length_and_bytes(void)
{
	const struct slice none = { NULL, 0 };

	CU_ASSERT_TRUE(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
	CU_ASSERT_FALSE(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
	CU_ASSERT_FALSE(slice_eq(SLICE("ab"), SLICE("abc")));
	CU_ASSERT_TRUE(slice_eq(none, SLICE("")));
	CU_ASSERT_TRUE(slice_eq(slice_of(NULL), none));
	CU_ASSERT_TRUE(slice_eq_secret(SLICE("key"), SLICE("key")));
	CU_ASSERT_FALSE(slice_eq_secret(SLICE("key"), SLICE("kez")));
	CU_ASSERT_FALSE(slice_eq_secret(SLICE("key"), SLICE("key ")));
	CU_ASSERT_TRUE(slice_eq_secret(none, SLICE("")));
}

static void ignores_case_of_ascii_letters_alone(void)
{
	CU_ASSERT_TRUE(slice_eq_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
	CU_ASSERT_FALSE(slice_eq_nocase(SLICE("a"), SLICE("ab")));
	/* One bit apart, like letters, but no letters. */
	CU_ASSERT_FALSE(slice_eq_nocase(SLICE("@"), SLICE("`")));
	CU_ASSERT_FALSE(slice_eq_nocase(SLICE("["), SLICE("{")));
	CU_ASSERT_FALSE(slice_eq_nocase(SLICE("\xc4"), SLICE("\xe4")));
}

static void finds_a_prefix(void)
{
	CU_ASSERT_TRUE(slice_starts(SLICE("unix:/run/x"), SLICE("unix:")));
	CU_ASSERT_TRUE(slice_starts(SLICE("unix:"), SLICE("unix:")));
	CU_ASSERT_TRUE(slice_starts(SLICE(""), SLICE("")));
	CU_ASSERT_FALSE(slice_starts(SLICE("unix"), SLICE("unix:")));
	CU_ASSERT_FALSE(slice_starts(SLICE("tcp:/run/x"), SLICE("unix:")));
}

static void trims_spaces_and_tabs(void)
{
	CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
	CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE(" \t ")), SLICE("")));
	CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE("")), SLICE("")));
	CU_ASSERT_TRUE(slice_eq(slice_trim(SLICE("\r\n a")), SLICE("\r\n a")));
}

static void splits_into_all_fields(void)
{
	static const struct {
		struct slice text;
		size_t n;
		struct slice fields[3];
	} rows[] = {
		{ SLICE("a,bc,d"), 3, { SLICE("a"), SLICE("bc"), SLICE("d") } },
		{ SLICE("a,"), 2, { SLICE("a"), SLICE("") } },
		{ SLICE(",a"), 2, { SLICE(""), SLICE("a") } },
		{ SLICE(",,"), 3, { SLICE(""), SLICE(""), SLICE("") } },
		{ SLICE(""), 1, { SLICE("") } },
		{ { NULL, 0 }, 0, { { NULL, 0 } } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice rest = rows[i].text, field;
		size_t n = 0;
		while (slice_next(&rest, ',', &field)) {
			CU_ASSERT_FATAL(n < rows[i].n);
			CU_ASSERT_TRUE(slice_eq(field, rows[i].fields[n]));
			n++;
		}
		CU_ASSERT_EQUAL(n, rows[i].n);
	}
}

static void reads_numbers(void)
{
	uint64_t out = 7;

	CU_ASSERT_TRUE(slice_to_u64(SLICE("0"), 0, &out) && out == 0);
	CU_ASSERT_TRUE(slice_to_u64(SLICE("010"), 99, &out) && out == 10);
	CU_ASSERT_TRUE(slice_to_u64(SLICE("18446744073709551615"), UINT64_MAX, &out));
	CU_ASSERT_EQUAL(out, UINT64_MAX);
}

static void refuses_what_is_no_number(void)
{
	static const struct slice bad[] = {
		SLICE(""),     SLICE("+1"),   SLICE("-1"),
		SLICE(" 1"),   SLICE("1 "),   SLICE("0x10"),
		SLICE("1\0"),  SLICE("1e3"),  SLICE("18446744073709551616"),
		SLICE("1001"), SLICE("\xb2"), SLICE("99999999999999999999999"),
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t out = 42;
		uint64_t max = slice_eq(bad[i], SLICE("1001")) ? 1000 : UINT64_MAX;
		CU_ASSERT_FALSE(slice_to_u64(bad[i], max, &out));
		CU_ASSERT_EQUAL(out, 42);
	}
}

TEST_MAIN("slice", TEST(compares_length_and_bytes),
	  TEST(ignores_case_of_ascii_letters_alone), TEST(finds_a_prefix),
	  TEST(trims_spaces_and_tabs), TEST(splits_into_all_fields),
	  TEST(reads_numbers), TEST(refuses_what_is_no_number))
