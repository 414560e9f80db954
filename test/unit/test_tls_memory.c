#include "base/tls_memory.h"

#include "base/metrics.h"
#include "test/unit/test.h"

#define LIMIT 8
#define HOUR  3600

static const struct metric table[TLS_MEMORY_N_METRICS] = {
	[TLS_MEMORY_HITS] = { "test_hits_total", NULL, METRIC_COUNTER, "Found." },
	[TLS_MEMORY_MISSES] = { "test_misses_total", NULL, METRIC_COUNTER, "Not." },
	[TLS_MEMORY_ENTRIES] = { "test_entries", NULL, METRIC_GAUGE, "Kept." },
	[TLS_MEMORY_EVICTIONS] = { "test_evictions_total", NULL, METRIC_COUNTER,
				   "Driven out." },
};

static struct tls_memory *memory_new(void)
{
	static bool is_open;

	if (!is_open)
		metrics_open(table, TLS_MEMORY_N_METRICS, 1);
	is_open = true;
	return tls_memory_new(LIMIT, 0);
}

/* Keys that share the first bytes share a bucket. */
static const uint8_t *key(int n)
{
	static uint8_t bytes[SHA256_BYTES];

	memset(bytes, 0, sizeof(bytes));
	bytes[SHA256_BYTES - 1] = (uint8_t)n;
	return bytes;
}

static struct tls_chain below(int anchor)
{
	struct tls_chain chain = { .n_cas = 2 };

	chain.cas[0][0] = 7;
	chain.cas[1][0] = (uint8_t)anchor;
	return chain;
}

static void keep(struct tls_memory *memory, int n, int anchor, int64_t now_s)
{
	const struct tls_chain chain = below(anchor);

	tls_memory_keep(memory, key(n), &chain, 0, INT64_MAX, now_s);
}

static bool knows(struct tls_memory *memory, int n, int64_t now_s)
{
	struct tls_chain chain;

	return tls_memory_find(memory, key(n), now_s, &chain);
}

static void finds_what_was_kept(void)
{
	struct tls_memory *memory = memory_new();
	struct tls_chain chain, wanted = below(5);

	CU_ASSERT_FALSE(knows(memory, 1, 100));
	keep(memory, 1, 5, 100);
	CU_ASSERT_FATAL(tls_memory_find(memory, key(1), 100, &chain));
	CU_ASSERT_EQUAL(chain.n_cas, 2);
	CU_ASSERT_EQUAL(memcmp(&chain, &wanted, sizeof(chain)), 0);
	CU_ASSERT_FALSE(knows(memory, 2, 100));
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_HITS), 1);
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_MISSES), 2);
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), 1);
	tls_memory_free(memory);
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), 0);
	tls_memory_free(NULL);
}

static void forgets_in_time(void)
{
	struct tls_memory *memory = memory_new();
	const struct tls_chain chain = below(1);

	keep(memory, 1, 1, 100);
	CU_ASSERT(knows(memory, 1, 100 + HOUR - 1));
	CU_ASSERT_FALSE(knows(memory, 1, 100 + HOUR));
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), 0);

	tls_memory_keep(memory, key(2), &chain, 9000, 9010, 9000);
	CU_ASSERT(knows(memory, 2, 9009));
	CU_ASSERT_FALSE(knows(memory, 2, 9010));
	CU_ASSERT_FALSE(knows(memory, 2, 9010));

	tls_memory_keep(memory, key(3), &chain, 9020, 9999, 9011);
	CU_ASSERT_FALSE(knows(memory, 3, 9019));
	tls_memory_free(memory);
}

static void forgets_all_when_the_clock_goes_back(void)
{
	struct tls_memory *memory = memory_new();

	keep(memory, 1, 1, 100);
	keep(memory, 2, 2, 200);
	CU_ASSERT(knows(memory, 1, 200));
	CU_ASSERT_FALSE(knows(memory, 3, 199));
	CU_ASSERT_FALSE(knows(memory, 1, 200));
	CU_ASSERT_FALSE(knows(memory, 2, 200));
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), 0);
	keep(memory, 1, 1, 300);
	keep(memory, 2, 1, 299);
	CU_ASSERT_FALSE(knows(memory, 1, 300));
	CU_ASSERT(knows(memory, 2, 300));
	tls_memory_free(memory);
}

static void drops_the_one_that_nobody_asked_for(void)
{
	struct tls_memory *memory = memory_new();

	for (int i = 0; i < LIMIT; i++)
		keep(memory, i, 1, 100);
	CU_ASSERT(knows(memory, 0, 100));
	keep(memory, LIMIT, 1, 100);
	CU_ASSERT(knows(memory, 0, 100));
	CU_ASSERT_FALSE(knows(memory, 1, 100));
	CU_ASSERT(knows(memory, LIMIT, 100));
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), LIMIT);
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_EVICTIONS), 1);
	tls_memory_free(memory);
}

static void keeps_one_twice(void)
{
	struct tls_memory *memory = memory_new();

	keep(memory, 1, 1, 100);
	keep(memory, 1, 1, 100 + HOUR - 1);
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), 1);
	CU_ASSERT(knows(memory, 1, 100 + HOUR));
	tls_memory_free(memory);
}

static void lets_no_authority_drive_out_another(void)
{
	struct tls_memory *memory = memory_new();

	/* Nor does it matter which of them came first. */
	keep(memory, 0, 1, 100);
	keep(memory, 100, 2, 100);
	keep(memory, 1, 3, 100);
	for (int i = 101; i < 100 + 3 * LIMIT; i++)
		keep(memory, i, 2, 100);
	CU_ASSERT(knows(memory, 0, 100));
	CU_ASSERT(knows(memory, 1, 100));
	CU_ASSERT_EQUAL(metrics_sum(TLS_MEMORY_ENTRIES), LIMIT);
	tls_memory_free(memory);
}

TEST_MAIN("tls_memory", TEST(finds_what_was_kept), TEST(forgets_in_time),
	  TEST(forgets_all_when_the_clock_goes_back),
	  TEST(drops_the_one_that_nobody_asked_for), TEST(keeps_one_twice),
	  TEST(lets_no_authority_drive_out_another))
