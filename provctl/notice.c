#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/seal.h"
#include "base/utf8.h"
#include "provctl/database.h"
#include "provctl/file.h"
#include "provctl/rows.h"

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
		rows_print(json_pack("{ss ss?}", "notice", notice, "state", state));
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
			 "database sealed or not at all");
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
