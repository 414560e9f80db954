#include "base/throttle.h"

#include <sys/mman.h>

#include "base/codec.h"
#include "base/keyed_hash.h"
#include "base/log.h"

#define NS_PER_MS     INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)
#define CELLS         (1 << 17) /* a power of two; 1 MiB, of which the used pages exist */

struct throttle_table {
	uint8_t key[KEYED_HASH_KEY_BYTES];
	int64_t clear_ns[CELLS];
};

/* One more event; @p slack_ns is how far ahead of the time the rate may be. */
static bool count(int64_t *clear_ns, struct throttle_rate rate, int64_t now_ms,
		  int64_t slack_ns)
{
	const int64_t interval_ns = NS_PER_SECOND / rate.per_second;
	const int64_t now_ns = now_ms * NS_PER_MS;
	int64_t before = __atomic_load_n(clear_ns, __ATOMIC_RELAXED), after;

	do {
		if (before > now_ns && before - now_ns > slack_ns)
			return false;
		after = (before > now_ns ? before : now_ns) + interval_ns;
	} while (!__atomic_compare_exchange_n(clear_ns, &before, after, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

bool throttle_take(int64_t *clear_ns, struct throttle_rate rate, int64_t now_ms)
{
	return count(clear_ns, rate, now_ms,
		     (rate.burst - 1) * (NS_PER_SECOND / rate.per_second));
}

/* As many as ten bursts are remembered: a debt beyond that would outlive its reason. */
void throttle_force(int64_t *clear_ns, struct throttle_rate rate, int64_t now_ms)
{
	(void)count(clear_ns, rate, now_ms,
		    10 * rate.burst * (NS_PER_SECOND / rate.per_second));
}

struct throttle_table *throttle_table_new(void)
{
	struct throttle_table *table =
		mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	BUG_ON(table == MAP_FAILED);
	random_bytes(table->key, sizeof(table->key));
	return table;
}

/* Both are counted: each alone must hold when the other is spoiled by somebody else. */
bool throttle_table_take(struct throttle_table *table, struct slice key,
			 struct throttle_rate rate, int64_t now_ms)
{
	const uint64_t hash = keyed_hash(table->key, key);
	const size_t first = hash % CELLS;
	size_t second = (hash >> 32) % CELLS;
	bool is_first_clear, is_second_clear;

	if (second == first)
		second = (first + 1) % CELLS;
	is_first_clear = throttle_take(&table->clear_ns[first], rate, now_ms);
	is_second_clear = throttle_take(&table->clear_ns[second], rate, now_ms);
	return is_first_clear || is_second_clear;
}
