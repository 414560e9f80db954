#include <string.h>

#include "provctl/database.h"
#include "provctl/rows.h"

/* Run a function on the row that the command names; it answers "changed" or why not. */
static enum result change(struct context *ctx, const char *query)
{
	const char *answer;
	uint64_t id;

	if (!slice_to_u64(slice_of(ctx->words[0]), INT64_MAX, &id)) {
		complain("%s is no id of the outbox; see provctl outbox list",
			 ctx->words[0]);
		return RESULT_USAGE;
	}
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_value(
			ctx, query,
			PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])),
			&answer);
	if (result != RESULT_OK)
		return result;
	if (!answer) {
		complain("no such row of the outbox: %s; see provctl outbox list "
			 "--state dead",
			 ctx->words[0]);
		return RESULT_FAILED;
	}
	if (strcmp(answer, "changed") != 0) {
		complain("nothing was changed: %s is %s", ctx->words[0], answer);
		return RESULT_FAILED;
	}
	if (ctx->options[OPTION_JSON])
		rows_print_done();
	return RESULT_OK;
}

enum result outbox_retry(struct context *ctx)
{
	return change(ctx, "select provbox.outbox_revive($1::bigint, $2)");
}

enum result outbox_drop(struct context *ctx)
{
	if (!ctx->options[OPTION_REASON]) {
		complain("a row is dropped for a reason: --reason TEXT");
		return RESULT_USAGE;
	}
	return change(ctx, "select provbox.outbox_drop($1::bigint, $2)");
}
