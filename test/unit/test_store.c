/*
 * Facts on their way into the database, which is played here: calls are kept and
 * answered by the test.
 */
#include "smsc/store.h"

#include "smsc/smsc_metrics.h"
#include "test/unit/test.h"

#define CALLS_MAX  16
#define GIVE_UP_MS 300

struct db_call {
	size_t statement;
	char key[64], second[64];
	db_fn *fn;
	void *arg;
};

static struct db_call calls[CALLS_MAX];
static size_t n_calls;
static bool is_queue_full;
static int64_t unstored, given_up;
static char sqlstate[6];

struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg)
{
	(void)db;
	CU_ASSERT_FATAL(n_calls < CALLS_MAX && n_params > 0);
	if (is_queue_full)
		return NULL;
	struct db_call *call = &calls[n_calls++];
	*call = (struct db_call){ .statement = statement, .fn = fn, .arg = arg };
	memcpy(call->key, params[0].p, (size_t)params[0].n);
	if (n_params > 1 && params[1].p)
		memcpy(call->second, params[1].p, (size_t)params[1].n);
	return call;
}

void db_cancel(struct db_call *call)
{
	call->fn = NULL;
}

struct db_param db_slice(struct slice s)
{
	return (struct db_param){ s.p, (int)s.n, false };
}

struct db_param db_null(void)
{
	return (struct db_param){ NULL, 0, false };
}

struct slice db_value(const PGresult *result, int row, int column)
{
	return slice_of(PQgetvalue(result, row, column));
}

void metrics_add(size_t metric, int64_t n)
{
	if (metric == SMSC_GIVEN_UP)
		given_up += n;
	else
		unstored += n;
}

/* Of the one error that there is. */
char *PQresultErrorField(const PGresult *result, int field)
{
	CU_ASSERT(field == PG_DIAG_SQLSTATE &&
		  PQresultStatus(result) == PGRES_FATAL_ERROR);
	return sqlstate;
}

/* Answer a call, as the database would, with rows. */
static void answer_rows(size_t i, enum db_status status, int n)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	static char name[] = "state", value[] = "accepted";
	PGresAttDesc column = { .name = name };
	CU_ASSERT_FATAL(PQsetResultAttrs(result, 1, &column));
	for (int row = 0; row < n; row++)
		CU_ASSERT_FATAL(PQsetvalue(result, row, 0, value, (int)strlen(value)));
	calls[i].fn(calls[i].arg, status, status == DB_OK ? result : NULL);
	PQclear(result);
}

static void answer(size_t i, enum db_status status)
{
	answer_rows(i, status, 1);
}

/* Answer a call, as the database would, with an error. */
static void fail(size_t i, const char *state)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
	snprintf(sqlstate, sizeof(sqlstate), "%s", state);
	calls[i].fn(calls[i].arg, DB_FAILED, result);
	PQclear(result);
}

static struct loop *loop;
static struct store *store;
static char order[CALLS_MAX + 1];

static void begin(void)
{
	n_calls = 0;
	is_queue_full = false;
	unstored = given_up = 0;
	memset(order, 0, sizeof(order));
	loop = loop_new();
	store = store_new(loop, NULL, GIVE_UP_MS);
}

static void end(void)
{
	store_free(store);
	loop_free(loop);
}

static void on_stored(void *arg, enum store_outcome outcome, struct slice value)
{
	const char *name = arg;
	CU_ASSERT(
		slice_eq(value, outcome == STORE_DONE ? SLICE("accepted") : SLICE("")));
	if (outcome != STORE_DONE)
		order[strlen(order)] = outcome == STORE_REFUSED ? '-' : '?';
	order[strlen(order)] = name[0];
}

static void put(const char *key, const char *name)
{
	const struct slice params[] = { slice_of(key), { NULL, 0 } };
	store_put(store, 7, params, 2, on_stored, (void *)name);
}

static void put_batched(size_t statement, const char *key, const char *name)
{
	const struct slice params[] = { slice_of(key), { NULL, 0 } };
	store_put_batched(store, statement, params, 2, STORE_ALONE, on_stored,
			  (void *)name);
}

static void put_joining(const char *key, const char *name)
{
	const struct slice params[] = { slice_of(key), slice_of(name) };
	store_put_batched(store, 5, params, 2, STORE_JOINS, on_stored, (void *)name);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void run_for(int64_t ms)
{
	struct timer timer;
	timer_init(&timer, loop, stop_loop, loop);
	timer_start(&timer, ms);
	loop_run(loop);
}

static void tells_when_it_is_stored(void)
{
	begin();
	put("part", "a");
	CU_ASSERT_EQUAL(store_count(store), 1);
	CU_ASSERT_EQUAL(unstored, 1);
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, 7);
	answer(0, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "a");
	CU_ASSERT_EQUAL(store_count(store), 0);
	CU_ASSERT_EQUAL(unstored, 0);
	end();
}

