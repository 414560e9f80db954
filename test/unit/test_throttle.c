#include "base/throttle.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test.h"

static const struct throttle_rate ten = { .per_second = 10, .burst = 3 };

static unsigned take_all(int64_t *clear_ns, int64_t now_ms)
{
	unsigned n = 0;

	while (n < 1000 && throttle_take(clear_ns, ten, now_ms))
		n++;
	return n;
}

static void a_burst_passes_then_one_at_a_time(void)
{
	int64_t clear_ns = 0;

	CU_ASSERT_EQUAL(take_all(&clear_ns, 5000), 3);
	CU_ASSERT_EQUAL(take_all(&clear_ns, 5099), 0);
	CU_ASSERT_EQUAL(take_all(&clear_ns, 5100), 1);
	CU_ASSERT_EQUAL(take_all(&clear_ns, 5350), 2);
	CU_ASSERT_EQUAL(take_all(&clear_ns, 5400), 1);
}

static void a_long_rest_earns_no_more_than_a_burst(void)
{
	int64_t clear_ns = 0;

	CU_ASSERT_EQUAL(take_all(&clear_ns, 5000), 3);
	CU_ASSERT_EQUAL(take_all(&clear_ns, 10000000), 3);
}

static void what_is_refused_is_not_counted(void)
{
	int64_t clear_ns = 0;

	CU_ASSERT_EQUAL(take_all(&clear_ns, 5000), 3);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_FALSE(throttle_take(&clear_ns, ten, 5050));
	CU_ASSERT_TRUE(throttle_take(&clear_ns, ten, 5100));
}

static void what_is_forced_makes_others_wait(void)
{
	int64_t clear_ns = 0;

	for (int i = 0; i < 5; i++)
		throttle_force(&clear_ns, ten, 5000);
	CU_ASSERT_FALSE(throttle_take(&clear_ns, ten, 5299));
	CU_ASSERT_TRUE(throttle_take(&clear_ns, ten, 5300));
}

static void a_debt_has_an_end(void)
{
	int64_t clear_ns = 0;

	for (int i = 0; i < 100000; i++)
		throttle_force(&clear_ns, ten, 5000);
	CU_ASSERT_TRUE(throttle_take(&clear_ns, ten, 5000 + 31 * 100));
}

/* Four processes take as fast as they can: none passes uncounted. */
static void processes_share_a_rate(void)
{
	struct {
		int64_t clear_ns;
		unsigned n_passed;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	const struct throttle_rate rate = { .per_second = 1, .burst = 5000 };

	for (int child = 0; child < 4; child++) {
		if (fork() != 0)
			continue;
		for (int i = 0; i < 10000; i++)
			if (throttle_take(&shared->clear_ns, rate, 5000))
				__atomic_add_fetch(&shared->n_passed, 1,
						   __ATOMIC_RELAXED);
		_exit(0);
	}
	for (int child = 0; child < 4; child++)
		wait(NULL);
	CU_ASSERT_EQUAL(shared->n_passed, 5000);
	munmap(shared, 4096);
}

static void keys_have_rates_of_their_own(void)
{
	struct throttle_table *table = throttle_table_new();
	unsigned n_early = 0;

	for (uint32_t key = 0; key < 100; key++) {
		struct slice name = slice_make((const char *)&key, sizeof(key));

		for (int i = 0; i < 3; i++)
			n_early += !throttle_table_take(table, name, ten, 5000);
		CU_ASSERT_FALSE(throttle_table_take(table, name, ten, 5000));
		CU_ASSERT_TRUE(throttle_table_take(table, name, ten, 5100));
	}
	CU_ASSERT_EQUAL(n_early, 0); /* by chance once in 10^4 runs */
}

TEST_MAIN("throttle", TEST(a_burst_passes_then_one_at_a_time),
	  TEST(a_long_rest_earns_no_more_than_a_burst),
	  TEST(what_is_refused_is_not_counted), TEST(what_is_forced_makes_others_wait),
	  TEST(a_debt_has_an_end), TEST(processes_share_a_rate),
	  TEST(keys_have_rates_of_their_own))
