#include <stdio.h>
#include <stdlib.h>

#include "provctl/database.h"
#include "provctl/file.h"
#include "provctl/grid.h"
#include "provctl/manifest.h"
#include "provctl/progress.h"

#define CHUNK_BYTES 262144 /* as content_chunk_put() wants them */

struct load {
	struct context *ctx;
	struct progress progress;
	uint64_t done; /* bytes that are in the database */
};

static enum result chunk_put(struct load *load, const struct manifest_content *content,
			     size_t n)
{
	size_t from = n * CHUNK_BYTES, left = content->bytes.n - from;
	const char *unused;
	const char *number = arena_printf(load->ctx->arena, "%zu", n);

	enum result result = database_value(
		load->ctx, "select provbox.content_chunk_put($1, $2::int, $3)",
		PARAMS(BYTES(content->sha256, SHA256_BYTES), TEXT(number),
		       BYTES(content->bytes.p + from,
			     left < CHUNK_BYTES ? left : CHUNK_BYTES)),
		&unused);
	load->done += left < CHUNK_BYTES ? left : CHUNK_BYTES;
	progress_tell(&load->progress, load->done);
	return result;
}

/* Upload what the database does not have of one content; -1 means all of it is there.
 */
static enum result content_put(struct load *load,
			       const struct manifest_content *content)
{
	struct context *ctx = load->ctx;
	const char *wanted, *is_whole;
	const char *size = arena_printf(ctx->arena, "%zu", content->bytes.n);

	enum result result =
		database_value(ctx, "select provbox.content_begin($1, $2::bigint, $3)",
			       PARAMS(BYTES(content->sha256, SHA256_BYTES), TEXT(size),
				      TEXT(content->media_type)),
			       &wanted);
	long n = result == RESULT_OK ? strtol(wanted, NULL, 10) : -1;
	if (n < 0)
		return result;
	for (; (size_t)n * CHUNK_BYTES < content->bytes.n && result == RESULT_OK; n++)
		result = chunk_put(load, content, (size_t)n);
	if (result == RESULT_OK)
		result = database_value(ctx, "select provbox.content_finish($1)",
					PARAMS(BYTES(content->sha256, SHA256_BYTES)),
					&is_whole);
	if (result == RESULT_OK && *is_whole != 't') {
		complain("%s: changed while it was read; load it again", content->path);
		result = RESULT_FAILED;
	}
	return result;
}

static enum result contents_put(struct context *ctx, const struct manifest *manifest)
{
	struct load load = { .ctx = ctx };
	uint64_t total = 0;

	for (size_t i = 0; i < manifest->n_contents; i++)
		total += manifest->contents[i].bytes.n;
	progress_begin(&load.progress, "bytes", total);
	for (size_t i = 0; i < manifest->n_contents; i++) {
		enum result result = content_put(&load, &manifest->contents[i]);
		if (result != RESULT_OK)
			return result;
	}
	return RESULT_OK;
}

/* Version of the manifest in the database, and whether devices see it already. */
static enum result begin(struct context *ctx, const struct manifest *manifest,
			 const char **version, bool *is_current)
{
	char *text = json_dumps(manifest->json, JSON_SORT_KEYS);
	PGresult *row;

	enum result result = database_query(
		ctx, "select version, published from provbox.catalogue_begin($1)",
		PARAMS(TEXT(text)), &row);
	free(text);
	if (result != RESULT_OK)
		return result;
	*version = arena_string(ctx->arena, slice_of(PQgetvalue(row, 0, 0)));
	*is_current = *PQgetvalue(row, 0, 1) == 't';
	PQclear(row);
	return RESULT_OK;
}

static enum result load(struct context *ctx, const struct manifest *manifest)
{
	const char *version = NULL, *unused;
	bool is_current = false;

	enum result result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = begin(ctx, manifest, &version, &is_current);
	if (result == RESULT_OK && !is_current)
		result = contents_put(ctx, manifest);
	if (result == RESULT_OK && !is_current)
		result =
			database_value(ctx, "select provbox.catalogue_publish($1::int)",
				       PARAMS(TEXT(version)), &unused);
	if (result != RESULT_OK)
		return result;
	if (ctx->options[OPTION_JSON])
		printf("{\n  \"version\": %s,\n  \"is_new\": %s\n}\n", version,
		       is_current ? "false" : "true");
	else
		printf("catalogue %s %s\n", version,
		       is_current ? "is current already" : "is published");
	return RESULT_OK;
}

enum result catalogue_load(struct context *ctx)
{
	struct manifest manifest;
	enum result result = RESULT_FAILED;

	if (manifest_open(ctx->arena, ctx->words[0], &manifest))
		result = load(ctx, &manifest);
	manifest_close(&manifest);
	return result;
}
