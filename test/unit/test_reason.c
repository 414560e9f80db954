#include "auth/auth.h"

#include "test/unit/test.h"

static void every_reason_has_a_name_that_parses_back(void)
{
	for (size_t i = 0; i < REASON_N; i++) {
		enum auth_reason parsed = REASON_N;
		const char *name = auth_reason_name((enum auth_reason)i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		CU_ASSERT_TRUE(auth_reason_parse(slice_of(name), &parsed));
		CU_ASSERT_EQUAL(parsed, i); /* fails for a name given twice, too */
	}
}

static void names_are_lower_snake_case(void)
{
	for (size_t i = 0; i < REASON_N; i++) {
		const char *name = auth_reason_name((enum auth_reason)i);

		CU_ASSERT_EQUAL(strspn(name, "abcdefghijklmnopqrstuvwxyz_"),
				strlen(name));
		CU_ASSERT_TRUE(name[0] != '_' && strlen(name) >= 4);
	}
}

static void other_names_leave_the_result_alone(void)
{
	enum auth_reason reason = REASON_DRAINED;

	CU_ASSERT_FALSE(auth_reason_parse(SLICE(""), &reason));
	CU_ASSERT_FALSE(auth_reason_parse(SLICE("grant"), &reason));
	CU_ASSERT_FALSE(auth_reason_parse(SLICE("Grant_epoch"), &reason));
	CU_ASSERT_FALSE(auth_reason_parse(SLICE("grant_epoch\0"), &reason));
	CU_ASSERT_EQUAL(reason, REASON_DRAINED);
}

TEST_MAIN("reason", TEST(every_reason_has_a_name_that_parses_back),
	  TEST(names_are_lower_snake_case), TEST(other_names_leave_the_result_alone))
