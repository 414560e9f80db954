#include "gateway/access.h"

#include "test/unit/test.h"

#define GRANT_MS (AUTH_GRANT_SECONDS * 1000)

static const struct auth_information granted = {
	.standing = STANDING_LIMITED,
	.grant = SLICE("\xfb\xff\xbfgrant"),
};

static void a_zeroed_one_reaches_nothing(void)
{
	struct access access = { 0 };

	CU_ASSERT_FALSE(access_is_fresh(&access, 1, 0));
	access_clear(&access);
	CU_ASSERT_FALSE(access_is_fresh(&access, 1, 0));
}

static void keeps_the_grant_as_it_goes_into_a_field(void)
{
	struct access access = { 0 };

	access_set(&access, &granted, 1000);
	CU_ASSERT_EQUAL(access.standing, STANDING_LIMITED);
	CU_ASSERT_STRING_EQUAL(access.grant, "-_-_Z3JhbnQ");
	access_clear(&access);
	CU_ASSERT_PTR_NULL(access.grant);
	CU_ASSERT_FALSE(access_is_fresh(&access, 1, 1000));
}

static void is_fresh_until_a_minute_before_the_grant_expires(void)
{
	static const int64_t begins[] = { 0, 1000, INT64_C(1) << 40 };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		struct access access = { 0 };

		access_ask(&access, 1);
		access_set(&access, &granted, begins[i]);
		CU_ASSERT_TRUE(access_is_fresh(&access, 1, begins[i]));
		CU_ASSERT_TRUE(
			access_is_fresh(&access, 1, begins[i] + GRANT_MS - 60001));
		CU_ASSERT_FALSE(
			access_is_fresh(&access, 1, begins[i] + GRANT_MS - 60000));
		CU_ASSERT_FALSE(access_is_fresh(&access, 1, begins[i] + GRANT_MS));
		access_clear(&access);
	}
}

static void a_second_authentication_replaces_the_first(void)
{
	const struct auth_information blocked = { .standing = STANDING_BLOCKED };
	struct access access = { 0 };

	access_ask(&access, 1);
	access_set(&access, &granted, 1000);
	access_ask(&access, 1);
	access_set(&access, &granted, 500000);
	CU_ASSERT_TRUE(access_is_fresh(&access, 1, 1000000));
	/* A standing without a grant: what there was is gone with it. */
	access_set(&access, &blocked, 600000);
	CU_ASSERT_FALSE(access_is_fresh(&access, 1, 600000));
	CU_ASSERT_PTR_NULL(access.grant);
	access_clear(&access);
}

static void holds_for_the_watch_in_which_it_was_asked_for(void)
{
	struct access access = { 0 };

	access_ask(&access, 7);
	CU_ASSERT_TRUE(access.is_asked);
	CU_ASSERT_FALSE(access_is_fresh(&access, 7, 1000));
	access_set(&access, &granted, 1000);
	CU_ASSERT_TRUE(access_is_fresh(&access, 7, 1000));
	CU_ASSERT_FALSE(access_is_fresh(&access, 8, 1000));
	CU_ASSERT_FALSE(access_is_fresh(&access, 0, 1000));
	access_clear(&access);
	CU_ASSERT_FALSE(access.is_asked);
}

static void what_nobody_vouches_for_holds_once(void)
{
	struct access access = { 0 };

	access_ask(&access, 0);
	access_set(&access, &granted, 1000);
	CU_ASSERT_PTR_NOT_NULL(access.grant);
	CU_ASSERT_FALSE(access_is_fresh(&access, 0, 1000));
	CU_ASSERT_FALSE(access_is_fresh(&access, 1, 1000));
	access_clear(&access);
}

static void is_forgotten_with_its_grant_or_before_it_comes(void)
{
	struct access access = { 0 };

	access_ask(&access, 7);
	access_set(&access, &granted, 1000);
	access_forget(&access);
	CU_ASSERT_FALSE(access_is_fresh(&access, 7, 1000));
	access_ask(&access, 7);
	access_forget(&access);
	access_set(&access, &granted, 1000);
	CU_ASSERT_FALSE(access_is_fresh(&access, 7, 1000));
	CU_ASSERT_TRUE(access.is_asked);
	access_ask(&access, 7);
	access_set(&access, &granted, 1000);
	CU_ASSERT_TRUE(access_is_fresh(&access, 7, 1000));
	access_clear(&access);
}

static void says_which_standings_may_do_nothing(void)
{
	static const enum auth_reason refusals[STANDING_N] = {
		[STANDING_BLOCKED] = REASON_DEVICE_BLOCKED,
		[STANDING_UNKNOWN] = REASON_DEVICE_UNKNOWN,
	};

	for (int i = 0; i < STANDING_N; i++) {
		const struct access access = { .standing = (enum standing)i };
		bool may_care = standing_permits(access.standing, PERMISSION_CARE);

		CU_ASSERT_EQUAL(access_refusal(&access), refusals[i]);
		CU_ASSERT_EQUAL(access_refusal(&access) == REASON_NONE, may_care);
	}
}

TEST_MAIN("access", TEST(a_zeroed_one_reaches_nothing),
	  TEST(keeps_the_grant_as_it_goes_into_a_field),
	  TEST(is_fresh_until_a_minute_before_the_grant_expires),
	  TEST(a_second_authentication_replaces_the_first),
	  TEST(holds_for_the_watch_in_which_it_was_asked_for),
	  TEST(what_nobody_vouches_for_holds_once),
	  TEST(is_forgotten_with_its_grant_or_before_it_comes),
	  TEST(says_which_standings_may_do_nothing))
