/*
 * Notices on their way out; database, link and store are played here. Nothing may be
 * sent that is not recorded, and nothing twice.
 */
#include "smsc/notices.h"

#include <string.h>

#include "smsc/smsc_metrics.h"
#include "smsc/statements.h"
#include "test/unit/test.h"

#define CALLS_MAX 8
#define LONG      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Statements without an answer. */
static struct call {
	size_t statement, n_params;
	char params[6][256];
	db_fn *fn;
	void *arg;
} calls[CALLS_MAX];
static size_t n_calls;
static bool is_db_full;

static struct {
	bool is_up, is_full, refuses;
	uint64_t connection;
	int n_sent;
	char receiver[32];
	char text[256];
} wire;

static size_t n_stored; /* what store_count() says */
static char retry_reason[64];
static int64_t counted[SMSC_N_METRICS];

static struct smsc_config config = {
	.box_id = "box",
	.window = 3,
	.lease_ms = 5000,
	.poll_min_ms = 5,
	.poll_max_ms = 20,
};
static struct loop *loop;
static struct window *window;
static struct notices *notices;

/* ---- Played ---- */

struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg)
{
	struct call *call = &calls[n_calls];

	(void)db;
	if (is_db_full)
		return NULL;
	CU_ASSERT_FATAL(n_calls < CALLS_MAX);
	n_calls++;
	*call = (struct call){ .statement = statement, .fn = fn, .arg = arg };
	call->n_params = n_params;
	for (size_t i = 0; i < n_params; i++)
		snprintf(call->params[i], sizeof(call->params[i]), "%.*s", params[i].n,
			 (const char *)params[i].p);
	return (struct db_call *)call;
}

struct db_param db_slice(struct slice s)
{
	return (struct db_param){ s.p, (int)s.n, false };
}

struct db_param db_text(const char *s)
{
	return (struct db_param){ s, (int)strlen(s), false };
}

struct slice db_value(const PGresult *result, int row, int column)
{
	return slice_of(PQgetvalue(result, row, column));
}

size_t store_count(const struct store *store)
{
	(void)store;
	return n_stored;
}

void store_put(struct store *store, size_t statement, const struct slice *params,
	       size_t n_params, store_fn *fn, void *arg)
{
	(void)store;
	(void)fn;
	(void)arg;
	CU_ASSERT_EQUAL(statement, STATEMENT_RETRY);
	CU_ASSERT_EQUAL(n_params, 4);
	CU_ASSERT(slice_eq(params[3], SLICE("true")));
	snprintf(retry_reason, sizeof(retry_reason), "%.*s", (int)params[2].n,
		 params[2].p);
}

bool boxlink_is_up(const struct boxlink *link)
{
	(void)link;
	return wire.is_up;
}

bool boxlink_is_full(const struct boxlink *link)
{
	(void)link;
	return wire.is_full;
}

uint64_t boxlink_connection(const struct boxlink *link)
{
	(void)link;
	return wire.connection;
}

bool boxlink_send(struct boxlink *link, const struct box_message *message)
{
	(void)link;
	if (wire.refuses)
		return false;
	wire.n_sent++;
	snprintf(wire.receiver, sizeof(wire.receiver), "%.*s",
		 (int)message->sms.receiver.n, message->sms.receiver.p);
	snprintf(wire.text, sizeof(wire.text), "%.*s", (int)message->sms.msgdata.n,
		 message->sms.msgdata.p);
	return true;
}

void metrics_add(size_t metric, int64_t n)
{
	counted[metric] += n;
}

/* ---- The database's answers ---- */

static PGresult *make_rows(int n, const char *const *values, int n_columns)
{
	static char name[] = "c";
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[10];

	for (int i = 0; i < n_columns; i++)
		columns[i] = (PGresAttDesc){ .name = name };
	CU_ASSERT_FATAL(PQsetResultAttrs(result, n_columns, columns));
	for (int row = 0; row < n; row++)
		for (int i = 0; i < n_columns; i++)
			CU_ASSERT_FATAL(PQsetvalue(result, row, i, (char *)values[i],
						   (int)strlen(values[i])));
	return result;
}

/* The first statement is answered; it must have been this one. */
static void answer(enum statement statement, enum db_status status, PGresult *result)
{
	struct call call = calls[0];

	CU_ASSERT_FATAL(n_calls > 0);
	CU_ASSERT_EQUAL_FATAL(call.statement, statement);
	memmove(calls, calls + 1, --n_calls * sizeof(calls[0]));
	call.fn(call.arg, status, status == DB_OK ? result : NULL);
	PQclear(result);
}

