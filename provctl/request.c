#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "provctl/database.h"
#include "provctl/grid.h"
#include "provctl/rows.h"

/* The request, the answer to its terms where there is one, and all that happened. */
static void print_story(struct context *ctx, const PGresult *found,
			const PGresult *agreement, const PGresult *story)
{
	bool is_answered = PQntuples(agreement) == 1;

	if (ctx->options[OPTION_JSON]) {
		json_t *answer = is_answered ? rows_object(agreement, 0) : json_null();
		rows_print(json_pack("{so so so}", "request", rows_object(found, 0),
				     "agreement", answer, "story", rows_array(story)));
		return;
	}
	grid_print_record(ctx->arena, found, 0);
	puts("");
	if (is_answered) {
		grid_print_record(ctx->arena, agreement, 0);
		puts("");
	}
	grid_print(ctx->arena, story);
}

static enum result show_story(struct context *ctx, const PGresult *found)
{
	const char *dev = PQgetvalue(found, 0, PQfnumber(found, "dev"));
	PGresult *agreement, *story;

	enum result result =
		database_query(ctx, "select * from provbox.agreement_read($1, $2)",
			       PARAMS(TEXT(dev), TEXT(ctx->words[0])), &agreement);
	if (result != RESULT_OK)
		return result;
	result = database_query(ctx, "select * from provbox.request_show($1, $2)",
				PARAMS(TEXT(dev), TEXT(ctx->words[0])), &story);
	if (result == RESULT_OK) {
		print_story(ctx, found, agreement, story);
		PQclear(story);
	}
	PQclear(agreement);
	return result;
}

/* Open the database and find the one request that the command names. */
static enum result find(struct context *ctx, PGresult **found)
{
	if (!uuid_is_valid(slice_of(ctx->words[0]))) {
		complain("%s is no id of a request, a UUID in lower case; see provctl "
			 "request list",
			 ctx->words[0]);
		return RESULT_USAGE;
	}
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(
			ctx,
			"select * from provbox.request_list(jsonb_strip_nulls("
			"jsonb_build_object('id', $1::text, 'dev', $2::text)))",
			PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_DEV])),
			found);
	if (result != RESULT_OK || PQntuples(*found) == 1)
		return result;
	complain(PQntuples(*found) ? "several devices have a request of this id; "
				     "name one with --dev"
				   : "no such request; see provctl request list");
	PQclear(*found);
	return RESULT_FAILED;
}

enum result request_show(struct context *ctx)
{
	PGresult *found;

	enum result result = find(ctx, &found);
	if (result != RESULT_OK)
		return result;
	result = show_story(ctx, found);
	PQclear(found);
	return result;
}

enum result request_cancel(struct context *ctx)
{
	PGresult *found;
	const char *state;

	enum result result = find(ctx, &found);
	if (result != RESULT_OK)
		return result;
	result = database_value(
		ctx, "select provbox.request_cancel($1, $2, $3)",
		PARAMS(TEXT(PQgetvalue(found, 0, PQfnumber(found, "dev"))),
		       TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON])),
		&state);
	PQclear(found);
	if (result != RESULT_OK)
		return result;
	if (!state || strcmp(state, "cancelled") != 0) {
		complain("the request has ended already: it is %s",
			 state ? state : "gone");
		return RESULT_FAILED;
	}
	if (ctx->options[OPTION_JSON])
		rows_print_done();
	return RESULT_OK;
}

/* What becomes of a request after its dead work was put back. */
static const struct {
	const char *outlook, *said;
} outlooks[] = {
	{ "open", "the request goes on by itself" },
	{ "done", "the request is done" },
	{ "ended",
	  "the request has ended and stays so: what it ordered must be ordered "
	  "anew" },
};

static const char *outlook_said(const char *outlook)
{
	for (size_t i = 0; outlook && i < sizeof(outlooks) / sizeof(outlooks[0]); i++)
		if (strcmp(outlooks[i].outlook, outlook) == 0)
			return outlooks[i].said;
	return "the request is gone";
}

/* Tell what was put back; a failure when nothing was. */
static enum result report_retry(struct context *ctx, const PGresult *tried,
				const char *outlook)
{
	int n_changed = 0;

	for (int row = 0; row < PQntuples(tried); row++)
		n_changed += strcmp(PQgetvalue(tried, row, PQfnumber(tried, "outcome")),
				    "changed") == 0;
	if (ctx->options[OPTION_JSON]) {
		rows_print(json_pack("{ss? so ss}", "outlook", outlook, "tried",
				     rows_array(tried), "advice",
				     outlook_said(outlook)));
	} else if (PQntuples(tried) > 0) {
		grid_print(ctx->arena, tried);
		printf("\n%s\n", outlook_said(outlook));
	}
	if (n_changed > 0)
		return RESULT_OK;
	complain("nothing was put back: %s; %s",
		 PQntuples(tried) ? "what is dead of the request is not needed any more"
				  : "nothing of the request is dead",
		 outlook_said(outlook));
	return RESULT_FAILED;
}

enum result request_retry(struct context *ctx)
{
	PGresult *found, *tried = NULL;
	const char *outlook;

	enum result result = find(ctx, &found);
	if (result != RESULT_OK)
		return result;
	const char *dev = PQgetvalue(found, 0, PQfnumber(found, "dev"));
	result = database_query(ctx, "select * from provbox.request_retry($1, $2, $3)",
				PARAMS(TEXT(dev), TEXT(ctx->words[0]),
				       TEXT(ctx->options[OPTION_REASON])),
				&tried);
	if (result == RESULT_OK)
		result = database_value(ctx, "select provbox.request_outlook($1, $2)",
					PARAMS(TEXT(dev), TEXT(ctx->words[0])),
					&outlook);
	if (result == RESULT_OK)
		result = report_retry(ctx, tried, outlook);
	PQclear(tried);
	PQclear(found);
	return result;
}
