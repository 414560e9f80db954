#include <string.h>

#include "provctl/database.h"
#include "provctl/rows.h"

/* Change the STOP list; the function answers whether it did. */
static enum result change(struct context *ctx, const char *query, const char *otherwise)
{
	const char *is_changed;

	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_value(
			ctx, query,
			PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])),
			&is_changed);
	if (result != RESULT_OK)
		return result;
	if (strcmp(is_changed, "t") != 0) {
		complain("nothing was changed: %s is %s", ctx->words[0], otherwise);
		return RESULT_FAILED;
	}
	if (ctx->options[OPTION_JSON])
		rows_print_done();
	return RESULT_OK;
}

enum result number_stop(struct context *ctx)
{
	return change(ctx, "select provbox.number_stop_put($1, $2)",
		      "on the STOP list");
}

enum result number_allow(struct context *ctx)
{
	return change(ctx, "select provbox.number_stop_drop($1, $2)",
		      "not on the STOP list");
}