/* One thing: one at a time. Two things: side by side. */
static void keeps_the_order_of_one_thing(void)
{
	begin();
	put("part", "a");
	put("part", "b");
	put("other", "x");
	put("part", "c");
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	CU_ASSERT_STRING_EQUAL(calls[1].key, "other");
	answer(1, DB_OK);
	answer(0, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	answer(2, DB_OK);
	answer(3, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "xabc");
	put("part", "d");
	CU_ASSERT_EQUAL(n_calls, 5);
	end();
}

/* An answer waits for the acknowledgements before it, not for those after it. */
static void what_comes_last_overtakes_nothing(void)
{
	const struct slice answers[] = { SLICE("mo"), SLICE("other mo") };
	begin();
	put("part", "a");
	put("other", "b");
	store_put_last(store, 7, &answers[0], 1, on_stored, "m");
	put("third", "c");
	store_put_last(store, 7, &answers[1], 1, on_stored, "n");
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	answer(2, DB_OK);
	answer(1, DB_OK);
	CU_ASSERT_EQUAL(n_calls, 3);
	answer(0, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	CU_ASSERT_STRING_EQUAL(calls[3].key, "mo");
	answer(3, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 5);
	answer(4, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "cbamn");
	CU_ASSERT_EQUAL(store_count(store), 0);
	/* Nothing is before it: it goes at once. */
	store_put_last(store, 7, &answers[0], 1, on_stored, "o");
	CU_ASSERT_EQUAL(n_calls, 6);
	store_put_last(store, 7, &answers[1], 1, on_stored, "p");
	end();
}

static void tries_until_it_is_stored(void)
{
	static const enum db_status passing[] = { DB_UNAVAILABLE, DB_TIMEOUT,
						  DB_UNAVAILABLE };
	begin();
	put("part", "a");
	put("part", "b");
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(n_calls, i + 1);
		answer(i, passing[i]);
		CU_ASSERT_EQUAL(n_calls, i + 1); /* not at once */
		run_for(500);
	}
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	answer(3, DB_OK);
	answer(4, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "ab");
	end();
}

static void says_at_once_what_will_never_be_stored(void)
{
	begin();
	put("part", "a");
	put("part", "b");
	fail(0, "22021");
	fail(1, "23514");
	CU_ASSERT_EQUAL(n_calls, 2);
	CU_ASSERT_STRING_EQUAL(order, "-a-b");
	CU_ASSERT_EQUAL(given_up, 0);
	end();
}

/* Missing functions, errors in them, errors of the database: for a while. */
static void gives_up_what_the_database_fails(void)
{
	static const char *const states[] = { "42883", "P0001", "XX000" };
	const struct slice message[] = { SLICE("mo") };
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		begin();
		put("part", "a");
		store_put_last(store, 7, message, 1, on_stored, "m");
		fail(0, states[i]);
		CU_ASSERT_STRING_EQUAL(order, "");
		run_for(GIVE_UP_MS + 50);
		CU_ASSERT_EQUAL_FATAL(n_calls, 2);
		fail(1, states[i]);
		CU_ASSERT_STRING_EQUAL(order, "?a");
		CU_ASSERT_EQUAL(given_up, 1);
		/* Nothing waits behind it any more. */
		CU_ASSERT_EQUAL_FATAL(n_calls, 3);
		answer(2, DB_OK);
		CU_ASSERT_STRING_EQUAL(order, "?am");
		CU_ASSERT_EQUAL(unstored, 0);
		end();
	}
}

/* Only the time counts in which the database was there. */
static void an_outage_begins_the_time_anew(void)
{
	begin();
	put("part", "a");
	fail(0, "42883");
	run_for(GIVE_UP_MS + 50);
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	answer(1, DB_UNAVAILABLE);
	run_for(250);
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	fail(2, "42883");
	CU_ASSERT_STRING_EQUAL(order, "");
	end();
}

static void tries_again_when_the_queue_is_full(void)
{
	begin();
	is_queue_full = true;
	put("part", "a");
	CU_ASSERT_EQUAL(n_calls, 0);
	is_queue_full = false;
	run_for(150);
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	answer(0, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "a");
	end();
}

