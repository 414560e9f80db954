#include "auth/auth.h"

#include "test/unit/test.h"

static void every_standing_has_a_name_that_parses_back(void)
{
	for (size_t i = 0; i < STANDING_N; i++) {
		enum standing parsed = STANDING_N;
		const char *name = standing_name((enum standing)i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		CU_ASSERT_TRUE(standing_parse(slice_of(name), &parsed));
		CU_ASSERT_EQUAL(parsed, i);
	}
}

static void permissions_have_different_names(void)
{
	for (size_t i = 0; i < PERMISSION_N; i++) {
		const char *name = permission_name((enum permission)i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		for (size_t k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(name,
						   permission_name((enum permission)k));
	}
}

static void other_names_leave_the_result_alone(void)
{
	const struct slice others[] = { SLICE(""), SLICE("Active"), SLICE("activ"),
					SLICE("active "), SLICE("active\0") };
	enum standing standing = STANDING_UNKNOWN;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CU_ASSERT_FALSE(standing_parse(others[i], &standing));
	CU_ASSERT_EQUAL(standing, STANDING_UNKNOWN);
}

/* The table of the design, written a second time by hand. */
static void standing_decides_what_is_permitted(void)
{
	CU_ASSERT_TRUE(standing_permits(STANDING_ACTIVE, PERMISSION_CARE));
	CU_ASSERT_TRUE(standing_permits(STANDING_ACTIVE, PERMISSION_PROVISION));
	CU_ASSERT_TRUE(standing_permits(STANDING_UNPROVISIONED, PERMISSION_CARE));
	CU_ASSERT_TRUE(standing_permits(STANDING_UNPROVISIONED, PERMISSION_PROVISION));
	CU_ASSERT_TRUE(standing_permits(STANDING_LIMITED, PERMISSION_CARE));
	CU_ASSERT_FALSE(standing_permits(STANDING_LIMITED, PERMISSION_PROVISION));
	CU_ASSERT_FALSE(standing_permits(STANDING_BLOCKED, PERMISSION_CARE));
	CU_ASSERT_FALSE(standing_permits(STANDING_BLOCKED, PERMISSION_PROVISION));
	CU_ASSERT_FALSE(standing_permits(STANDING_UNKNOWN, PERMISSION_CARE));
	CU_ASSERT_FALSE(standing_permits(STANDING_UNKNOWN, PERMISSION_PROVISION));
}

static void what_is_no_standing_permits_nothing(void)
{
	CU_ASSERT_FALSE(standing_permits(STANDING_N, PERMISSION_CARE));
	CU_ASSERT_FALSE(standing_permits((enum standing) - 1, PERMISSION_CARE));
	CU_ASSERT_FALSE(standing_permits(STANDING_ACTIVE, PERMISSION_N));
}

TEST_MAIN("standing", TEST(every_standing_has_a_name_that_parses_back),
	  TEST(permissions_have_different_names),
	  TEST(other_names_leave_the_result_alone),
	  TEST(standing_decides_what_is_permitted),
	  TEST(what_is_no_standing_permits_nothing))
