#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/rows.h"
#include "provctl/who.h"

static enum result nothing_held(const struct context *ctx)
{
	complain("nothing is held of %s", ctx->words[0]);
	return RESULT_FAILED;
}

enum result user_export(struct context *ctx)
{
	PGresult *found = NULL;

	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select provbox.user_export($1, $2) as user",
			PARAMS(TEXT(ctx->words[0]), TEXT(who_runs(ctx->arena))),
			&found);
	if (result == RESULT_OK && PQgetisnull(found, 0, 0))
		result = nothing_held(ctx);
	else if (result == RESULT_OK)
		rows_print(json_loads(PQgetvalue(found, 0, 0), 0, NULL));
	PQclear(found);
	return result;
}

/* Have the operator type once more whose data are erased, unless --yes says so. */
static enum result confirm(const struct context *ctx)
{
	char answer[128] = "";

	if (ctx->options[OPTION_YES])
		return RESULT_OK;
	if (!isatty(STDIN_FILENO)) {
		complain("nobody can be asked here whether that is meant; see --yes");
		return RESULT_USAGE;
	}
	fprintf(stderr,
		"All that is held of the subscriber is erased, and cannot be "
		"brought back.\nType %s again: ",
		ctx->words[0]);
	if (!fgets(answer, sizeof(answer), stdin))
		answer[0] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, ctx->words[0]) == 0)
		return RESULT_OK;
	complain("nothing was erased");
	return RESULT_FAILED;
}

enum result user_erase(struct context *ctx)
{
	PGresult *done = NULL;

	enum result result = confirm(ctx);
	if (result == RESULT_OK)
		result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select * from provbox.user_erase($1, $2, $3)",
			PARAMS(TEXT(ctx->words[0]),
			       TEXT(ctx->options[OPTION_CANCEL] ? "t" : "f"),
			       TEXT(who_runs(ctx->arena))),
			&done);
	if (result != RESULT_OK)
		return result;
	if (PQgetisnull(done, 0, 0)) {
		result = nothing_held(ctx);
	} else if (strcmp(PQgetvalue(done, 0, 0), "open") == 0) {
		complain("nothing was erased: requests are open, %s of them; wait for "
			 "their end, or see --cancel",
			 PQgetvalue(done, 0, PQfnumber(done, "requests")));
		result = RESULT_FAILED;
	} else if (ctx->options[OPTION_JSON]) {
		rows_print(rows_object(done, 0));
	} else {
		grid_print_record(ctx->arena, done, 0);
	}
	PQclear(done);
	return result;
}
