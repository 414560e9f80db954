#include "base/metrics.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "base/log.h"

#define CACHE_LINE 64

static struct {
	const struct metric *table;
	size_t n, n_slots;
	size_t stride; /* of a slot, in values: whole cache lines */
	/* Shared: a line with how many slots were ever used, then the slots. */
	size_t *n_used;
	int64_t *values;
	int64_t *own; /* this process's slot */
} shared;

void metrics_open(const struct metric *table, size_t n, size_t n_slots)
{
	const size_t per_line = CACHE_LINE / sizeof(int64_t);

	BUG_ON(shared.values || n == 0 || n_slots == 0);
	shared.table = table;
	shared.n = n;
	shared.n_slots = n_slots;
	shared.stride = (n + per_line - 1) / per_line * per_line;
	void *memory =
		mmap(NULL, CACHE_LINE + n_slots * shared.stride * sizeof(int64_t),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	BUG_ON(memory == MAP_FAILED);
	shared.n_used = memory;
	shared.values = (int64_t *)memory + per_line;
	shared.own = shared.values;
	*shared.n_used = 1;
}

static int64_t *slot_at(size_t slot)
{
	BUG_ON(slot >= shared.n_slots);
	return shared.values + slot * shared.stride;
}

/* A slot that was never used need not be read. */
static void mark_used(size_t slot)
{
	size_t n = __atomic_load_n(shared.n_used, __ATOMIC_RELAXED);

	while (n <= slot &&
	       !__atomic_compare_exchange_n(shared.n_used, &n, slot + 1, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void metrics_retire_slot(size_t slot)
{
	if (!shared.values)
		return;
	int64_t *values = slot_at(slot);
	for (size_t i = 0; i < shared.n; i++)
		if (shared.table[i].type == METRIC_GAUGE)
			__atomic_store_n(&values[i], 0, __ATOMIC_RELAXED);
}

void metrics_use_slot(size_t slot)
{
	if (!shared.values)
		return;
	shared.own = slot_at(slot);
	mark_used(slot);
	metrics_retire_slot(slot);
}

/* A slot has one writer: load and store need no locked instruction. */
void metrics_add(size_t metric, int64_t n)
{
	if (!shared.values)
		return;
	BUG_ON(metric >= shared.n);
	BUG_ON(n < 0 && shared.table[metric].type != METRIC_GAUGE);
	int64_t value = __atomic_load_n(&shared.own[metric], __ATOMIC_RELAXED);
	__atomic_store_n(&shared.own[metric], value + n, __ATOMIC_RELAXED);
}

int64_t metrics_sum(size_t metric)
{
	int64_t sum = 0;

	if (!shared.values)
		return 0;
	BUG_ON(metric >= shared.n);
	size_t n_used = __atomic_load_n(shared.n_used, __ATOMIC_RELAXED);
	for (size_t i = 0; i < n_used; i++)
		sum += __atomic_load_n(&shared.values[i * shared.stride + metric],
				       __ATOMIC_RELAXED);
	return sum;
}

static void render_header(struct evbuffer *out, const struct metric *metric)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
			    metric->help, metric->name,
			    metric->type == METRIC_GAUGE ? "gauge" : "counter");
}

void metrics_render(struct evbuffer *out)
{
	for (size_t i = 0; i < shared.n; i++) {
		const struct metric *metric = &shared.table[i];
		if (i == 0 || strcmp(metric->name, shared.table[i - 1].name) != 0)
			render_header(out, metric);
		evbuffer_add_printf(out, "%s", metric->name);
		if (metric->label)
			evbuffer_add_printf(out, "{%s}", metric->label);
		evbuffer_add_printf(out, " %" PRId64 "\n", metrics_sum(i));
	}
}
