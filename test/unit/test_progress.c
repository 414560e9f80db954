#include "base/progress.h"

#include "base/time.h"

#include "test/unit/caught.h"

static int64_t clock_ms;

int64_t time_monotonic_ms(void)
{
	return clock_ms;
}

static const char *told(struct progress *progress, int64_t later_ms, uint64_t done)
{
	struct caught caught = caught_begin(stderr);

	clock_ms += later_ms;
	progress_tell(progress, done);
	return caught_end(caught);
}

static void what_is_quick_tells_nothing(void)
{
	struct progress progress;

	progress_begin(&progress, "devices", 1000);
	CU_ASSERT_STRING_EQUAL(told(&progress, 0, 0), "");
	CU_ASSERT_STRING_EQUAL(told(&progress, 1999, 1000), "");
}

static void tells_every_two_seconds(void)
{
	struct progress progress;

	progress_begin(&progress, "devices", 1000);
	CU_ASSERT_STRING_EQUAL(told(&progress, 2000, 300),
			       "devices: 300 of 1000 in 2 s\n");
	CU_ASSERT_STRING_EQUAL(told(&progress, 1000, 450), "");
	CU_ASSERT_STRING_EQUAL(told(&progress, 500, 500), "");
	CU_ASSERT_STRING_EQUAL(told(&progress, 2500, 900),
			       "devices: 900 of 1000 in 6 s\n");
}

TEST_MAIN("progress", TEST(what_is_quick_tells_nothing), TEST(tells_every_two_seconds))
