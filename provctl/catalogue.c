#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/progress.h"
#include "provctl/database.h"
#include "provctl/file.h"
#include "provctl/grid.h"
#include "provctl/manifest.h"

#define CHUNK_BYTES 262144 /* as content_chunk_put() wants them */

struct load {
	struct context *ctx;
	struct progress progress;
	uint64_t done; /* bytes that are in the database */
	char *block;   /* CHUNK_BYTES */
};

static enum result read_failed(const char *path)
{
	complain("%s: changed while it was read; load it again", path);
	return RESULT_FAILED;
}

static enum result chunk_put(struct load *load, const struct manifest_content *content,
			     int fd, uint64_t n)
{
	uint64_t from = n * CHUNK_BYTES, left = content->size - from;
	size_t wanted = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
	char number[24];
	PGresult *unused;

	if (pread(fd, load->block, wanted, (off_t)from) != (ssize_t)wanted)
		return read_failed(content->path);
	snprintf(number, sizeof(number), "%" PRIu64, n);
	enum result result = database_query(
		load->ctx, "select provbox.content_chunk_put($1, $2::int, $3)",
		PARAMS(BYTES(content->sha256, SHA256_BYTES), TEXT(number),
		       BYTES(load->block, wanted)),
		&unused);
	PQclear(unused);
	load->done += wanted;
	progress_tell(&load->progress, load->done);
	return result;
}

/* Read one row back, and add it to the digest. */
static enum result chunk_check(struct load *load,
			       const struct manifest_content *content, uint64_t n,
			       struct digest *digest)
{
	char number[24];
	PGresult *row;

	snprintf(number, sizeof(number), "%" PRIu64, n);
	enum result result = database_query(
		load->ctx, "select provbox.content_chunk_read($1, $2::int)",
		PARAMS(BYTES(content->sha256, SHA256_BYTES), TEXT(number)), &row);
	if (result != RESULT_OK)
		return result;
	/* \x and two digits for each byte; a row that is not there is empty */
	size_t digits = (size_t)PQgetlength(row, 0, 0);
	size_t bytes = digits < 2 ? 0 : (digits - 2) / 2;
	if (bytes <= CHUNK_BYTES &&
	    hex_decode(slice_make(PQgetvalue(row, 0, 0) + 2, 2 * bytes),
		       (uint8_t *)load->block, bytes))
		digest_add(digest, slice_make(load->block, bytes));
	PQclear(row);
	return RESULT_OK;
}

/* What is in the database now must be what was promised; it is read back for that. */
static enum result content_check(struct load *load,
				 const struct manifest_content *content)
{
	struct digest *digest = digest_begin();
	uint8_t found[SHA256_BYTES];
	const char *is_whole = NULL;
	enum result result = RESULT_OK;

	for (uint64_t n = 0; n * CHUNK_BYTES < content->size && result == RESULT_OK;
	     n++)
		result = chunk_check(load, content, n, digest);
	digest_end(digest, found);
	if (result == RESULT_OK)
		result = database_value(load->ctx,
					"select provbox.content_finish($1, $2)",
					PARAMS(BYTES(content->sha256, SHA256_BYTES),
					       BYTES(found, SHA256_BYTES)),
					&is_whole);
	if (result == RESULT_OK && *is_whole != 't')
		result = read_failed(content->path);
	return result;
}

/* Upload what the database does not have of one content, from row @p n on. */
static enum result chunks_put(struct load *load, const struct manifest_content *content,
			      uint64_t n)
{
	uint64_t unused;
	int fd = file_open(content->path, &unused);
	enum result result = fd < 0 ? RESULT_FAILED : RESULT_OK;

	load->done += n * CHUNK_BYTES;
	for (; n * CHUNK_BYTES < content->size && result == RESULT_OK; n++)
		result = chunk_put(load, content, fd, n);
	if (fd >= 0)
		close(fd);
	return result == RESULT_OK ? content_check(load, content) : result;
}

static enum result content_put(struct load *load,
			       const struct manifest_content *content)
{
	const char *wanted;
	char size[24];

	if (!content->path)
		return RESULT_OK;
	snprintf(size, sizeof(size), "%" PRIu64, content->size);
	enum result result = database_value(
		load->ctx, "select provbox.content_begin($1, $2::bigint, $3)",
		PARAMS(BYTES(content->sha256, SHA256_BYTES), TEXT(size),
		       TEXT(content->media_type)),
		&wanted);
	long n = result == RESULT_OK ? strtol(wanted, NULL, 10) : -1;
	if (n < 0) { /* all of it is there, or nothing works */
		load->done += content->size;
		return result;
	}
	return chunks_put(load, content, (uint64_t)n);
}

static enum result contents_put(struct context *ctx, const struct manifest *manifest)
{
	struct load load = { .ctx = ctx, .block = malloc(CHUNK_BYTES) };
	enum result result = load.block ? RESULT_OK : RESULT_FAILED;
	uint64_t total = 0;

	for (size_t i = 0; i < manifest->n_contents; i++)
		if (manifest->contents[i].path)
			total += manifest->contents[i].size;
	progress_begin(&load.progress, "bytes", total);
	for (size_t i = 0; i < manifest->n_contents && result == RESULT_OK; i++)
		result = content_put(&load, &manifest->contents[i]);
	free(load.block);
	return result;
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
