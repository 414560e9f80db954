#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "provctl/command_line.h"
#include "provctl/database.h"
#include "provctl/devices.h"
#include "provctl/grid.h"
#include "provctl/rows.h"

#define BATCH_ROWS     500
#define EVENTS_DEFAULT "20"

/* ---- Import ---- */

static const char *const outcomes[] = { "added", "changed", "unchanged", "refused" };
#define N_OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))

struct import {
	uint64_t counts[N_OUTCOMES];
	json_t *problems; /* of refused rows */
};

static void import_count(struct import *import, const PGresult *rows, size_t before)
{
	for (int row = 0; row < PQntuples(rows); row++) {
		const char *outcome = PQgetvalue(rows, row, 2);
		for (size_t i = 0; i < N_OUTCOMES; i++)
			import->counts[i] += strcmp(outcome, outcomes[i]) == 0;
		if (!PQgetisnull(rows, row, 3))
			json_array_append_new(
				import->problems,
				json_pack("{sI ss* ss}", "row",
					  (json_int_t)(before + (size_t)row + 1), "dev",
					  PQgetisnull(rows, row, 1)
						  ? NULL
						  : PQgetvalue(rows, row, 1),
					  "problem", PQgetvalue(rows, row, 3)));
	}
}

static enum result import_batch(struct context *ctx, json_t *devices, size_t from,
				struct import *import)
{
	json_t *batch = json_array();
	PGresult *rows;

	for (size_t i = from; i < json_array_size(devices) && i < from + BATCH_ROWS;
	     i++)
		json_array_append(batch, json_array_get(devices, i));
	char *text = json_dumps(batch, 0);
	enum result result = database_query(
		ctx,
		"select n, dev, outcome, problem from provbox.device_import($1) "
		"order by n",
		PARAMS(TEXT(text)), &rows);
	if (result == RESULT_OK)
		import_count(import, rows, from);
	if (result == RESULT_OK)
		PQclear(rows);
	free(text);
	json_decref(batch);
	return result;
}

static void import_report(const struct context *ctx, const struct import *import)
{
	json_t *report = json_object(), *problem;
	size_t i;

	for (i = 0; i < N_OUTCOMES; i++)
		json_object_set_new(report, outcomes[i],
				    json_integer((json_int_t)import->counts[i]));
	json_object_set(report, "problems", import->problems);
	if (ctx->options[OPTION_JSON]) {
		rows_print(json_incref(report));
	} else {
		for (i = 0; i < N_OUTCOMES; i++)
			printf("%s%" PRIu64 " %s", i ? ", " : "", import->counts[i],
			       outcomes[i]);
		puts("");
		json_array_foreach (import->problems, i, problem)
			complain(
				"row %" JSON_INTEGER_FORMAT ": %s",
				json_integer_value(json_object_get(problem, "row")),
				json_string_value(json_object_get(problem, "problem")));
	}
	json_decref(report);
}

enum result device_import(struct context *ctx)
{
	struct import import = { .problems = NULL };
	struct progress progress;

	json_t *devices = devices_read(ctx->arena, ctx->words[0]);
	if (!devices)
		return RESULT_FAILED;
	import.problems = json_array();
	enum result result = database_open(ctx, ctx->dsn, NULL);
	progress_begin(&progress, "devices", json_array_size(devices));
	for (size_t i = 0; i < json_array_size(devices) && result == RESULT_OK;
	     i += BATCH_ROWS) {
		result = import_batch(ctx, devices, i, &import);
		progress_tell(&progress, i + BATCH_ROWS);
	}
	if (result == RESULT_OK) {
		import_report(ctx, &import);
		result = json_array_size(import.problems) ? RESULT_FAILED : RESULT_OK;
	}
	json_decref(devices);
	json_decref(import.problems);
	return result;
}

/* ---- One device ---- */

static enum result no_such_device(const struct context *ctx)
{
	complain("no such device: %s", ctx->words[0]);
	return RESULT_FAILED;
}

enum result device_show(struct context *ctx)
{
	const char *limit = ctx->options[OPTION_LIMIT];
	PGresult *found = NULL, *events = NULL;

	limit = limit ? limit : EVENTS_DEFAULT;
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK && !command_line_filter(ctx))
		result = RESULT_USAGE;
	if (result == RESULT_OK)
		result = database_query(ctx, "select * from provbox.device_show($1)",
					PARAMS(TEXT(ctx->words[0])), &found);
	if (result == RESULT_OK && PQntuples(found) != 1)
		result = no_such_device(ctx);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select * from provbox.device_events($1, $2::int)",
			PARAMS(TEXT(ctx->words[0]), TEXT(limit)), &events);
	if (result == RESULT_OK && ctx->options[OPTION_JSON]) {
		rows_print(json_pack("{so so}", "device", rows_object(found, 0),
				     "events", rows_array(events)));
	} else if (result == RESULT_OK) {
		grid_print_record(ctx->arena, found, 0);
		puts("");
		grid_print(ctx->arena, events);
	}
	PQclear(found);
	PQclear(events);
	return result;
}

/* Run a function that answers false for a device that is not there. */
static enum result run_on_device(struct context *ctx, const char *sql,
				 const struct param *params, size_t n_params)
{
	const char *found;
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_value(ctx, sql, params, n_params, &found);
	if (result != RESULT_OK)
		return result;
	if (!found || *found != 't')
		return no_such_device(ctx);
	if (ctx->options[OPTION_JSON])
		rows_print_done();
	return RESULT_OK;
}

enum result device_block(struct context *ctx)
{
	return run_on_device(
		ctx, "select provbox.device_block($1, $2)",
		PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])));
}

enum result device_limit(struct context *ctx)
{
	return run_on_device(
		ctx, "select provbox.device_limit($1, $2)",
		PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])));
}

enum result device_unblock(struct context *ctx)
{
	return run_on_device(ctx, "select provbox.device_unblock($1)",
			     PARAMS(TEXT(ctx->words[0])));
}

enum result device_trust(struct context *ctx)
{
	return run_on_device(ctx, "select provbox.device_trust($1, $2)",
			     PARAMS(TEXT(ctx->words[0]), TEXT(ctx->words[1])));
}
