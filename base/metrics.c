#include "base/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/log.h"

#define CACHE_LINE 64

/* Bounds of histograms, and how they are written. */
static const struct {
	int64_t us;
	const char *le;
} bounds[] = {
	{ 1000, "0.001" },  { 2500, "0.0025" },    { 5000, "0.005" },
	{ 10000, "0.01" },  { 25000, "0.025" },    { 50000, "0.05" },
	{ 100000, "0.1" },  { 250000, "0.25" },    { 500000, "0.5" },
	{ 1000000, "1" },   { 2500000, "2.5" },    { 5000000, "5" },
	{ 10000000, "10" }, { INT64_MAX, "+Inf" },
};
#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))
_Static_assert(N_BOUNDS + 1 == METRICS_HISTOGRAM, "and the sum");

static struct {
	const struct metric *table;
	size_t n, n_slots;
	size_t stride; /* of a slot, in values: whole cache lines */
	/* Shared: a line with how many slots were ever used, then the slots. */
	size_t *n_used;
	int64_t *values;
	char (*names)[METRICS_NAME_BYTES]; /* of each slot; shared, behind the slots */
	size_t own_slot;
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
	size_t values_bytes = n_slots * shared.stride * sizeof(int64_t);
	void *memory =
		mmap(NULL, CACHE_LINE + values_bytes + n_slots * METRICS_NAME_BYTES,
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	BUG_ON(memory == MAP_FAILED);
	shared.n_used = memory;
	shared.values = (int64_t *)memory + per_line;
	shared.names = (void *)((char *)shared.values + values_bytes);
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

static bool is_gauge(size_t metric)
{
	enum metric_type type = shared.table[metric].type;

	return type == METRIC_GAUGE || type == METRIC_GAUGE_EACH;
}

void metrics_retire_slot(size_t slot)
{
	if (!shared.values)
		return;
	int64_t *values = slot_at(slot);
	shared.names[slot][0] = '\0';
	for (size_t i = 0; i < shared.n; i++)
		if (is_gauge(i))
			__atomic_store_n(&values[i], 0, __ATOMIC_RELAXED);
}

void metrics_use_slot(size_t slot)
{
	if (!shared.values)
		return;
	shared.own = slot_at(slot);
	shared.own_slot = slot;
	mark_used(slot);
	metrics_retire_slot(slot);
}

void metrics_name_slot(const char *label)
{
	if (shared.values)
		snprintf(shared.names[shared.own_slot], METRICS_NAME_BYTES, "%s",
			 label);
}

/* A slot has one writer: load and store need no locked instruction. */
void metrics_add(size_t metric, int64_t n)
{
	if (!shared.values)
		return;
	BUG_ON(metric >= shared.n);
	BUG_ON(n < 0 && !is_gauge(metric));
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

void metrics_observe(size_t metric, int64_t us)
{
	size_t i = 0;

	while (us > bounds[i].us)
		i++;
	metrics_add(metric + i, 1);
	metrics_add(metric + N_BOUNDS, us);
}

static void render_header(struct evbuffer *out, const struct metric *metric)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_GAUGE_EACH] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};

	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
			    metric->help, metric->name, types[metric->type]);
}

/* The first of the slots that have its name? */
static bool is_first(size_t slot)
{
	for (size_t i = 0; i < slot; i++)
		if (strcmp(shared.names[i], shared.names[slot]) == 0)
			return false;
	return shared.names[slot][0] != '\0';
}

static void render_each(struct evbuffer *out, size_t metric)
{
	size_t n_used = __atomic_load_n(shared.n_used, __ATOMIC_RELAXED);

	for (size_t i = 0; i < n_used; i++) {
		int64_t sum = 0;
		if (!is_first(i))
			continue;
		for (size_t slot = i; slot < n_used; slot++)
			if (strcmp(shared.names[slot], shared.names[i]) == 0)
				sum += __atomic_load_n(&slot_at(slot)[metric],
						       __ATOMIC_RELAXED);
		evbuffer_add_printf(out, "%s{%s} %" PRId64 "\n",
				    shared.table[metric].name, shared.names[i], sum);
	}
}

/* Bounds are cumulative: each row counts those before it, too. */
static void render_histogram(struct evbuffer *out, size_t metric)
{
	const char *name = shared.table[metric].name;
	int64_t n = 0, us = metrics_sum(metric + N_BOUNDS);

	for (size_t i = 0; i < N_BOUNDS; i++) {
		n += metrics_sum(metric + i);
		evbuffer_add_printf(out, "%s_bucket{le=\"%s\"} %" PRId64 "\n", name,
				    bounds[i].le, n);
	}
	evbuffer_add_printf(out, "%s_sum %" PRId64 ".%06d\n%s_count %" PRId64 "\n",
			    name, us / 1000000, (int)(us % 1000000), name, n);
}

void metrics_render(struct evbuffer *out)
{
	const char *last = "";

	for (size_t i = 0; i < shared.n; i++) {
		const struct metric *metric = &shared.table[i];
		if (strcmp(metric->name, last) != 0)
			render_header(out, metric);
		last = metric->name;
		if (metric->type == METRIC_GAUGE_EACH) {
			render_each(out, i);
			continue;
		}
		if (metric->type == METRIC_HISTOGRAM) {
			render_histogram(out, i);
			i += METRICS_HISTOGRAM - 1;
			continue;
		}
		evbuffer_add_printf(out, "%s", metric->name);
		if (metric->label)
			evbuffer_add_printf(out, "{%s}", metric->label);
		evbuffer_add_printf(out, " %" PRId64 "\n", metrics_sum(i));
	}
}
