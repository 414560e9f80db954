#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/rows.h"

#define POLL_MS 500

/*
 * A line has the time at which its transaction wrote it, and is seen when that commits:
 * so a little is asked for again each time, and what was printed is left out. No
 * transaction of the product lives as long as this.
 */
#define LOOK_BACK "interval '1 minute'"

/* Columns of device_trace(). */
enum {
	COLUMN_KEY,
	COLUMN_AT
};

struct trace {
	struct grid grid;
	struct arena *arena; /* of one poll */
	json_t *printed;     /* key: time, of the lines that may be found again */
	const char *limit;   /* of the first poll; NULL: none */
	char first[40];      /* time of the first line that a limit left; "" */
	char last[40];       /* of the newest line; "" */
};

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

/* Remember what was printed as long as it may be found again. */
static void remember(struct trace *trace, const PGresult *lines)
{
	int n = PQntuples(lines);

	for (int row = 0; row < n; row++)
		json_object_set_new(trace->printed, PQgetvalue(lines, row, COLUMN_KEY),
				    json_string(PQgetvalue(lines, row, COLUMN_AT)));
	if (n == 0)
		return;
	const char *at = PQgetvalue(lines, n - 1, COLUMN_AT);
	if (strcmp(at, trace->last) > 0)
		snprintf(trace->last, sizeof(trace->last), "%s", at);
	if (trace->limit)
		snprintf(trace->first, sizeof(trace->first), "%s",
			 PQgetvalue(lines, 0, COLUMN_AT));
	trace->limit = NULL;
}

/* Forget what is too old to be found again. */
static void forget(struct trace *trace, const char *since)
{
	const char *key;
	json_t *at;
	void *next;

	json_object_foreach_safe (trace->printed, next, key, at)
		if (strcmp(json_string_value(at), since) < 0)
			json_object_del(trace->printed, key);
}

static enum result ask(struct context *ctx, struct trace *trace, PGresult **lines)
{
	char *printed = json_dumps(trace->printed, JSON_COMPACT);
	const char *since;

	enum result result = database_value(
		ctx,
		"select greatest($1::timestamptz - " LOOK_BACK ", $2::timestamptz)",
		PARAMS(TEXT(or_null(trace->last)), TEXT(or_null(trace->first))),
		&since);
	if (result == RESULT_OK && since)
		forget(trace, since);
	if (result == RESULT_OK)
		result = database_query(
			ctx,
			"select * from provbox.device_trace($1, $2, $3::int) where not "
			"jsonb_exists($4::jsonb, key)",
			PARAMS(TEXT(ctx->words[0]), TEXT(since), TEXT(trace->limit),
			       TEXT(printed)),
			lines);
	free(printed);
	return result;
}

/* Lines as JSON for a program that reads on: one object on each. */
static void print_stream(const PGresult *lines)
{
	for (int row = 0; row < PQntuples(lines); row++) {
		json_t *line = rows_object(lines, row);
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
	}
}

static enum result poll_once(struct context *ctx, struct trace *trace)
{
	bool is_first = !*trace->last;
	PGresult *lines;

	enum result result = ask(ctx, trace, &lines);
	if (result != RESULT_OK)
		return result;
	if (is_first && PQntuples(lines) == 0) {
		complain("nothing is known of %s", ctx->words[0]);
		result = RESULT_FAILED;
	} else if (ctx->options[OPTION_JSON] && ctx->options[OPTION_FOLLOW]) {
		print_stream(lines);
	} else if (ctx->options[OPTION_JSON]) {
		rows_print(rows_array(lines));
	} else {
		grid_print_more(&trace->grid, trace->arena, lines);
	}
	remember(trace, lines);
	PQclear(lines);
	arena_reset(trace->arena);
	return fflush(stdout) == 0 ? result : RESULT_FAILED;
}

enum result device_trace(struct context *ctx)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint64_t limit;
	struct trace trace = { .grid = { .first = COLUMN_AT },
			       .limit = ctx->options[OPTION_LIMIT] };

	if (trace.limit && !slice_to_u64(slice_of(trace.limit), 1000000, &limit)) {
		complain("--limit is not a number up to 1000000: %s", trace.limit);
		return RESULT_USAGE;
	}
	trace.arena = arena_new(256U << 20);
	trace.printed = json_object();
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = poll_once(ctx, &trace);
	while (result == RESULT_OK && ctx->options[OPTION_FOLLOW]) {
		nanosleep(&pause, NULL);
		result = poll_once(ctx, &trace);
	}
	json_decref(trace.printed);
	arena_free(trace.arena);
	return result;
}