static void answer_value(enum statement statement, const char *value)
{
	answer(statement, DB_OK, make_rows(1, &value, 1));
}

/* Lease @p n notices with that text, of which the settled parts need nothing. */
static void answer_lease(int n, const char *text, const char *settled)
{
	const char *const row[] = { "1",
				    "6d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f",
				    "+447700900001",
				    "1234",
				    text,
				    "",
				    "7",
				    settled,
				    "60",
				    "1000" };

	answer(STATEMENT_LEASE, DB_OK, make_rows(n, row, 10));
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* As long as a poll may take, and some more. */
static void wait_poll(void)
{
	for (int i = 0; i < 40 && n_calls == 0; i++) {
		usleep(2000);
		turn();
	}
}

/* There is one for the life of the process; each test has a new connection. */
static void begin(void)
{
	if (!notices) {
		loop = loop_new();
		window = window_new(3);
		notices =
			notices_new(loop, &(struct notices_parts){ .config = &config,
								   .name = "box/east",
								   .window = window });
	}
	window_expire(window, INT64_MAX);
	n_calls = n_stored = 0;
	is_db_full = false;
	retry_reason[0] = '\0';
	memset(counted, 0, sizeof(counted));
	memset(&wire, 0, sizeof(wire));
	wire.is_up = true;
	wire.connection = 1;
	notices_link_up(notices);
}

static void end(void)
{
	wire.is_up = false;
	notices_link_down(notices);
	while (n_calls > 0)
		answer((enum statement)calls[0].statement, DB_UNAVAILABLE, NULL);
	CU_ASSERT(notices_are_idle(notices));
}

/* Answer the recovery: nothing is unreported. */
static void answer_unreported(void)
{
	answer(STATEMENT_UNREPORTED, DB_OK, make_rows(0, NULL, 2));
}

/* Up to the first lease. */
static void begin_leasing(void)
{
	begin();
	answer_value(STATEMENT_UNACKED, "0");
	answer_unreported();
	turn();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL_FATAL(calls[0].statement, STATEMENT_LEASE);
}

/* ---- Tests ---- */

/* What was under way comes to rest before it is looked at what was not acknowledged. */
static void recovers_before_it_leases(void)
{
	begin();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].params[0], "box/east");
	notices_link_down(notices);
	n_stored = 1;
	notices_link_up(notices);
	/* The answer to the question before is for the link before. */
	answer_value(STATEMENT_UNACKED, "0");
	CU_ASSERT_EQUAL(n_calls, 0);
	n_stored = 0;
	notices_advance(notices);
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_UNACKED);
	answer_value(STATEMENT_UNACKED, "2");
	answer_unreported();
	turn();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	end();
}

static void recovers_again_when_the_database_fails(void)
{
	begin();
	answer(STATEMENT_UNACKED, DB_UNAVAILABLE, NULL);
	CU_ASSERT_EQUAL(n_calls, 0);
	notices_advance(notices);
	CU_ASSERT_EQUAL(n_calls, 0); /* not at once */
	wait_poll();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_UNACKED);
	end();
}

/* What bearerbox had before this process began takes its place in the window. */
static void counts_what_is_unreported_before_it_leases(void)
{
	static const char *const row[] = { "01234567-89ab-4def-8123-456789abcdef",
					   "60000" };

	begin();
	answer_value(STATEMENT_UNACKED, "0");
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].params[0], "box/east");
	answer(STATEMENT_UNREPORTED, DB_TIMEOUT, NULL);
	wait_poll();
	answer_value(STATEMENT_UNACKED, "0");
	CU_ASSERT_STRING_EQUAL(calls[0].params[1], "3");
	answer(STATEMENT_UNREPORTED, DB_OK, make_rows(1, row, 2));
	CU_ASSERT_EQUAL(window_count(window), 1);
	turn();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	CU_ASSERT_STRING_EQUAL(calls[0].params[1], "2");
	end();
}

/* Else its numbers would go to another. */
static void says_that_it_is_there_while_it_takes_nothing(void)
{
	begin_leasing();
	wire.is_full = true;
	answer(STATEMENT_LEASE, DB_OK, make_rows(0, NULL, 10));
	for (int i = 0; i < 60 && n_calls == 0; i++)
		wait_poll();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	CU_ASSERT_STRING_EQUAL(calls[0].params[1], "0");
	answer(STATEMENT_LEASE, DB_OK, make_rows(0, NULL, 10));
	wait_poll();
	CU_ASSERT_EQUAL(n_calls, 0); /* and not at once again */
	end();
}

