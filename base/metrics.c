#include "base/metrics.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "base/log.h"

#define CACHE_LINE 64

static struct {
	const struct metric *table;
	size_t n, n_slots;
	size_t stride;   /* of a slot, in values: whole cache lines */
	int64_t *values; /* shared */
	int64_t *own;    /* this process's slot */
} shared;

void metrics_open(const struct metric *table, size_t n, size_t n_slots)
{
	const size_t per_line = CACHE_LINE / sizeof(int64_t);

	BUG_ON(shared.values || n == 0 || n_slots == 0);
	shared.table = table;
	shared.n = n;
	shared.n_slots = n_slots;
	shared.stride = (n + per_line - 1) / per_line * per_line;
	shared.values = mmap(NULL, n_slots * shared.stride * sizeof(int64_t),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	BUG_ON(shared.values == MAP_FAILED);
	shared.own = shared.values;
}

void metrics_use_slot(size_t slot)
{
	if (!shared.values)
		return;
	BUG_ON(slot >= shared.n_slots);
	shared.own = shared.values + slot * shared.stride;
	for (size_t i = 0; i < shared.n; i++)
		if (shared.table[i].type == METRIC_GAUGE)
			__atomic_store_n(&shared.own[i], 0, __ATOMIC_RELAXED);
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
	for (size_t i = 0; i < shared.n_slots; i++)
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
