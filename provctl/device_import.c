#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "provctl/database.h"
#include "provctl/devices.h"
#include "provctl/rows.h"

#define BATCH_ROWS 500
/* Of refused rows, so many are told with what is wrong with them. */
#define PROBLEMS_MAX 1000

static const char *const outcomes[] = { "added", "changed", "unchanged", "refused" };
#define N_OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))
#define REFUSED    (N_OUTCOMES - 1)

struct import {
	struct devices *devices;
	uint64_t counts[N_OUTCOMES];
	uint64_t n_done;
	json_t *problems;               /* of refused rows */
	unsigned int lines[BATCH_ROWS]; /* of the devices of the batch */
};

/* ---- A batch: one statement, so that all of it is done or nothing ---- */

static void note_problem(struct import *import, const PGresult *rows, int row)
{
	if (PQgetisnull(rows, row, 3) ||
	    json_array_size(import->problems) == PROBLEMS_MAX)
		return;
	json_array_append_new(
		import->problems,
		json_pack("{sI sI ss* ss}", "row",
			  (json_int_t)(import->n_done + (uint64_t)row + 1), "line",
			  (json_int_t)import->lines[row], "dev",
			  PQgetisnull(rows, row, 1) ? NULL : PQgetvalue(rows, row, 1),
			  "problem", PQgetvalue(rows, row, 3)));
}

static void batch_count(struct import *import, const PGresult *rows)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *outcome = PQgetvalue(rows, row, 2);
		for (size_t i = 0; i < N_OUTCOMES; i++)
			import->counts[i] += strcmp(outcome, outcomes[i]) == 0;
		note_problem(import, rows, row);
	}
	import->n_done += (uint64_t)PQntuples(rows);
}

/* The next devices, new reference; NULL after a complaint. */
static json_t *batch_read(struct import *import)
{
	json_t *batch = json_array(), *device;
	size_t n;

	while ((n = json_array_size(batch)) < BATCH_ROWS) {
		if (!devices_next(import->devices, &device, &import->lines[n])) {
			json_decref(batch);
			return NULL;
		}
		if (!device)
			break;
		json_array_append_new(batch, device);
	}
	return batch;
}

static enum result batch_store(struct context *ctx, struct import *import,
			       const json_t *batch)
{
	char *text = json_dumps(batch, 0);
	PGresult *rows;
	enum result result = database_query(
		ctx,
		"select n, dev, outcome, problem from provbox.device_import($1) "
		"order by n",
		PARAMS(TEXT(text)), &rows);

	if (result == RESULT_OK) {
		batch_count(import, rows);
		PQclear(rows);
	}
	free(text);
	return result;
}

/* ---- The whole ---- */

static enum result import_all(struct context *ctx, struct import *import)
{
	struct progress progress;
	enum result result = RESULT_OK;
	bool is_end = false;

	progress_begin(&progress, "devices", devices_count(import->devices));
	while (!is_end && result == RESULT_OK) {
		json_t *batch = batch_read(import);
		is_end = json_array_size(batch) < BATCH_ROWS;
		if (!batch)
			result = RESULT_FAILED;
		else if (json_array_size(batch) > 0)
			result = batch_store(ctx, import, batch);
		json_decref(batch);
		progress_tell(&progress, import->n_done);
	}
	if (result != RESULT_OK)
		complain("%" PRIu64 " of %" PRIu64 " devices are done; import the "
			 "file again when that is mended: what is there stays as it is",
			 import->n_done, devices_count(import->devices));
	return result;
}

static void report_text(const char *path, const struct import *import)
{
	json_t *problem;
	size_t i;

	for (i = 0; i < N_OUTCOMES; i++)
		printf("%s%" PRIu64 " %s", i ? ", " : "", import->counts[i],
		       outcomes[i]);
	puts("");
	json_array_foreach (import->problems, i, problem)
		complain("%s:%" JSON_INTEGER_FORMAT ": %s", path,
			 json_integer_value(json_object_get(problem, "line")),
			 json_string_value(json_object_get(problem, "problem")));
	if (import->counts[REFUSED] > PROBLEMS_MAX)
		complain("and %" PRIu64 " more",
			 import->counts[REFUSED] - PROBLEMS_MAX);
}

static void report(const struct context *ctx, const struct import *import)
{
	if (!ctx->options[OPTION_JSON]) {
		report_text(ctx->words[0], import);
		return;
	}
	json_t *report = json_object();
	for (size_t i = 0; i < N_OUTCOMES; i++)
		json_object_set_new(report, outcomes[i],
				    json_integer((json_int_t)import->counts[i]));
	json_object_set(report, "problems", import->problems);
	rows_print(report);
}

enum result device_import(struct context *ctx)
{
	struct import import = { .devices = devices_open(ctx->words[0]) };

	if (!import.devices)
		return RESULT_FAILED;
	import.problems = json_array();
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = import_all(ctx, &import);
	if (result == RESULT_OK) {
		report(ctx, &import);
		result = import.counts[REFUSED] ? RESULT_FAILED : RESULT_OK;
	}
	devices_close(import.devices);
	json_decref(import.problems);
	return result;
}