static void sends_a_notice_once_it_is_recorded(void)
{
	begin_leasing();
	CU_ASSERT_STRING_EQUAL(calls[0].params[1], "3");
	CU_ASSERT_STRING_EQUAL(calls[0].params[2], "5000");
	answer_lease(1, "Hello", "{}");
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_PARTS);
	CU_ASSERT_STRING_EQUAL(calls[0].params[0], "{\"1\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].params[2], "{\"1\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].params[3], "{\"1\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].params[4], "{\"1\"}");
	CU_ASSERT_EQUAL(wire.n_sent, 0);
	answer_value(STATEMENT_PARTS, "t");
	CU_ASSERT_EQUAL(wire.n_sent, 1);
	CU_ASSERT_STRING_EQUAL(wire.receiver, "+447700900001");
	CU_ASSERT_STRING_EQUAL(wire.text, "Hello");
	CU_ASSERT_EQUAL(window_count(window), 1);
	CU_ASSERT_EQUAL(counted[SMSC_NOTICES], 1);
	end();
}

/* One statement records what was leased together, and says of each whether it may go.
 */
static void sends_of_several_what_is_recorded(void)
{
	static const char *const said[] = { "t", "f", "t" };
	PGresult *rows = make_rows(3, said, 1);

	begin_leasing();
	answer_lease(3, "Hello", "{}");
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].params[2], "{\"1\",\"1\",\"1\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].params[3], "{\"1\",\"2\",\"3\"}");
	for (int i = 0; i < 3; i++)
		CU_ASSERT_FATAL(PQsetvalue(rows, i, 0, (char *)said[i], 1));
	answer(STATEMENT_PARTS, DB_OK, rows);
	CU_ASSERT_EQUAL(wire.n_sent, 2);
	CU_ASSERT_EQUAL(window_count(window), 2);
	CU_ASSERT_EQUAL(counted[SMSC_NOTICES], 2);
	end();
}

/* Fewer rows than notices are no yes for the rest. */
static void sends_nothing_that_is_not_answered(void)
{
	begin_leasing();
	answer_lease(2, "Hello", "{}");
	answer_value(STATEMENT_PARTS, "t");
	CU_ASSERT_EQUAL(wire.n_sent, 1);
	end();
}

/* Each way in which it is not certain that the parts are recorded for this link. */
static void sends_nothing_that_is_not_recorded(void)
{
	for (int i = 0; i < 4; i++) {
		begin_leasing();
		answer_lease(1, "Hello", "{}");
		CU_ASSERT_EQUAL_FATAL(n_calls, 1);
		switch (i) {
		case 0: answer_value(STATEMENT_PARTS, "f"); break;
		case 1: answer(STATEMENT_PARTS, DB_TIMEOUT, NULL); break;
		case 2:
			wire.connection++;
			answer_value(STATEMENT_PARTS, "t");
			break;
		case 3:
			wire.is_up = false;
			answer_value(STATEMENT_PARTS, "t");
			break;
		}
		CU_ASSERT_EQUAL(wire.n_sent, 0);
		CU_ASSERT_EQUAL(window_count(window), 0);
		end();
	}
}

static void sends_the_open_parts_alone(void)
{
	begin_leasing();
	answer_lease(1, LONG LONG LONG, "{1}");
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_STRING_EQUAL(calls[0].params[2], "{\"2\"}");
	CU_ASSERT_STRING_EQUAL(calls[0].params[4], "{\"2\"}");
	answer_value(STATEMENT_PARTS, "t");
	CU_ASSERT_EQUAL(wire.n_sent, 1);
	end();
}

static void skips_a_notice_without_open_parts(void)
{
	begin_leasing();
	answer_lease(1, "Hello", "{1}");
	CU_ASSERT_EQUAL(wire.n_sent, 0);
	turn();
	for (size_t i = 0; i < n_calls; i++)
		CU_ASSERT_NOT_EQUAL(calls[i].statement, STATEMENT_PARTS);
	end();
}

/* The window has three places: two notices of two parts do not go at once. */
static void records_no_more_than_the_window_has_room_for(void)
{
	begin_leasing();
	answer_lease(2, LONG LONG LONG, "{}");
	CU_ASSERT_EQUAL(n_calls, 1);
	answer_value(STATEMENT_PARTS, "t");
	CU_ASSERT_EQUAL(wire.n_sent, 2);
	CU_ASSERT_EQUAL(n_calls, 0);
	window_expire(window, INT64_MAX);
	notices_advance(notices);
	CU_ASSERT_EQUAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_PARTS);
	end();
}

