#include "contrib/bench/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define FIRST_CAP 4096

int64_t waits_now_us(void)
{
	struct timespec now;

	BUG_ON(clock_gettime(CLOCK_MONOTONIC, &now) != 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void waits_add(struct waits *waits, int64_t us)
{
	if (waits->n == waits->cap) {
		waits->cap = waits->cap ? waits->cap * 2 : FIRST_CAP;
		waits->us = realloc(waits->us, waits->cap * sizeof(*waits->us));
		BUG_ON(!waits->us);
	}
	waits->us[waits->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The value that @p percent of all do not exceed; 100: the largest. */
static uint32_t percentile(const struct waits *waits, size_t percent)
{
	return waits->n ? waits->us[(waits->n * percent + 99) / 100 - 1] : 0;
}

void waits_print(struct waits *waits, const char *name)
{
	if (waits->n > 0)
		qsort(waits->us, waits->n, sizeof(*waits->us), compare);
	printf("\"%s\": {\"n\": %zu, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}",
	       name, waits->n, percentile(waits, 50), percentile(waits, 99),
	       percentile(waits, 100));
}
