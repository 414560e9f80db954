#include "base/time.h"

#include "test/unit/test.h"

static void time_is_written_in_utc_with_milliseconds(void)
{
	char text[25];

	time_format(0, text);
	CU_ASSERT_STRING_EQUAL(text, "1970-01-01T00:00:00.000Z");
	time_format(1795223045678, text);
	CU_ASSERT_STRING_EQUAL(text, "2026-11-21T01:04:05.678Z");
	time_format(951782400007, text);
	CU_ASSERT_STRING_EQUAL(text, "2000-02-29T00:00:00.007Z");
	time_format(-1, text);
	CU_ASSERT_STRING_EQUAL(text, "1969-12-31T23:59:59.999Z");
	time_format(INT64_MAX, text);
	CU_ASSERT_STRING_EQUAL(text, "9999-12-31T23:59:59.999Z");
	time_format(INT64_MIN, text);
	CU_ASSERT_STRING_EQUAL(text, "0000-01-01T00:00:00.000Z");
	CU_ASSERT_TRUE(time_now_ms() > 1700000000000);
}

static void waits_are_measured_in_one_direction(void)
{
	const int64_t before_ms = time_monotonic_ms(), before_us = time_monotonic_us();

	usleep(2000);
	CU_ASSERT_TRUE(time_monotonic_us() - before_us >= 2000);
	CU_ASSERT_TRUE(time_monotonic_ms() - before_ms >= 2);
	/* Both of one clock. */
	CU_ASSERT_TRUE(before_us / 1000 - before_ms <= 1000);
	CU_ASSERT_TRUE(before_us / 1000 >= before_ms);
}

TEST_MAIN("time", TEST(time_is_written_in_utc_with_milliseconds),
	  TEST(waits_are_measured_in_one_direction))
