#include "base/db.h"

#include "base/log.h"
#include "test/unit/cluster.h"
#include "test/unit/test.h"

enum {
	ADD_ONE,
	BYTES,
	INSERT,
	COUNT,
	DIVIDE,
	CAST,
	SLEEP,
	SHAPE,
	SHAPE_ONE,
	SHAPE_TWO,
	LATER,
	LATER_MAKE,
	STORE_ONCE,
	SHORT,
	LONG,
};

static const struct db_statement statements[] = {
	[ADD_ONE] = { "add_one", "select $1::int + 1", 1, false },
	[BYTES] = { "bytes", "select $1::bytea || '\\x00ff'", 1, true },
	[INSERT] = { "insert", "insert into seen values ($1::text)", 1, false },
	[COUNT] = { "count", "select count(*) from seen", 0, false },
	[DIVIDE] = { "divide", "select 1 / $1::int", 1, false },
	[CAST] = { "cast", "select $1::text::int", 1, false },
	[SLEEP] = { "sleep", "select pg_sleep($1::float8)", 1, false },
	[SHAPE] = { "shape", "select * from shape()", 0, false },
	[SHAPE_ONE] = { "shape_one",
			"create function shape() returns table (a int) language sql "
			"as 'select 1'",
			0, false },
	[SHAPE_TWO] = { "shape_two",
			"do $$ begin drop function shape(); create function shape() "
			"returns table (a int, b int) language sql as 'select 1, 2'; "
			"end $$",
			0, false },
	[LATER] = { "later", "select * from later_made", 0, false },
	[LATER_MAKE] = { "later_make", "create table later_made (a int)", 0, false },
	[STORE_ONCE] = { "store_once",
			 "insert into once values ($1::text) returning 'stored'", 1,
			 false },
	/* Each sleeps as long as it is told, and says on which connection. */
	[SHORT] = { "short", "select pg_backend_pid() from pg_sleep($1::float8)", 1,
		    .is_short = true },
	[LONG] = { "long", "select pg_backend_pid() from pg_sleep($1::float8)", 1 },
};

static struct cluster cluster;
static struct loop *loop;
static struct db *db;
static bool do_prepare;
static int schema_version;

/* What came of one call. */
struct answer {
	int times;
	enum db_status status;
	char value[64];
	char sqlstate[6];
};
static int n_open;

static void on_answer(void *arg, enum db_status status, const PGresult *result)
{
	struct answer *a = arg;
	a->times++;
	a->status = status;
	CU_ASSERT_EQUAL(result != NULL, status == DB_OK || status == DB_FAILED);
	if (status == DB_OK && PQntuples(result) > 0) {
		struct slice value = db_value(result, 0, 0);
		snprintf(a->value, sizeof(a->value), "%.*s", (int)value.n, value.p);
	}
	if (status == DB_FAILED)
		snprintf(a->sqlstate, sizeof(a->sqlstate), "%s",
			 PQresultErrorField(result, PG_DIAG_SQLSTATE));
	if (--n_open == 0)
		loop_stop(loop);
}

static struct db_call *ask(size_t statement, const char *text, struct answer *a)
{
	*a = (struct answer){ 0 };
	struct db_param param = db_text(text);
	struct db_call *call =
		db_call(db, statement, &param, (size_t)statements[statement].n_params,
			on_answer, a);
	n_open += call != NULL;
	return call;
}

static void on_stop(void *arg)
{
	loop_stop(arg);
}

static void run_for(int64_t ms)
{
	struct timer timer;
	timer_init(&timer, loop, on_stop, loop);
	timer_start(&timer, ms);
	loop_run(loop);
	timer_cancel(&timer);
}

/* Run until every call has been answered. */
static void run(void)
{
	if (n_open > 0)
		run_for(20000);
	CU_ASSERT_EQUAL(n_open, 0);
	n_open = 0;
}

static enum db_status ask_and_run(size_t statement, const char *text)
{
	struct answer a;
	CU_ASSERT_PTR_NOT_NULL(ask(statement, text, &a));
	run();
	CU_ASSERT_EQUAL(a.times, 1);
	return a.status;
}

