#include <stdio.h>

#include "provctl/command_line.h"
#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/rows.h"

#define EVENTS_DEFAULT "20"

static enum result no_such_device(const struct context *ctx)
{
	complain("no such device: %s; provctl device import adds it", ctx->words[0]);
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