/* Parts that are being recorded have their place already. */
static void counts_what_is_being_recorded(void)
{
	begin_leasing();
	answer_lease(3, "Hello", "{}");
	CU_ASSERT_EQUAL(n_calls, 1);
	usleep(30000);
	turn();
	CU_ASSERT_EQUAL(n_calls, 1);
	end();
}

static void leases_nothing_while_the_link_is_full(void)
{
	begin_leasing();
	wire.is_full = true;
	answer(STATEMENT_LEASE, DB_OK, make_rows(0, NULL, 10));
	wait_poll();
	CU_ASSERT_EQUAL(n_calls, 0);
	wire.is_full = false;
	wait_poll();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	end();
}

/* Ever less often, but never less than poll_max: work comes from elsewhere, too. */
static void goes_on_looking_for_work(void)
{
	begin_leasing();
	for (int i = 0; i < 12; i++) {
		answer(STATEMENT_LEASE, DB_OK, make_rows(0, NULL, 10));
		CU_ASSERT_EQUAL(n_calls, 0);
		wait_poll();
		CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	}
	end();
}

static void looks_for_work_at_once_when_there_is_probably_more(void)
{
	config.poll_min_ms = config.poll_max_ms = 60000;
	begin_leasing();
	answer_lease(3, "Hello", "{1}");
	turn();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	answer_lease(2, "Hello", "{1}");
	turn();
	CU_ASSERT_EQUAL(n_calls, 0);
	config.poll_min_ms = 5;
	config.poll_max_ms = 20;
	notices_expect(notices);
	wait_poll();
	CU_ASSERT_EQUAL(n_calls, 1);
	end();
}

/* A text that no message can carry, and a message that no link takes: never again. */
static void gives_up_what_can_never_be_sent(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin_leasing();
	answer_lease(1, text, "{}");
	CU_ASSERT_STRING_EQUAL(retry_reason, "message_too_long");
	CU_ASSERT_EQUAL(n_calls, 0);
	end();
	begin_leasing();
	wire.refuses = true;
	answer_lease(1, "Hello", "{}");
	answer_value(STATEMENT_PARTS, "t");
	CU_ASSERT_STRING_EQUAL(retry_reason, "message_refused");
	CU_ASSERT_EQUAL(counted[SMSC_NOTICES_UNSENDABLE], 1);
	CU_ASSERT_EQUAL(counted[SMSC_NOTICES], 0);
	end();
}

/* What was leased for a link that broke is found by the recovery. */
static void forgets_what_it_leased_for_a_broken_link(void)
{
	begin_leasing();
	notices_link_down(notices);
	answer_lease(1, "Hello", "{}");
	CU_ASSERT_EQUAL(n_calls, 0);
	CU_ASSERT(notices_are_idle(notices));
	end();
}

static void tries_again_when_the_queue_of_the_database_is_full(void)
{
	begin_leasing();
	is_db_full = true;
	answer_lease(1, "Hello", "{}");
	CU_ASSERT_EQUAL(n_calls, 0);
	wait_poll();
	is_db_full = false;
	wait_poll();
	CU_ASSERT_EQUAL_FATAL(n_calls, 1);
	CU_ASSERT_EQUAL(calls[0].statement, STATEMENT_LEASE);
	end();
}

/* The last: there is no way back. */
static void stops_for_good(void)
{
	begin_leasing();
	notices_stop(notices);
	answer_lease(1, "Hello", "{}");
	notices_link_up(notices);
	wait_poll();
	CU_ASSERT_EQUAL(n_calls, 0);
	CU_ASSERT(notices_are_idle(notices));
}

TEST_MAIN("notices", TEST(recovers_before_it_leases),
	  TEST(recovers_again_when_the_database_fails),
	  TEST(counts_what_is_unreported_before_it_leases),
	  TEST(says_that_it_is_there_while_it_takes_nothing),
	  TEST(sends_a_notice_once_it_is_recorded),
	  TEST(sends_of_several_what_is_recorded),
	  TEST(sends_nothing_that_is_not_answered),
	  TEST(sends_nothing_that_is_not_recorded), TEST(sends_the_open_parts_alone),
	  TEST(skips_a_notice_without_open_parts),
	  TEST(records_no_more_than_the_window_has_room_for),
	  TEST(counts_what_is_being_recorded),
	  TEST(leases_nothing_while_the_link_is_full), TEST(goes_on_looking_for_work),
	  TEST(looks_for_work_at_once_when_there_is_probably_more),
	  TEST(gives_up_what_can_never_be_sent),
	  TEST(forgets_what_it_leased_for_a_broken_link),
	  TEST(tries_again_when_the_queue_of_the_database_is_full),
	  TEST(stops_for_good))
