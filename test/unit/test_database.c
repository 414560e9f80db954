#include "provctl/database.h"

#include "test/unit/cluster.h"
#include "test/unit/operator.h"

static struct cluster cluster;
static struct context ctx;

static void connects_and_sets_the_session(void)
{
	const char *value;

	complaints_clear();
	CU_ASSERT_EQUAL_FATAL(database_open(&ctx, cluster.dsn, NULL), RESULT_OK);
	static const struct {
		const char *setting, *value;
	} settings[] = {
		{ "timezone", "UTC" },
		{ "client_encoding", "UTF8" },
		{ "application_name", "provctl" },
		{ "datestyle", "ISO, MDY" },
	};
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		CU_ASSERT_EQUAL(database_value(&ctx, "select current_setting($1)",
					       PARAMS(TEXT(settings[i].setting)),
					       &value),
				RESULT_OK);
		CU_ASSERT_STRING_EQUAL(value, settings[i].value);
	}
	/* Another database of the same server, in place of the first connection. */
	CU_ASSERT_EQUAL(database_open(&ctx, cluster.dsn, "template1"), RESULT_OK);
	CU_ASSERT_EQUAL(
		database_value(&ctx, "select current_database()", NULL, 0, &value),
		RESULT_OK);
	CU_ASSERT_STRING_EQUAL(value, "template1");
	CU_ASSERT_EQUAL(database_value(&ctx,
				       "select count(*) from pg_stat_activity"
				       " where application_name = 'provctl'"
				       " and datname = 'postgres'",
				       NULL, 0, &value),
			RESULT_OK);
	CU_ASSERT_EQUAL(database_open(&ctx, cluster.dsn, NULL), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(complaints, "");
}

static void takes_texts_bytes_and_nulls(void)
{
	static const char bytes[] = { '\0', '\'', (char)0xff };
	const char *value;
	PGresult *rows;

	CU_ASSERT_EQUAL(database_query(&ctx, "select $1::text, $2::bytea, $3::text",
				       PARAMS(TEXT("it's; --"),
					      BYTES(bytes, sizeof(bytes)), TEXT(NULL)),
				       &rows),
			RESULT_OK);
	CU_ASSERT_STRING_EQUAL(PQgetvalue(rows, 0, 0), "it's; --");
	CU_ASSERT_STRING_EQUAL(PQgetvalue(rows, 0, 1), "\\x0027ff");
	CU_ASSERT_TRUE(PQgetisnull(rows, 0, 2));
	PQclear(rows);
	/* No value: SQL NULL, and no row. */
	value = "";
	CU_ASSERT_EQUAL(database_value(&ctx, "select null", NULL, 0, &value),
			RESULT_OK);
	CU_ASSERT_PTR_NULL(value);
	value = "";
	CU_ASSERT_EQUAL(database_value(&ctx, "select 1 where false", NULL, 0, &value),
			RESULT_OK);
	CU_ASSERT_PTR_NULL(value);
	CU_ASSERT_EQUAL(database_run(&ctx, "select 1; select 2"), RESULT_OK);
}

static const struct {
	const char *state;
	enum result result;
	const char *said;
} errors[] = {
	{ "3F000", RESULT_UNAVAILABLE, "oops: there is no schema; run" },
	{ "42883", RESULT_UNAVAILABLE, "of another version" },
	{ "42501", RESULT_CONFIG, "the wrong role" },
	{ "PB002", RESULT_USAGE, "oops\n" },
	{ "08006", RESULT_UNAVAILABLE, "the connection broke" },
	{ "53300", RESULT_UNAVAILABLE, "short of something" },
	{ "57P01", RESULT_UNAVAILABLE, "was stopped" },
	{ "57014", RESULT_FAILED, "oops\n" }, /* cancelled: 57, but not 57P */
	{ "22023", RESULT_FAILED, "oops\n" },
	{ "PB001", RESULT_FAILED, "oops\n" },
};

static void an_error_tells_the_exit_code(void)
{
	PGresult *rows;
	char sql[128];

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(sql, sizeof(sql),
			 "do $$ begin raise 'oops' using errcode = '%s'; end $$",
			 errors[i].state);
		complaints_clear();
		CU_ASSERT_EQUAL(database_query(&ctx, sql, NULL, 0, &rows),
				errors[i].result);
		CU_ASSERT_PTR_NULL(rows);
		CU_ASSERT_PTR_NOT_NULL(strstr(complaints, errors[i].said));
		CU_ASSERT_EQUAL(database_run(&ctx, sql), errors[i].result);
	}
}