/* The first goes at once; what comes meanwhile goes together, each kind for itself. */
static void sends_together_what_comes_meanwhile(void)
{
	begin();
	put_batched(5, "a", "a");
	put_batched(5, "b", "b");
	put_batched(6, "c", "c");
	put_batched(5, "d", "d");
	put_batched(5, "b", "e"); /* of one thing: one at a time */
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].key, "{\"a\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].second, "{NULL}");
	answer(0, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	CU_ASSERT_EQUAL(calls[1].statement, 5);
	CU_ASSERT_STRING_EQUAL(calls[1].key, "{\"b\",\"d\"}");
	CU_ASSERT_STRING_EQUAL(calls[1].second, "{NULL,NULL}");
	answer_rows(1, DB_OK, 2);
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	CU_ASSERT_EQUAL(calls[2].statement, 6);
	answer(2, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	CU_ASSERT_STRING_EQUAL(calls[3].key, "{\"b\"}");
	answer(3, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "abdce");
	CU_ASSERT_EQUAL(unstored, 0);
	end();
}

/* Facts about one thing that may join go together; the others wait for them, and what
 * comes after these waits, too. */
static void joins_what_may_join(void)
{
	begin();
	put_joining("other", "o");
	put_joining("part", "a");
	put_joining("part", "b");
	put_batched(5, "part", "x");
	put_joining("part", "c");
	put_joining("part", "d");
	answer(0, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	CU_ASSERT_STRING_EQUAL(calls[1].second, "{\"a\",\"b\"}");
	answer_rows(1, DB_OK, 2);
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	CU_ASSERT_STRING_EQUAL(calls[2].second, "{NULL}");
	answer(2, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	CU_ASSERT_STRING_EQUAL(calls[3].second, "{\"c\",\"d\"}");
	put_joining("part", "e"); /* these are on their way: it goes next */
	answer_rows(3, DB_OK, 2);
	CU_ASSERT_EQUAL_FATAL(n_calls, 5);
	answer(4, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "oabxcde");
	CU_ASSERT_EQUAL(unstored, 0);
	put_joining("part", "f");
	put_joining("part", "g");
	end();
}

/* What may wait goes with the next about the same thing, or when it has waited. */
static void waits_a_little_for_company(void)
{
	const struct slice early[] = { SLICE("part"), SLICE("a") };
	const struct slice lonely[] = { SLICE("other"), SLICE("x") };
	begin();
	store_put_batched(store, 5, early, 2, STORE_AWAITS, on_stored, "a");
	store_put_batched(store, 5, lonely, 2, STORE_AWAITS, on_stored, "x");
	CU_ASSERT_EQUAL(n_calls, 0);
	put_joining("part", "b");
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].second, "{\"a\",\"b\"}");
	answer_rows(0, DB_OK, 2);
	CU_ASSERT_EQUAL(n_calls, 1);
	run_for(150);
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	CU_ASSERT_STRING_EQUAL(calls[1].second, "{\"x\"}");
	answer(1, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "abx");
	CU_ASSERT_EQUAL(unstored, 0);
	store_put_batched(store, 5, early, 2, STORE_AWAITS, on_stored, "c");
	end();
	CU_ASSERT_STRING_EQUAL(order, "abx");
}

/* One that the database will never take fails no other. */
static void judges_each_of_a_batch_for_itself(void)
{
	begin();
	put_batched(5, "first", "1");
	put_batched(5, "bad", "x");
	put_batched(5, "good", "y");
	answer(0, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 2);
	fail(1, "22P02");
	CU_ASSERT_STRING_EQUAL(order, "1");
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	CU_ASSERT_STRING_EQUAL(calls[2].key, "{\"bad\"}");
	put_batched(5, "later", "z");
	fail(2, "22P02");
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	CU_ASSERT_STRING_EQUAL(calls[3].key, "{\"good\"}");
	answer(3, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 5);
	answer(4, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "1-xyz");
	end();
}

static void tries_a_batch_again_after_an_outage(void)
{
	begin();
	put_batched(5, "first", "1");
	put_batched(5, "a", "a");
	put_batched(5, "b", "b");
	answer(0, DB_OK);
	answer(1, DB_UNAVAILABLE);
	CU_ASSERT_EQUAL(n_calls, 2);
	run_for(150);
	CU_ASSERT_EQUAL_FATAL(n_calls, 3);
	answer(2, DB_OK);
	CU_ASSERT_EQUAL_FATAL(n_calls, 4);
	answer(3, DB_OK);
	CU_ASSERT_STRING_EQUAL(order, "1ab");
	is_queue_full = true;
	put_batched(5, "c", "c");
	is_queue_full = false;
	run_for(150);
	CU_ASSERT_EQUAL_FATAL(n_calls, 5);
	put_batched(5, "d", "d");
	end(); /* with one on its way, and one that waits for it */
	CU_ASSERT_PTR_NULL(calls[4].fn);
}

static void drops_everything_at_the_end(void)
{
	begin();
	put("part", "a");
	put("part", "b");
	put("other", "c");
	answer(1, DB_UNAVAILABLE);
	end();
	CU_ASSERT_PTR_NULL(calls[0].fn);
	CU_ASSERT_STRING_EQUAL(order, "");
}

TEST_MAIN("store", TEST(tells_when_it_is_stored), TEST(keeps_the_order_of_one_thing),
	  TEST(what_comes_last_overtakes_nothing), TEST(tries_until_it_is_stored),
	  TEST(says_at_once_what_will_never_be_stored),
	  TEST(gives_up_what_the_database_fails), TEST(an_outage_begins_the_time_anew),
	  TEST(tries_again_when_the_queue_is_full),
	  TEST(sends_together_what_comes_meanwhile), TEST(joins_what_may_join),
	  TEST(waits_a_little_for_company), TEST(judges_each_of_a_batch_for_itself),
	  TEST(tries_a_batch_again_after_an_outage), TEST(drops_everything_at_the_end))
