#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "provctl/csv.h"
#include "provctl/database.h"
#include "provctl/file.h"
#include "provctl/grid.h"
#include "provctl/progress.h"

#define BATCH_ROWS     500
#define EVENTS_DEFAULT "20"

/* ---- Import ---- */

static const char *const columns[] = { "dev",        "msisdn",      "model",
				       "given_name", "family_name", "postcode",
				       "language",   "cred" };
static const char *const outcomes[] = { "added", "changed", "unchanged", "refused" };
#define N_COLUMNS  (sizeof(columns) / sizeof(columns[0]))
#define N_OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))

static bool is_column(const char *name)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (strcmp(columns[i], name) == 0)
			return true;
	return false;
}

/* One record as an object. An empty language or credential says nothing. */
static json_t *device_of_record(const char *const *names, const char *const *fields,
				size_t n)
{
	json_t *device = json_object();
	for (size_t i = 0; i < n; i++) {
		bool may_be_absent =
			!strcmp(names[i], "language") || !strcmp(names[i], "cred");
		if (*fields[i] == '\0' && may_be_absent)
			continue;
		if (json_object_set_new(device, names[i], json_string(fields[i])) !=
		    0) {
			json_decref(device);
			return NULL; /* not UTF-8 */
		}
	}
	return device;
}

/* Records after a heading that names the columns, as an array of objects. */
static json_t *devices_of_csv(struct arena *arena, const char *path, struct slice text)
{
	const char *names[CSV_FIELDS_MAX], *fields[CSV_FIELDS_MAX];
	const char *problem = NULL;
	json_t *devices = json_array();
	struct csv csv;
	size_t n;

	csv_open(&csv, text);
	size_t n_names = csv_next(&csv, arena, names);
	for (size_t i = 0; i < n_names; i++)
		if (!is_column(names[i]))
			problem = arena_printf(arena,
					       "the heading names a column that is not "
					       "known, %s; see doc/devices.md",
					       names[i]);
	while (!problem && (n = csv_next(&csv, arena, fields)) > 0) {
		json_t *device =
			n == n_names ? device_of_record(names, fields, n) : NULL;
		if (device)
			json_array_append_new(devices, device);
		else
			problem = n == n_names ? "is not UTF-8" : "has other columns";
	}
	problem = csv.error ? csv.error : problem;
	if (!problem && n_names > 0)
		return devices;
	complain("%s:%u: %s", path, csv.line,
		 problem ? problem
			 : "there is no heading with the columns, dev,msisdn,...");
	json_decref(devices);
	return NULL;
}

static json_t *devices_of_json(const char *path, struct slice text)
{
	json_error_t error;
	json_t *devices = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (devices && json_is_array(devices))
		return devices;
	complain("%s:%d: %s", path, devices ? 1 : error.line,
		 devices ? "is no array of devices" : error.text);
	json_decref(devices);
	return NULL;
}

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
		char *text = json_dumps(report, 0);
		grid_print_json(text);
		free(text);
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
	const char *path = ctx->words[0];
	struct import import = { .problems = NULL };
	struct progress progress;
	struct slice text;

	if (!file_read(ctx->arena, path, &text))
		return RESULT_FAILED;
	import.problems = json_array();
	struct slice head = slice_trim(text);
	bool is_json = head.n > 0 && (head.p[0] == '[' || head.p[0] == '{');
	json_t *devices = is_json ? devices_of_json(path, text)
				  : devices_of_csv(ctx->arena, path, text);
	enum result result =
		devices ? database_open(ctx, ctx->dsn, NULL) : RESULT_FAILED;
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

static enum result show_json(struct context *ctx, const char *limit)
{
	const char *text;
	enum result result = database_value(
		ctx,
		"select json_build_object('device', row_to_json(d), 'events', (select"
		" coalesce(json_agg(e), '[]') from provbox.device_events($1, $2::int) "
		"e))"
		" from provbox.device_show($1) d",
		PARAMS(TEXT(ctx->words[0]), TEXT(limit)), &text);
	if (result != RESULT_OK)
		return result;
	if (!text)
		return no_such_device(ctx);
	grid_print_json(text);
	return RESULT_OK;
}

enum result device_show(struct context *ctx)
{
	const char *limit = ctx->options[OPTION_LIMIT];
	PGresult *rows;

	limit = limit ? limit : EVENTS_DEFAULT;
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result != RESULT_OK)
		return result;
	if (ctx->options[OPTION_JSON])
		return show_json(ctx, limit);
	result = database_query(ctx, "select * from provbox.device_show($1)",
				PARAMS(TEXT(ctx->words[0])), &rows);
	if (result != RESULT_OK)
		return result;
	bool is_found = PQntuples(rows) == 1;
	if (is_found)
		grid_print_record(ctx->arena, rows, 0);
	PQclear(rows);
	if (!is_found)
		return no_such_device(ctx);
	result = database_query(ctx, "select * from provbox.device_events($1, $2::int)",
				PARAMS(TEXT(ctx->words[0]), TEXT(limit)), &rows);
	if (result != RESULT_OK)
		return result;
	puts("");
	grid_print(ctx->arena, rows);
	PQclear(rows);
	return RESULT_OK;
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
		grid_print_json(JSON_DONE);
	return RESULT_OK;
}

enum result device_block(struct context *ctx)
{
	return run_on_device(
		ctx, "select provbox.device_block($1, $2)",
		PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])));
}

enum result device_unblock(struct context *ctx)
{
	return run_on_device(ctx, "select provbox.device_unblock($1)",
			     PARAMS(TEXT(ctx->words[0])));
}
