/*
 * How long things took: every value is kept, so that the percentiles are exact.
 */
#ifndef CONTRIB_BENCH_WAITS_H
#define CONTRIB_BENCH_WAITS_H

#include <stddef.h>
#include <stdint.h>

struct waits {
	uint32_t *us;
	size_t n, cap;
};

/** Monotonic microseconds, now. */
int64_t waits_now_us(void);
void waits_add(struct waits *waits, int64_t us);
/** Print a JSON member `"name": {"n":, "p50_us":, "p99_us":, "max_us":}`; sorts. */
void waits_print(struct waits *waits, const char *name);

#endif
