#include "provctl/migrate.h"

#include "test/unit/cluster.h"
#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct cluster cluster;
static struct directory directory;
static struct context ctx;
static struct migrations migrations;

/* What the module asks of a schema, as the first migration of the product has it. */
#define BASE                                                                           \
	"create schema provbox;\n"                                                     \
	"create table provbox.done (name text check (name <> '011_half.sql'), sha256 " \
	"bytea,"                                                                       \
	" applied_at timestamptz default '2026-11-21 01:02:03.4+00');\n"               \
	"create function provbox.schema_record(text, bytea) returns void language"     \
	" sql as 'insert into provbox.done values ($1, $2)';\n"                        \
	"create function provbox.schema_list() returns table (version int, name"       \
	" text, sha256 text, applied_at timestamptz) language sql as"                  \
	" $$select 1, name, encode(sha256, 'hex'), applied_at from provbox.done$$;\n"

static void write_file(const char *name, const char *text)
{
	directory_write(&directory, name, text, 0644);
}

static void compare(void)
{
	complaints_clear();
	CU_ASSERT_TRUE_FATAL(migrate_list(ctx.arena, directory.path, &migrations));
	CU_ASSERT_EQUAL_FATAL(migrate_compare(&ctx, &migrations), RESULT_OK);
}

static const char *value(const char *sql)
{
	const char *found = NULL;

	CU_ASSERT_EQUAL(database_value(&ctx, sql, NULL, 0, &found), RESULT_OK);
	return found ? found : "(null)";
}

static void lists_migrations_in_order(void)
{
	static const char *const others[] = { "roles.sql",  "10_two.sql", "0001_x.sql",
					      "004.sql",    "004_.sql",   "005_x.sql~",
					      "README.sql", "x004_y.sql" };

	directory_open(&directory);
	write_file("010_last.sql", "select 1;\n");
	write_file("002_next.sql", "create table provbox.a (n int);\n");
	write_file("001_base.sql", BASE);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		write_file(others[i], "nonsense");
	CU_ASSERT_TRUE_FATAL(migrate_list(ctx.arena, directory.path, &migrations));
	CU_ASSERT_EQUAL_FATAL(migrations.n, 3);
	CU_ASSERT_STRING_EQUAL(migrations.items[0].name, "001_base.sql");
	CU_ASSERT_STRING_EQUAL(migrations.items[1].name, "002_next.sql");
	CU_ASSERT_STRING_EQUAL(migrations.items[2].name, "010_last.sql");
	CU_ASSERT_EQUAL(migrations.items[2].version, 10);
	CU_ASSERT_EQUAL(migrations.items[2].state, MIGRATION_PENDING);
	CU_ASSERT_STRING_EQUAL(
		migrations.items[2].sha256, /* of "select 1;\n" */
		"4a45092ccf992ea92250053a80b931b787924ba61648f420555511b84f10ab6c");
}

static void says_where_there_are_none(void)
{
	struct migrations none;

	complaints_clear();
	CU_ASSERT_FALSE(migrate_list(ctx.arena, "/nonexistent", &none));
	CU_ASSERT_FALSE(migrate_list(ctx.arena, "/proc/self/fd", &none));
	CU_ASSERT_STRING_EQUAL(complaints,
			       "/nonexistent: No such file or directory; name the "
			       "folder of the migrations with --sql-dir\n"
			       "/proc/self/fd: holds no migrations; see --sql-dir\n");
}

static void applies_what_is_pending_once(void)
{
	compare();
	for (size_t i = 0; i < migrations.n; i++)
		CU_ASSERT_EQUAL(migrations.items[i].state, MIGRATION_PENDING);
	CU_ASSERT_EQUAL(migrate_apply(&ctx, &migrations), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(complaints, "");
	CU_ASSERT_STRING_EQUAL(value("select tableowner from pg_tables"
				     " where tablename = 'a'"),
			       "provbox_owner");
	compare();
	for (size_t i = 0; i < migrations.n; i++) {
		CU_ASSERT_EQUAL(migrations.items[i].state, MIGRATION_APPLIED);
		CU_ASSERT_STRING_EQUAL(migrations.items[i].applied_at,
				       "2026-11-21T01:02:03.400Z");
	}
	CU_ASSERT_EQUAL(migrate_apply(&ctx, &migrations), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(value("select count(*) from provbox.done"), "3");
}

static void one_that_fails_leaves_nothing_and_stops_the_rest(void)
{
	write_file("011_half.sql", "create table provbox.half (n int); select 1 / 0;");
	write_file("012_after.sql", "create table provbox.after (n int);");
	compare();
	CU_ASSERT_EQUAL(migrations.items[2].state, MIGRATION_APPLIED);
	CU_ASSERT_EQUAL(migrations.items[3].state, MIGRATION_PENDING);
	CU_ASSERT_EQUAL(migrate_apply(&ctx, &migrations), RESULT_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "division by zero"));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "/011_half.sql: was not applied"));
	database_run(&ctx, "rollback");
	CU_ASSERT_STRING_EQUAL(value("select to_regclass('provbox.half')"), "(null)");
	CU_ASSERT_STRING_EQUAL(value("select to_regclass('provbox.after')"), "(null)");
	CU_ASSERT_STRING_EQUAL(value("select count(*) from provbox.done"), "3");
	/* Nor one that is whole but cannot be recorded, as here the table has it. */
	write_file("011_half.sql", "create table provbox.half (n int);");
	compare();
	CU_ASSERT_EQUAL(migrate_apply(&ctx, &migrations), RESULT_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "violates check constraint"));
	database_run(&ctx, "rollback");
	CU_ASSERT_STRING_EQUAL(value("select to_regclass('provbox.half')"), "(null)");
	remove(directory_file(&directory, "011_half.sql"));
}

static void one_that_was_changed_is_refused(void)
{
	write_file("002_next.sql", "create table provbox.a (n bigint);\n");
	compare();
	CU_ASSERT_EQUAL(migrations.items[1].state, MIGRATION_CHANGED);
	CU_ASSERT_EQUAL(migrate_apply(&ctx, &migrations), RESULT_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "/002_next.sql: was applied with "
						  "other content"));
	CU_ASSERT_STRING_EQUAL(value("select to_regclass('provbox.after')"), "(null)");
	directory_close(&directory);
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(lists_migrations_in_order),
		TEST(says_where_there_are_none),
		TEST(applies_what_is_pending_once),
		TEST(one_that_fails_leaves_nothing_and_stops_the_rest),
		TEST(one_that_was_changed_is_refused),
	};
	int status = TEST_SKIPPED;

	ctx.arena = arena_new(1 << 20);
	if (cluster_open(&cluster) && cluster_wait(&cluster) &&
	    database_open(&ctx, cluster.dsn, NULL) == RESULT_OK &&
	    database_run(&ctx, "create role provbox_owner;"
			       " grant create on database postgres to provbox_owner") ==
		    RESULT_OK)
		status = test_main("migrate", cases, sizeof(cases) / sizeof(cases[0]));
	else
		puts("migrate: skipped, no PostgreSQL server found");
	database_close(&ctx);
	cluster_close(&cluster);
	arena_free(ctx.arena);
	return status;
}
