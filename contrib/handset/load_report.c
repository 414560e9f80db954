#include "contrib/handset/load_report.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/words.h"

#define REASONS_MAX 64 /* different ones; further ones are "other" */

enum {
	WHOLE = LOAD_N_PARTS, /* of devices that are done */
	N_ROWS,
};

static const struct {
	const char *name;
	unsigned per_mille;
} quantiles[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "max", 1000 } };
#define N_QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

struct load_report {
	size_t limit, done, failed, late;
	struct samples {
		int64_t *us;
		size_t n;
	} rows[N_ROWS];
	struct {
		char name[REQUEST_WORD_CHARS + 1];
		size_t n;
	} reasons[REASONS_MAX];
	size_t n_reasons;
};

struct load_report *load_report_new(size_t n)
{
	struct load_report *report = calloc(1, sizeof(*report));

	BUG_ON(!report);
	report->limit = n;
	for (size_t i = 0; i < N_ROWS; i++) {
		report->rows[i].us = calloc(n + 1, sizeof(int64_t));
		BUG_ON(!report->rows[i].us);
	}
	return report;
}

void load_report_free(struct load_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < N_ROWS; i++)
		free(report->rows[i].us);
	free(report);
}

static void add_sample(struct load_report *report, size_t row, int64_t us)
{
	struct samples *samples = &report->rows[row];

	BUG_ON(samples->n == report->limit);
	samples->us[samples->n++] = us;
}

static void count_reason(struct load_report *report, const char *name)
{
	size_t i = 0;

	while (i < report->n_reasons && strcmp(report->reasons[i].name, name) != 0)
		i++;
	if (i == REASONS_MAX)
		i--; /* the last place takes the rest */
	else if (i == report->n_reasons)
		snprintf(report->reasons[report->n_reasons++].name,
			 sizeof(report->reasons[0].name), "%s",
			 i == REASONS_MAX - 1 ? "other" : name);
	report->reasons[i].n++;
}

void load_report_count(struct load_report *report, const char *reason,
		       const int64_t us[LOAD_N_PARTS])
{
	int64_t whole = 0;

	for (size_t i = 0; i < LOAD_N_PARTS && us[i] >= 0; i++) {
		add_sample(report, i, us[i]);
		whole += us[i];
	}
	if (reason) {
		count_reason(report, reason);
		report->failed++;
	} else {
		add_sample(report, WHOLE, whole);
		report->done++;
	}
}

void load_report_add(struct load_report *report, const struct load_device *device)
{
	int64_t us[LOAD_N_PARTS];

	for (size_t i = 0; i < LOAD_N_PARTS; i++)
		us[i] = load_device_us(device, (enum load_part)i);
	load_report_count(report, load_device_reason(device), us);
}

void load_report_count_late(struct load_report *report)
{
	report->late++;
}

static size_t not_begun(const struct load_report *report)
{
	return report->limit - report->done - report->failed;
}

size_t load_report_done(const struct load_report *report)
{
	return report->done;
}

size_t load_report_failed(const struct load_report *report)
{
	return report->failed;
}

/* ---- Output ---- */

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* Nearest rank: the smallest sample that so many per mille are not above. */
static double quantile_ms(const struct samples *samples, unsigned per_mille)
{
	size_t rank = (samples->n * per_mille + 999) / 1000;

	return (double)samples->us[rank > 0 ? rank - 1 : 0] / 1000;
}

static const char *row_name(size_t row)
{
	return row == WHOLE ? "whole" : load_part_name((enum load_part)row);
}

static double per_second(const struct load_report *report, int64_t ms)
{
	return ms > 0 ? (double)report->done * 1000 / (double)ms : 0;
}

static void print_text(const struct load_report *report, int64_t ms, FILE *out)
{
	fprintf(out, "%zu provisioned, %zu not, in %.1f s: %.1f a second\n",
		report->done, report->failed, (double)ms / 1000,
		per_second(report, ms));
	if (not_begun(report) > 0)
		fprintf(out, "%zu were not begun\n", not_begun(report));
	if (report->late > 0)
		fprintf(out,
			"%zu began after their turn: this is not the --rate that was "
			"asked for; try more --at-once\n",
			report->late);
	fprintf(out, "\n%-12s %9s", "milliseconds", "devices");
	for (size_t q = 0; q < N_QUANTILES; q++)
		fprintf(out, " %9s", quantiles[q].name);
	fprintf(out, "\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct samples *samples = &report->rows[i];
		fprintf(out, "%-12s %9zu", row_name(i), samples->n);
		for (size_t q = 0; q < N_QUANTILES && samples->n > 0; q++)
			fprintf(out, " %9.1f",
				quantile_ms(samples, quantiles[q].per_mille));
		fprintf(out, "\n");
	}
	if (report->n_reasons > 0)
		fprintf(out, "\n%-28s %9s\n", "reason", "devices");
	for (size_t i = 0; i < report->n_reasons; i++) {
		const char *name = report->reasons[i].name;
		fprintf(out, "%-28s %9zu  %s\n", name, report->reasons[i].n,
			words_know(slice_of(name)) ? words_sentence(slice_of(name))
						   : "");
	}
}

static void print_json(const struct load_report *report, int64_t ms, FILE *out)
{
	json_t *parts = json_object(), *reasons = json_object();

	for (size_t i = 0; i < N_ROWS; i++) {
		const struct samples *samples = &report->rows[i];
		json_t *row = json_pack("{s:I}", "devices", (json_int_t)samples->n);
		for (size_t q = 0; q < N_QUANTILES && samples->n > 0; q++)
			json_object_set_new(row, quantiles[q].name,
					    json_real(quantile_ms(
						    samples, quantiles[q].per_mille)));
		json_object_set_new(parts, row_name(i), row);
	}
	for (size_t i = 0; i < report->n_reasons; i++)
		json_object_set_new(reasons, report->reasons[i].name,
				    json_integer((json_int_t)report->reasons[i].n));
	json_t *json = json_pack(
		"{s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o}", "done",
		(json_int_t)report->done, "failed", (json_int_t)report->failed,
		"not_begun", (json_int_t)not_begun(report), "late",
		(json_int_t)report->late, "seconds", (double)ms / 1000, "per_second",
		per_second(report, ms), "milliseconds", parts, "reasons", reasons);
	BUG_ON(!json);
	json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(9));
	fprintf(out, "\n");
	json_decref(json);
}

void load_report_print(struct load_report *report, int64_t ms, bool is_json, FILE *out)
{
	for (size_t i = 0; i < N_ROWS; i++)
		qsort(report->rows[i].us, report->rows[i].n, sizeof(int64_t), compare);
	(is_json ? print_json : print_text)(report, ms, out);
}