static void open_db(size_t connections, size_t queue_limit, int64_t timeout_ms)
{
	char why[256] = "";
	struct db_settings settings = {
		.dsn = cluster.dsn,
		.application_name = "test_db",
		.statements = statements,
		.n_statements = sizeof(statements) / sizeof(statements[0]),
		.connections = connections,
		.queue_limit = queue_limit,
		.timeout_ms = timeout_ms,
		.prepare = do_prepare,
		.schema_version = schema_version,
	};
	loop = loop_new();
	db = db_open(loop, &settings, why, sizeof(why));
	CU_ASSERT_STRING_EQUAL(why, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(db);
}

static void close_db(void)
{
	db_close(db);
	loop_free(loop);
}

static void answers_calls(void)
{
	open_db(2, 100, 5000);
	struct answer a[40];
	char text[16];
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "%d", i);
		CU_ASSERT_PTR_NOT_NULL(ask(ADD_ONE, text, &a[i]));
	}
	run();
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "%d", i + 1);
		CU_ASSERT_EQUAL(a[i].times, 1);
		CU_ASSERT_EQUAL(a[i].status, DB_OK);
		CU_ASSERT_STRING_EQUAL(a[i].value, text);
	}
	CU_ASSERT_TRUE(db_is_ready(db));
	close_db();
}

static void answers_calls_without_preparing(void)
{
	do_prepare = false;
	answers_calls();
	do_prepare = true;
}

static void on_bytes(void *arg, enum db_status status, const PGresult *result)
{
	CU_ASSERT_EQUAL_FATAL(status, DB_OK);
	CU_ASSERT(slice_eq(db_value(result, 0, 0), SLICE("\1\0\2\0\xff")));
	*(bool *)arg = true;
	loop_stop(loop);
}

static void carries_bytes(void)
{
	open_db(1, 10, 5000);
	bool is_done = false;
	struct db_param param = db_bytes("\1\0\2", 3);
	CU_ASSERT_PTR_NOT_NULL(db_call(db, BYTES, &param, 1, on_bytes, &is_done));
	run_for(5000);
	CU_ASSERT_TRUE(is_done);
	close_db();
}

/* Pipelined on one connection: the error of one is nobody else's. */
static void keeps_neighbours_apart(void)
{
	open_db(1, 10, 5000);
	struct answer before, wrong, after, count;
	ask(INSERT, "before", &before);
	ask(DIVIDE, "0", &wrong);
	ask(INSERT, "after", &after);
	ask(COUNT, NULL, &count);
	run();
	CU_ASSERT_EQUAL(before.status, DB_OK);
	CU_ASSERT_EQUAL(wrong.status, DB_FAILED);
	CU_ASSERT_STRING_EQUAL(wrong.sqlstate, "22012");
	CU_ASSERT_EQUAL(after.status, DB_OK);
	CU_ASSERT_STRING_EQUAL(count.value, "2");
	CU_ASSERT_EQUAL(ask_and_run(CAST, "no number"), DB_FAILED);
	close_db();
}

/* The statement has its result before the commit fails: that it is stored counts. */
static void answers_after_the_commit(void)
{
	open_db(1, 10, 5000);
	CU_ASSERT_EQUAL(ask_and_run(STORE_ONCE, "what"), DB_OK);
	struct answer again;
	ask(STORE_ONCE, "what", &again);
	run();
	CU_ASSERT_EQUAL(again.status, DB_FAILED);
	CU_ASSERT_STRING_EQUAL(again.sqlstate, "23505");
	close_db();
}

static void prepares_again_after_a_failure(void)
{
	open_db(1, 10, 5000);
	CU_ASSERT_EQUAL(ask_and_run(LATER, NULL), DB_FAILED);
	CU_ASSERT_EQUAL(ask_and_run(LATER_MAKE, NULL), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(LATER, NULL), DB_OK);
	close_db();
}

/* A migration may change what a function returns under a prepared statement. */
static void reconnects_when_a_plan_is_outdated(void)
{
	open_db(1, 10, 5000);
	CU_ASSERT_EQUAL(ask_and_run(SHAPE_ONE, NULL), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(SHAPE, NULL), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(SHAPE_TWO, NULL), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(SHAPE, NULL), DB_UNAVAILABLE);
	CU_ASSERT_EQUAL(ask_and_run(SHAPE, NULL), DB_OK);
	close_db();
}

static void refuses_nul_and_overflow(void)
{
	open_db(1, 2, 5000);
	struct answer a;
	struct db_param nul = db_slice(slice_make("a\0b", 3));
	CU_ASSERT_PTR_NULL(db_call(db, INSERT, &nul, 1, on_answer, &a));
	CU_ASSERT_PTR_NOT_NULL(ask(ADD_ONE, "1", &a));
	CU_ASSERT_PTR_NOT_NULL(ask(ADD_ONE, "1", &a));
	CU_ASSERT_PTR_NULL(ask(ADD_ONE, "1", &a));
	run();
	CU_ASSERT_PTR_NOT_NULL(ask(ADD_ONE, "1", &a));
	run();
	close_db();
}

static void ends_a_call_that_takes_too_long(void)
{
	open_db(1, 10, 300);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(SLEEP, "5"), DB_TIMEOUT);
	run_for(200); /* statement_timeout has freed the connection */
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	close_db();
}

