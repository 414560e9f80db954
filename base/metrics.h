/*
 * Counters and gauges in memory shared by a daemon's processes: each process adds
 * to its own slot, anyone reads the sum. One const table of a daemon names them
 * all; a metric is its index in that table. Nothing else is shared.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <event2/buffer.h>

#include "base/slice.h"

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_GAUGE_EACH, /* a gauge with a row for each name of metrics_name_slot() */
	METRIC_HISTOGRAM   /* of seconds; it has METRICS_HISTOGRAM places in the table,
			      of which it names the first */
};
/** Places of a histogram: its 13 bounds from 1 ms to 10 s, what is above, the sum. */
#define METRICS_HISTOGRAM 15

struct metric {
	const char *name; /* provbox_gateway_sessions_total */
	const char
		*label; /* "reason=\"landnet_busy\"" or NULL; rows of one name adjoin */
	enum metric_type type;
	const char *help;
};

/**
 * Map the shared slots; call once, in the supervisor, before any fork. This process
 * then has slot 0. Before it nothing is counted, so that modules run without it.
 * @param table    borrowed for ever
 * @param n_slots  processes that may write at a time; unused ones cost nothing
 */
void metrics_open(const struct metric *table, size_t n, size_t n_slots);
/** Choose this process's slot, and zero its gauges. Counters go on from where the last
 * process of this slot left them. */
void metrics_use_slot(size_t slot);
/**
 * Say what this process serves; rows of METRIC_GAUGE_EACH have this label, and
 * processes of one name share a row.
 * @param label  `bearerbox="east"`, below METRICS_NAME_BYTES; copied
 */
void metrics_name_slot(const char *label);
#define METRICS_NAME_BYTES 64
/** The process of a slot has died: zero its gauges, forget its name; what
 * it counted stays. */
void metrics_retire_slot(size_t slot);
/** Add to a metric of this process; negative for gauges only. O(1), no system call. */
void metrics_add(size_t metric, int64_t n);
/** Add a duration to a histogram of this process. O(1), no system call. */
void metrics_observe(size_t metric, int64_t us);
/** Over all processes, those that have died included. */
int64_t metrics_sum(size_t metric);
/** Append all as Prometheus text format 0.0.4. */
void metrics_render(struct evbuffer *out);

#endif
