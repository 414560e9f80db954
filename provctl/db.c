#include <inttypes.h>
#include <stdio.h>

#include "provctl/file.h"
#include "provctl/migrate.h"
#include "provctl/rows.h"

/* The database to connect to where another one is made. */
#define MAINTENANCE_DATABASE "postgres"

/* The name of the database that a DSN means; NULL after a complaint. */
static const char *database_name(struct context *ctx)
{
	PQconninfoOption *options = PQconninfoParse(ctx->admin_dsn, NULL);
	const char *name = "provbox";

	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (strcmp(o->keyword, "dbname") == 0 && o->val)
			name = o->val;
	name = arena_string(ctx->arena, slice_of(name));
	PQconninfoFree(options);
	return name;
}

/* Make the database, owned by provbox_owner, unless it is there. */
static enum result database_make(struct context *ctx, const char *name)
{
	const char *problem;
	enum result result = database_value(
		ctx,
		"select case when pg_encoding_to_char(encoding) <> 'UTF8'"
		" then 'is not encoded in UTF8'"
		" when pg_get_userbyid(datdba) <> 'provbox_owner'"
		" then 'does not belong to provbox_owner' else '' end"
		" from pg_database where datname = $1",
		PARAMS(TEXT(name)), &problem);
	if (result != RESULT_OK || (problem && !*problem))
		return result;
	if (problem) {
		complain("the database %s is there and %s", name, problem);
		return RESULT_FAILED;
	}
	char *quoted = PQescapeIdentifier(ctx->db, name, strlen(name));
	const char *sql = arena_printf(ctx->arena,
				       "create database %s owner provbox_owner"
				       " encoding 'UTF8' template template0",
				       quoted ? quoted : "");
	PQfreemem(quoted);
	return database_run(ctx, sql);
}

/* Make the roles and what they are set to, as far as that is not there. */
static enum result roles_make(struct context *ctx, struct slice roles)
{
	enum result result = database_run(ctx, roles.p);

	if (result != RESULT_OK)
		complain(
			"%s/roles.sql: was not applied; connect as a superuser or with "
			"CREATEROLE",
			ctx->sql_dir);
	return result;
}

static bool roles_read(struct context *ctx, struct slice *roles)
{
	const char *path = arena_printf(ctx->arena, "%s/roles.sql", ctx->sql_dir);

	if (path && file_read(ctx->arena, path, roles))
		return true;
	complain("name the folder of the migrations with --sql-dir");
	return false;
}

static enum result upgrade(struct context *ctx, struct slice roles)
{
	struct migrations migrations;
	const char *unused;

	if (!migrate_list(ctx->arena, ctx->sql_dir, &migrations))
		return RESULT_FAILED;
	enum result result = database_open(ctx, ctx->admin_dsn, database_name(ctx));
	/* Held to the end of the connection: one upgrade at a time. */
	if (result == RESULT_OK)
		result = database_value(
			ctx, "select pg_advisory_lock(hashtext('provbox.upgrade'))",
			NULL, 0, &unused);
	if (result == RESULT_OK)
		result = roles_make(ctx, roles);
	if (result == RESULT_OK)
		result = migrate_compare(ctx, &migrations);
	if (result == RESULT_OK)
		result = migrate_apply(ctx, &migrations);
	if (result != RESULT_OK)
		return result;
	uint64_t version = migrations.items[migrations.n - 1].version;
	size_t n = 0;
	for (size_t i = 0; i < migrations.n; i++)
		n += migrations.items[i].state == MIGRATION_PENDING;
	printf(ctx->options[OPTION_JSON]
		       ? "{\n  \"applied\": %zu,\n  \"version\": %" PRIu64 "\n}\n"
		       : "%zu applied, schema is version %" PRIu64 "\n",
	       n, version);
	return RESULT_OK;
}

enum result db_upgrade(struct context *ctx)
{
	struct slice roles;

	return roles_read(ctx, &roles) ? upgrade(ctx, roles) : RESULT_FAILED;
}

enum result db_init(struct context *ctx)
{
	const char *name = database_name(ctx);
	struct slice roles;

	if (!name || !roles_read(ctx, &roles))
		return RESULT_FAILED;
	enum result result = database_open(ctx, ctx->admin_dsn, MAINTENANCE_DATABASE);
	if (result == RESULT_OK)
		result = roles_make(ctx, roles); /* the database will belong to one */
	if (result == RESULT_OK)
		result = database_make(ctx, name);
	return result == RESULT_OK ? upgrade(ctx, roles) : result;
}

/* ---- Status ---- */

static const char *const state_names[] = { [MIGRATION_PENDING] = "pending",
					   [MIGRATION_APPLIED] = "applied",
					   [MIGRATION_CHANGED] = "changed" };

static void status_print_json(const struct migrations *migrations)
{
	json_t *list = json_array();
	for (size_t i = 0; i < migrations->n; i++) {
		const struct migration *m = &migrations->items[i];
		json_array_append_new(list, json_pack("{ss ss ss ss*}", "name", m->name,
						      "state", state_names[m->state],
						      "sha256", m->sha256, "applied_at",
						      m->applied_at));
	}
	rows_print(list);
}

enum result db_status(struct context *ctx)
{
	struct migrations migrations;
	enum result result = RESULT_OK;

	if (!migrate_list(ctx->arena, ctx->sql_dir, &migrations))
		return RESULT_FAILED;
	result = database_open(ctx, ctx->dsn, NULL);
	if (result == RESULT_OK)
		result = migrate_compare(ctx, &migrations);
	if (result != RESULT_OK)
		return result;
	if (ctx->options[OPTION_JSON])
		status_print_json(&migrations);
	for (size_t i = 0; i < migrations.n; i++) {
		const struct migration *m = &migrations.items[i];
		if (!ctx->options[OPTION_JSON])
			printf("%-24s  %-7s  %s\n", m->name, state_names[m->state],
			       m->applied_at ? m->applied_at : "-");
		if (m->state != MIGRATION_APPLIED)
			result = RESULT_FAILED;
	}
	return result;
}