/* Without a statement_timeout of its own the connection itself is given up. */
static void gives_a_dead_connection_up(void)
{
	do_prepare = false;
	open_db(1, 10, 200);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	CU_ASSERT_EQUAL(ask_and_run(SLEEP, "30"), DB_TIMEOUT);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	run_for(300);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	close_db();
	do_prepare = true;
}

static void never_answers_a_cancelled_call(void)
{
	open_db(1, 20, 2000);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	struct answer gone[12], a;
	struct db_call *calls[12]; /* some in flight, some waiting */
	for (int i = 0; i < 12; i++)
		calls[i] = ask(INSERT, "cancelled", &gone[i]);
	for (int i = 0; i < 12; i++)
		db_cancel(calls[i]);
	n_open -= 12;
	ask(ADD_ONE, "1", &a);
	run();
	for (int i = 0; i < 12; i++)
		CU_ASSERT_EQUAL(gone[i].times, 0);
	CU_ASSERT_EQUAL(a.status, DB_OK);
	close_db();
}

/* Open, with all of its connections up: so many sleep at once on one each. */
static void open_all(size_t connections)
{
	struct answer a[4];
	open_db(connections, 10, 5000);
	for (size_t n = 0; n < connections;) {
		for (size_t i = 0; i < connections; i++)
			ask(LONG, "0.02", &a[i]);
		run();
		for (n = 1; n < connections && strcmp(a[n - 1].value, a[n].value) != 0;)
			n++;
	}
}

/* Ten times, for the machine may hold us up, too. */
static void queues_short_behind_short(void)
{
	int n_together = 0, n_spread = 0;
	open_all(3);
	for (int i = 0; i < 10; i++) {
		struct answer first, slow, second;
		ask(SHORT, "0", &first);
		ask(LONG, "0", &slow);
		ask(SHORT, "0", &second);
		run();
		n_together += strcmp(first.value, second.value) == 0;
		n_spread += strcmp(first.value, slow.value) != 0;
	}
	CU_ASSERT(n_together >= 5);
	CU_ASSERT_EQUAL(n_spread, 10);
	close_db();
}

/* Nobody waits for its answer, but its connection is busy for five seconds. */
static void occupy(size_t statement)
{
	struct answer nobody;
	db_cancel(ask(statement, "30", &nobody));
	n_open--;
}

static bool is_answered_soon(size_t statement)
{
	struct answer a;
	ask(statement, "0", &a);
	run_for(3000);
	bool is_answered = a.times == 1;
	run();
	return is_answered;
}

static void queues_nothing_behind_long(void)
{
	open_all(2);
	occupy(LONG);
	CU_ASSERT(is_answered_soon(SHORT));
	close_db();
}

static void queues_nothing_behind_what_is_held_up(void)
{
	open_all(2);
	occupy(SHORT);
	run_for(50);
	CU_ASSERT(is_answered_soon(SHORT));
	close_db();
}

static int n_ready_changes;
static void on_ready(void *arg, bool is_ready)
{
	(void)arg;
	n_ready_changes++;
	CU_ASSERT_EQUAL(is_ready, db_is_ready(db));
}

static void survives_a_restart(void)
{
	open_db(2, 10, 1000);
	n_ready_changes = 0;
	db_on_ready(db, on_ready, NULL);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	CU_ASSERT_EQUAL(n_ready_changes, 1);
	struct answer a;
	ask(SLEEP, "10", &a);
	run_for(50);
	cluster_stop(&cluster);
	run();
	CU_ASSERT_EQUAL(a.times, 1);
	CU_ASSERT_EQUAL(a.status, DB_UNAVAILABLE);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	CU_ASSERT_FALSE(db_is_ready(db));
	CU_ASSERT_EQUAL(n_ready_changes, 2);
	cluster_start(&cluster);
	enum db_status status = DB_UNAVAILABLE;
	for (int i = 0; i < 20 && status != DB_OK; i++)
		status = ask_and_run(ADD_ONE, "1");
	CU_ASSERT_EQUAL(status, DB_OK);
	CU_ASSERT_EQUAL(n_ready_changes, 3);
	close_db();
}

static void drops_open_calls_when_closed(void)
{
	open_db(1, 20, 2000);
	struct answer a[12];
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_OK);
	for (int i = 0; i < 12; i++)
		ask(ADD_ONE, "1", &a[i]);
	close_db();
	n_open = 0;
	for (int i = 0; i < 12; i++)
		CU_ASSERT_EQUAL(a[i].times, 0);
}

