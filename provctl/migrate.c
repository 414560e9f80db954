#include "provctl/migrate.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "provctl/file.h"

static int is_migration(const struct dirent *entry)
{
	const char *name = entry->d_name;
	size_t n = strlen(name);
	for (size_t i = 0; i < 3; i++)
		if (!isdigit((unsigned char)name[i]))
			return 0;
	return name[3] == '_' && n > 8 && strcmp(name + n - 4, ".sql") == 0;
}

static bool migration_read(struct arena *arena, const char *sql_dir, const char *name,
			   struct migration *out)
{
	uint8_t digest[SHA256_BYTES];
	struct slice text;

	out->name = arena_string(arena, slice_of(name));
	out->path = arena_printf(arena, "%s/%s", sql_dir, name);
	if (!out->name || !out->path ||
	    !slice_to_u64(slice_make(name, 3), MIGRATIONS_MAX, &out->version) ||
	    !file_map(out->path, &text))
		return false;
	sha256(text, digest);
	hex_encode(slice_make(digest, sizeof(digest)), out->sha256);
	file_unmap(text);
	return true;
}

bool migrate_list(struct arena *arena, const char *sql_dir, struct migrations *out)
{
	struct dirent **entries;
	int n = scandir(sql_dir, &entries, is_migration, alphasort);
	bool is_good = n > 0 && n <= MIGRATIONS_MAX;

	*out = (struct migrations){ NULL, 0 };
	if (n < 0) {
		complain("%s: %s; name the folder of the migrations with --sql-dir",
			 sql_dir, strerror(errno));
		return false;
	}
	if (!is_good)
		complain("%s: holds no migrations; see --sql-dir", sql_dir);
	else
		out->items = arena_alloc(arena, (size_t)n * sizeof(*out->items));
	for (int i = 0; i < n; i++) {
		is_good = is_good && out->items &&
			  migration_read(arena, sql_dir, entries[i]->d_name,
					 &out->items[out->n++]);
		free(entries[i]);
	}
	free(entries);
	return is_good;
}

static void note_applied(struct arena *arena, struct migrations *migrations,
			 const PGresult *rows, int row)
{
	for (size_t i = 0; i < migrations->n; i++) {
		struct migration *m = &migrations->items[i];
		if (strcmp(m->name, PQgetvalue(rows, row, 0)) != 0)
			continue;
		m->state = strcmp(m->sha256, PQgetvalue(rows, row, 1)) == 0
				   ? MIGRATION_APPLIED
				   : MIGRATION_CHANGED;
		m->applied_at = arena_string(arena, slice_of(PQgetvalue(rows, row, 2)));
	}
}

enum result migrate_compare(struct context *ctx, struct migrations *migrations)
{
	const char *there;
	PGresult *rows;

	enum result result = database_value(
		ctx, "select to_regnamespace('provbox')::text", NULL, 0, &there);
	if (result != RESULT_OK || !there)
		return result;
	result = database_query(ctx,
				"select name, sha256, to_char(applied_at at time zone"
				" 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
				" from provbox.schema_list()",
				NULL, 0, &rows);
	if (result != RESULT_OK)
		return result;
	for (int row = 0; row < PQntuples(rows); row++)
		note_applied(ctx->arena, migrations, rows, row);
	PQclear(rows);
	return RESULT_OK;
}

static enum result apply_one(struct context *ctx, const struct migration *m)
{
	struct slice text;
	const char *unused;

	if (!file_read(ctx->arena, m->path, &text))
		return RESULT_FAILED;
	enum result result = database_run(ctx, "begin; set local role provbox_owner");
	if (result == RESULT_OK)
		result = database_run(ctx, text.p);
	if (result == RESULT_OK)
		result = database_value(
			ctx, "select provbox.schema_record($1, decode($2, 'hex'))",
			PARAMS(TEXT(m->name), TEXT(m->sha256)), &unused);
	if (result == RESULT_OK)
		result = database_run(ctx, "commit");
	if (result != RESULT_OK)
		complain("%s: was not applied", m->path);
	return result;
}

enum result migrate_apply(struct context *ctx, const struct migrations *migrations)
{
	for (size_t i = 0; i < migrations->n; i++) {
		const struct migration *m = &migrations->items[i];
		enum result result = RESULT_OK;
		if (m->state == MIGRATION_CHANGED) {
			complain("%s: was applied with other content; migrations are "
				 "never changed, restore the file",
				 m->path);
			return RESULT_FAILED;
		}
		if (m->state == MIGRATION_PENDING)
			result = apply_one(ctx, m);
		if (result != RESULT_OK)
			return result;
	}
	return RESULT_OK;
}