static void a_server_that_goes_is_unavailable(void)
{
	const char *value;

	complaints_clear();
	CU_ASSERT_EQUAL(database_run(&ctx, "select pg_terminate_backend("
					   "pg_backend_pid())"),
			RESULT_UNAVAILABLE);
	CU_ASSERT_EQUAL(database_value(&ctx, "select 1", NULL, 0, &value),
			RESULT_UNAVAILABLE);
	CU_ASSERT_PTR_NULL(value);
	CU_ASSERT_NOT_EQUAL(complaints[0], '\0');
	database_close(&ctx);
	CU_ASSERT_PTR_NULL(ctx.db);
	database_close(&ctx);
}

static const struct {
	const char *dsn;
	enum result result;
	const char *said;
} refused[] = {
	{ "host=/tmp password=secret", RESULT_CONFIG, "passfile" },
	{ "host=prov.example.com", RESULT_CONFIG, "" },
	{ "nonsense", RESULT_CONFIG, "" },
	{ "host=/nonexistent dbname=x", RESULT_UNAVAILABLE,
	  "the DSN was \"host=/nonexistent dbname=x\"" },
	{ "host=/nonexistent dbname=x", RESULT_UNAVAILABLE, "is PostgreSQL running" },
	{ "host=127.0.0.1 port=1", RESULT_UNAVAILABLE, "are host and port right" },
};

static void says_which_dsn_does_not_lead_anywhere(void)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		complaints_clear();
		CU_ASSERT_EQUAL(database_open(&ctx, refused[i].dsn, NULL),
				refused[i].result);
		CU_ASSERT_NOT_EQUAL(complaints[0], '\0');
		CU_ASSERT_PTR_NOT_NULL(strstr(complaints, refused[i].said));
		CU_ASSERT_PTR_NULL(strstr(complaints, "secret"));
	}
	database_close(&ctx);
}

/* What the operator is told who opens @p database as @p user for a command. */
static const char *told(const char *database, const char *user, bool is_administrators)
{
	const struct command command = { .words = "db upgrade",
					 .is_administrators = is_administrators };
	char dsn[512];

	snprintf(dsn, sizeof(dsn), "host=%s dbname=%s user=%s", cluster.folder,
		 database, user);
	ctx.command = &command;
	complaints_clear();
	CU_ASSERT_EQUAL(database_open(&ctx, dsn, NULL), RESULT_UNAVAILABLE);
	ctx.command = NULL;
	return complaints;
}

/* From now on only who is the superuser in the system, too, or says it, is let in. */
static void demand_peers(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/data/pg_hba.conf", cluster.folder);
	FILE *file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_FATAL(fputs("local all postgres trust\nlocal all all peer\n", file) >=
			0);
	fclose(file);
	CU_ASSERT_EQUAL(database_open(&ctx, cluster.dsn, NULL), RESULT_OK);
	CU_ASSERT_EQUAL(database_run(&ctx, "select pg_reload_conf()"), RESULT_OK);
	/* When it is known that there is no such role, the rules are still the old. */
	for (int i = 0; i < 500; i++) {
		if (!strstr(told("postgres", "provbox_operator", false),
			    "does not exist"))
			break;
		usleep(10000);
	}
}

static void says_how_to_be_let_in(void)
{
	static const char upgrade[] =
		"runuser -u postgres -- provctl db upgrade --dsn 'host=";

	CU_ASSERT_PTR_NOT_NULL(strstr(told("nowhere", "postgres", false),
				      "this database is not there: provctl db init"));
	CU_ASSERT_PTR_NOT_NULL(strstr(told("postgres", "provbox_operator", false),
				      "this role is not there: provctl db init"));
	CU_ASSERT_PTR_NOT_NULL(strstr(told("postgres", "somebody", true), upgrade));
	demand_peers();
	CU_ASSERT_PTR_NOT_NULL(strstr(told("postgres", "provbox_operator", false),
				      "pg_ident.conf has to map your system user"));
	CU_ASSERT_PTR_NOT_NULL(strstr(told("postgres", "somebody", false),
				      "put user=provbox_operator into the DSN"));
	CU_ASSERT_PTR_NOT_NULL(strstr(told("postgres", "somebody", true), upgrade));
	database_close(&ctx);
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(connects_and_sets_the_session),
		TEST(takes_texts_bytes_and_nulls),
		TEST(an_error_tells_the_exit_code),
		TEST(a_server_that_goes_is_unavailable),
		TEST(says_which_dsn_does_not_lead_anywhere),
		TEST(says_how_to_be_let_in),
	};
	int status = TEST_SKIPPED;

	ctx.arena = arena_new(1 << 20);
	if (cluster_open(&cluster) && cluster_wait(&cluster))
		status = test_main("database", cases, sizeof(cases) / sizeof(cases[0]));
	else
		puts("database: skipped, no PostgreSQL server found");
	cluster_close(&cluster);
	arena_free(ctx.arena);
	return status;
}