static void execute(const char *sql)
{
	PGconn *pg = PQconnectdb(cluster.dsn);
	for (int i = 0; i < 100 && PQstatus(pg) != CONNECTION_OK; i++) {
		usleep(50000);
		PQreset(pg);
	}
	PQclear(PQexec(pg, sql));
	PQfinish(pg);
}

static void serve_schema(int version)
{
	char sql[256];
	snprintf(sql, sizeof(sql),
		 "create schema if not exists provbox; create or replace function "
		 "provbox.schema_serves(int) returns boolean language sql as "
		 "'select $1 <= %d'",
		 version);
	execute(sql);
}

/* Not ready before somebody has made the schema, and has made it the right one. */
static void waits_for_a_schema_that_serves_it(void)
{
	schema_version = 7;
	open_db(2, 20, 1000);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	serve_schema(6);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	CU_ASSERT_FALSE(db_is_ready(db));
	serve_schema(8);
	enum db_status status = DB_UNAVAILABLE;
	for (int i = 0; i < 20 && status != DB_OK; i++)
		status = ask_and_run(ADD_ONE, "1");
	CU_ASSERT_EQUAL(status, DB_OK);
	CU_ASSERT_TRUE(db_is_ready(db));
	/* A connection that is made anew asks again. */
	serve_schema(6);
	execute("select pg_terminate_backend(pid) from pg_stat_activity where "
		"application_name = 'test_db'");
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	close_db();
	schema_version = 0;
}

/* One that is read-only is no better than none, and is asked again until it is not. */
static void waits_while_it_is_read_only(void)
{
	schema_version = 7;
	serve_schema(7);
	execute("alter database postgres set default_transaction_read_only = on");
	open_db(2, 20, 1000);
	n_ready_changes = 0;
	db_on_ready(db, on_ready, NULL);
	CU_ASSERT_EQUAL(ask_and_run(INSERT, "read-only"), DB_UNAVAILABLE);
	CU_ASSERT_EQUAL(n_ready_changes, 0);
	execute("set transaction read write; "
		"alter database postgres reset default_transaction_read_only");
	enum db_status status = DB_UNAVAILABLE;
	for (int i = 0; i < 20 && status != DB_OK; i++)
		status = ask_and_run(INSERT, "read-only");
	CU_ASSERT_EQUAL(status, DB_OK);
	CU_ASSERT_EQUAL(n_ready_changes, 1);
	close_db();
	schema_version = 0;
}

/* Who goes while he is asked has refused nothing: no person must act. */
static void is_not_refused_by_a_server_that_goes(void)
{
	char error[128] = "";
	schema_version = 7;
	execute("create or replace function provbox.schema_serves(int) returns boolean "
		"language plpgsql as $$ begin raise 'the database system is shutting "
		"down' using errcode = '57P01'; end $$");
	log_keep_error(error, sizeof(error));
	open_db(1, 10, 300);
	CU_ASSERT_EQUAL(ask_and_run(ADD_ONE, "1"), DB_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(error, "");
	serve_schema(8);
	enum db_status status = DB_UNAVAILABLE;
	for (int i = 0; i < 20 && status != DB_OK; i++)
		status = ask_and_run(ADD_ONE, "1");
	CU_ASSERT_EQUAL(status, DB_OK);
	close_db();
	log_keep_error(NULL, 0);
	schema_version = 0;
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(answers_calls),
		TEST(answers_calls_without_preparing),
		TEST(carries_bytes),
		TEST(keeps_neighbours_apart),
		TEST(answers_after_the_commit),
		TEST(prepares_again_after_a_failure),
		TEST(reconnects_when_a_plan_is_outdated),
		TEST(refuses_nul_and_overflow),
		TEST(ends_a_call_that_takes_too_long),
		TEST(gives_a_dead_connection_up),
		TEST(never_answers_a_cancelled_call),
		TEST(queues_short_behind_short),
		TEST(queues_nothing_behind_long),
		TEST(queues_nothing_behind_what_is_held_up),
		TEST(survives_a_restart),
		TEST(drops_open_calls_when_closed),
		TEST(waits_for_a_schema_that_serves_it),
		TEST(waits_while_it_is_read_only),
		TEST(is_not_refused_by_a_server_that_goes),
	};
	if (!cluster_open(&cluster)) {
		cluster_close(&cluster);
		puts("db: skipped, no PostgreSQL server found");
		return TEST_SKIPPED;
	}
	do_prepare = true;
	log_open("test_db", LOG_LEVEL_ERROR);
	execute("create table seen (what text)");
	execute("create table once (what text unique deferrable initially deferred)");
	int status = test_main("db", cases, sizeof(cases) / sizeof(cases[0]));
	cluster_close(&cluster);
	return status;
}
