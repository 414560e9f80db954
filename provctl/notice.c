#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/seal.h"
#include "base/utf8.h"
#include "provctl/database.h"
#include "provctl/file.h"
#include "provctl/grid.h"
#include "provctl/rows.h"
#include "provctl/who.h"

/* What 20 parts hold of the smallest characters. */
#define TEXT_LIMIT 3060

static bool is_utf8(struct slice text)
{
	uint32_t character;

	while (text.n > 0)
		if (!utf8_next(&text, &character) || character == 0)
			return false;
	return true;
}

/* The text without the line feed at its end that an editor leaves; wiped by the caller.
 */
static bool read_text(struct context *ctx, struct slice *text)
{
	if (!file_read(ctx->arena, ctx->words[1], text))
		return false;
	if (text->n > 0 && text->p[text->n - 1] == '\n')
		text->n--;
	if (text->n >= 1 && text->n <= TEXT_LIMIT && is_utf8(*text))
		return true;
	complain("%s: a text is 1 to %d bytes of UTF-8", ctx->words[1], TEXT_LIMIT);
	return false;
}

/* As the database writes a bigint. */
static json_int_t number_of(const char *text)
{
	return (json_int_t)strtoll(text, NULL, 10);
}

/* Seal the text for the notice that was begun, as doc/smsc.md says, and have it sent.
 */
static enum result seal_and_send(struct context *ctx, const struct seal_keys *keys,
				 const PGresult *begun, struct slice text)
{
	const char *notice = PQgetvalue(begun, 0, 0), *state;
	const char *place = arena_printf(ctx->arena, "provbox/1 notice %s %s", notice,
					 PQgetvalue(begun, 0, 1));
	uint8_t sealed[TEXT_LIMIT + SEAL_OVERHEAD];

	seal_close(keys, slice_of(place), text, sealed);
	enum result result = database_value(
		ctx, "select provbox.notice_seal($1::bigint, $2)",
		PARAMS(TEXT(notice), BYTES(sealed, text.n + SEAL_OVERHEAD)), &state);
	if (result != RESULT_OK)
		return result;
	if (ctx->options[OPTION_JSON])
		rows_print(json_pack("{sI ss?}", "notice", number_of(notice), "state",
				     state));
	else
		printf("notice %s is %s\n", notice, state);
	return RESULT_OK;
}

static enum result send_text(struct context *ctx, const struct seal_keys *keys,
			     struct slice text)
{
	PGresult *begun;

	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_run(ctx, "begin");
	if (result == RESULT_OK)
		result = database_query(ctx,
					"select notice, number_sha256 from "
					"provbox.notice_begin($1)",
					PARAMS(TEXT(ctx->words[0])), &begun);
	if (result != RESULT_OK)
		return result;
	if (PQntuples(begun) == 1) {
		result = seal_and_send(ctx, keys, begun, text);
	} else {
		complain("no such device, or it has no number: %s", ctx->words[0]);
		result = RESULT_FAILED;
	}
	PQclear(begun);
	return result == RESULT_OK ? database_run(ctx, "commit") : result;
}

enum result notice_send(struct context *ctx)
{
	char why[512];
	struct slice text = SLICE("");

	if (!ctx->seal_key_file) {
		complain("seal_key_file is not configured: a secret goes into the "
			 "database sealed or not at all; doc/smsc.md tells how to make "
			 "one");
		return RESULT_CONFIG;
	}
	struct seal_keys *keys = seal_keys_load(ctx->seal_key_file, why, sizeof(why));
	if (!keys) {
		complain("%s", why);
		return RESULT_CONFIG;
	}
	enum result result = RESULT_USAGE;
	if (read_text(ctx, &text))
		result = send_text(ctx, keys, text);
	OPENSSL_cleanse((void *)text.p, text.n);
	seal_keys_free(keys);
	return result;
}

/* ---- One notice ---- */

static bool is_id(struct context *ctx)
{
	uint64_t id;

	if (slice_to_u64(slice_of(ctx->words[0]), INT64_MAX, &id))
		return true;
	complain("%s is no id of a notice; see provctl notice list", ctx->words[0]);
	return false;
}

static enum result no_such_notice(const struct context *ctx)
{
	complain("no such notice: %s; see provctl notice list", ctx->words[0]);
	return RESULT_FAILED;
}

enum result notice_show(struct context *ctx)
{
	PGresult *found = NULL, *parts = NULL;

	if (!is_id(ctx))
		return RESULT_USAGE;
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select * from provbox.notice_show($1::bigint, $2, $3)",
			PARAMS(TEXT(ctx->words[0]),
			       TEXT(ctx->options[OPTION_NUMBER] ? "t" : "f"),
			       TEXT(who_runs(ctx->arena))),
			&found);
	if (result == RESULT_OK && PQntuples(found) != 1)
		result = no_such_notice(ctx);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select * from provbox.notice_parts($1::bigint)",
			PARAMS(TEXT(ctx->words[0])), &parts);
	if (result == RESULT_OK && ctx->options[OPTION_JSON]) {
		rows_print(json_pack("{so so}", "notice", rows_object(found, 0),
				     "parts", rows_array(parts)));
	} else if (result == RESULT_OK) {
		grid_print_record(ctx->arena, found, 0);
		puts("");
		grid_print(ctx->arena, parts);
	}
	PQclear(found);
	PQclear(parts);
	return result;
}

/* Why a notice is not sent once more. */
static const struct {
	const char *outcome, *said;
} refusals[] = {
	{ "in_work", "it is being sent; see provctl notice show" },
	{ "ended",
	  "its terms cannot be answered any more; the subscriber orders anew" },
	{ "wiped", "its text was a secret and was wiped; write it again with provctl "
		   "notice send" },
	{ "erased", "the subscriber was erased, and the text with it" },
	{ "moved",
	  "the device has another number now; this one may be somebody else's" },
};

static enum result report_resent(struct context *ctx, const PGresult *done)
{
	const char *outcome = PQgetvalue(done, 0, 0), *notice = PQgetvalue(done, 0, 1);

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (strcmp(refusals[i].outcome, outcome) != 0)
			continue;
		complain("notice %s is not sent again: %s", ctx->words[0],
			 refusals[i].said);
		return RESULT_FAILED;
	}
	if (ctx->options[OPTION_JSON])
		rows_print(json_pack("{sI ss}", "notice", number_of(notice), "state",
				     outcome));
	else
		printf("notice %s is %s\n", notice, outcome);
	return RESULT_OK;
}

enum result notice_resend(struct context *ctx)
{
	PGresult *done = NULL;

	if (!is_id(ctx))
		return RESULT_USAGE;
	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = database_query(
			ctx, "select * from provbox.notice_resend($1::bigint, $2, $3)",
			PARAMS(TEXT(ctx->words[0]), TEXT(ctx->options[OPTION_REASON]),
			       TEXT(who_runs(ctx->arena))),
			&done);
	if (result == RESULT_OK)
		result = PQgetisnull(done, 0, 0) ? no_such_notice(ctx)
						 : report_resent(ctx, done);
	PQclear(done);
	return result;
}
