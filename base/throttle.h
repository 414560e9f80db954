/*
 * Rates: how often something may happen, in all processes of a daemon together. A rate
 * is one word of shared memory, the time from which it is clear again (GCRA: the leaky
 * bucket without a bucket, ITU-T I.371, annex A), so that it decays by itself, needs no
 * lock, and a process that is killed leaves nothing behind.
 */
#ifndef BASE_THROTTLE_H
#define BASE_THROTTLE_H

#include "base/slice.h"

struct throttle_rate {
	int64_t per_second; /* 1..1000000 */
	int64_t burst;      /* at once, after a rest; 1.. */
};

/**
 * Count one event, if the rate lets it happen now.
 * @param clear_ns  shared; zero at first
 * @param now_ms    monotonic, as loop_now_ms()
 * @return whether it may happen
 * Cost: O(1), no system call.
 */
bool throttle_take(int64_t *clear_ns, struct throttle_rate rate, int64_t now_ms);
/** Count one event that happens in any case: later ones have to wait for it. */
void throttle_force(int64_t *clear_ns, struct throttle_rate rate, int64_t now_ms);

struct throttle_table;

/** Map a table of rates by key. Call before the first fork; never NULL, never freed. */
struct throttle_table *throttle_table_new(void);
/**
 * Count one event of a key, as throttle_take().
 *
 * Each key has two of 2^17 cells, chosen by a hash with a random key (nobody can choose
 * keys that fall together), and either lets it pass: who shares both with busy ones is
 * refused too early, one of 10^5 keys when 200 are at their limit. Who shares one may
 * reach twice the rate. A table never fills up.
 */
bool throttle_table_take(struct throttle_table *table, struct slice key,
			 struct throttle_rate rate, int64_t now_ms);

#endif
