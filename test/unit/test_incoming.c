/*
 * What comes from bearerbox and what becomes of it; link, store and notices are played
 * here. Nothing may be acknowledged before it is stored.
 */
#include "smsc/incoming.h"

#include "smsc/smsc_metrics.h"
#include "smsc/statements.h"
#include "test/unit/test.h"

#define ID     SLICE("4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f")
#define PART   SLICE("5d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f")
#define NO_ACK (-2)
#define TIME   1700000000

/* The one fact that was put into the store last. */
static struct {
	int n;
	bool is_last;    /* by store_put_last() */
	bool is_batched; /* by store_put_batched() */
	enum store_company company;
	size_t statement, n_params;
	char params[STORE_PARAMS_MAX][64];
	bool is_null[STORE_PARAMS_MAX];
	store_fn *fn;
	void *arg;
	size_t waiting; /* what store_count() says */
} stored;

static struct {
	bool is_up;
	uint64_t connection;
	int n_acks, nack;
	bool is_held;
} wire;

static int64_t counted[SMSC_N_METRICS];
static int n_expected;
static struct loop *loop;
static struct window *window;
static struct incoming *incoming;

/* ---- Played ---- */

bool boxlink_is_up(const struct boxlink *link)
{
	(void)link;
	return wire.is_up;
}

uint64_t boxlink_connection(const struct boxlink *link)
{
	(void)link;
	return wire.connection;
}

bool boxlink_send(struct boxlink *link, const struct box_message *message)
{
	(void)link;
	CU_ASSERT_EQUAL(message->type, BOX_ACK);
	CU_ASSERT(slice_eq(message->ack.id, ID));
	CU_ASSERT_EQUAL(message->ack.time, TIME);
	wire.n_acks++;
	wire.nack = message->ack.nack;
	return true;
}

void boxlink_hold(struct boxlink *link)
{
	(void)link;
	wire.is_held = true;
}

void notices_expect(struct notices *notices)
{
	(void)notices;
	n_expected++;
}

size_t store_count(const struct store *store)
{
	(void)store;
	return stored.waiting;
}

void store_put(struct store *store, size_t statement, const struct slice *params,
	       size_t n_params, store_fn *fn, void *arg)
{
	(void)store;
	stored.n++;
	stored.is_last = stored.is_batched = false;
	stored.statement = statement;
	stored.n_params = n_params;
	stored.fn = fn;
	stored.arg = arg;
	for (size_t i = 0; i < n_params; i++) {
		stored.is_null[i] = params[i].p == NULL;
		snprintf(stored.params[i], sizeof(stored.params[i]), "%.*s",
			 (int)params[i].n, params[i].n > 0 ? params[i].p : "");
	}
}

void store_put_batched(struct store *store, size_t statement,
		       const struct slice *params, size_t n_params,
		       enum store_company company, store_fn *fn, void *arg)
{
	store_put(store, statement, params, n_params, fn, arg);
	stored.is_batched = true;
	stored.company = company;
}

void store_put_last(struct store *store, size_t statement, const struct slice *params,
		    size_t n_params, store_fn *fn, void *arg)
{
	store_put(store, statement, params, n_params, fn, arg);
	stored.is_last = true;
}

void metrics_add(size_t metric, int64_t n)
{
	counted[metric] += n;
}

/* ---- Messages ---- */

/* As in the process there is one incoming for all; each test has a new connection. */
static void begin(void)
{
	memset(&stored, 0, sizeof(stored));
	memset(counted, 0, sizeof(counted));
	wire.is_up = true;
	wire.connection++;
	wire.n_acks = 0;
	wire.nack = NO_ACK;
	wire.is_held = false;
	n_expected = 0;
	if (!incoming) {
		loop = loop_new();
		window = window_new(10);
		incoming = incoming_new(loop,
					&(struct incoming_parts){ .window = window });
	}
	window_expire(window, INT64_MAX);
}

static struct box_message sms_of(enum box_sms_type type, struct slice text)
{
	struct box_message message;

	box_init(&message, BOX_SMS);
	message.sms.sms_type = type;
	message.sms.id = ID;
	message.sms.time = TIME;
	message.sms.sender = SLICE("+447700900001");
	message.sms.receiver = SLICE("1234");
	message.sms.smsc_id = SLICE("sim");
	message.sms.coding = BOX_CODING_7BIT;
	message.sms.msgdata = text;
	return message;
}

static void receive(enum box_sms_type type, struct slice text)
{
	struct box_message message = sms_of(type, text);

	incoming_message(incoming, &message);
}

static void receive_report(struct slice reference, int32_t event)
{
	struct box_message message = sms_of(BOX_REPORT_MO, SLICE("stat:DELIVRD"));

	message.sms.dlr_url = reference;
	message.sms.dlr_mask = event;
	incoming_message(incoming, &message);
}

static void receive_ack(enum box_nack nack)
{
	struct box_message message;

	box_init(&message, BOX_ACK);
	message.ack.id = PART;
	message.ack.nack = nack;
	incoming_message(incoming, &message);
}

static void finish(enum store_outcome outcome, struct slice answer)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(stored.fn);
	stored.fn(stored.arg, outcome, answer);
}

/* ---- Tests ---- */

static void acknowledges_a_message_once_it_is_stored(void)
{
	begin();
	receive(BOX_MO, SLICE("YES 4711"));
	CU_ASSERT_EQUAL(stored.statement, STATEMENT_MO);
	/* Never before the acknowledgement that the terms were sent. */
	CU_ASSERT(stored.is_last);
	CU_ASSERT_EQUAL(stored.n_params, 5);
	CU_ASSERT_STRING_EQUAL(stored.params[1], "+447700900001");
	CU_ASSERT_STRING_EQUAL(stored.params[2], "1234");
	CU_ASSERT_STRING_EQUAL(stored.params[4], "YES 4711");
	CU_ASSERT_EQUAL(wire.n_acks, 0);
	finish(STORE_DONE, SLICE("accepted"));
	CU_ASSERT_EQUAL(wire.n_acks, 1);
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(n_expected, 1);
}

static void refuses_what_can_never_be_stored(void)
{
	begin();
	receive(BOX_MO, SLICE("YES 4711"));
	finish(STORE_REFUSED, SLICE(""));
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_FAILED);
	CU_ASSERT_EQUAL(incoming_kept_ms(incoming), 0);
}

/* bearerbox keeps it, and it is known since when, until the next connection. */
static void leaves_with_bearerbox_what_the_database_failed(void)
{
	int64_t before;

	begin();
	before = loop_now_ms(loop);
	CU_ASSERT_EQUAL(incoming_kept_ms(incoming), 0);
	receive(BOX_MO, SLICE("YES 4711"));
	finish(STORE_GIVEN_UP, SLICE(""));
	CU_ASSERT_EQUAL(wire.n_acks, 0);
	CU_ASSERT(incoming_kept_ms(incoming) >= before);
	wire.connection++;
	CU_ASSERT_EQUAL(incoming_kept_ms(incoming), 0);
}

/* What the connection before could not store says nothing of what this one keeps. */
static void knows_what_this_connection_keeps(void)
{
	store_fn *fn;
	void *arg;

	begin();
	receive(BOX_MO, SLICE("YES 4711"));
	fn = stored.fn;
	arg = stored.arg;
	wire.connection++;
	receive(BOX_MO, SLICE("YES 4711"));
	finish(STORE_GIVEN_UP, SLICE(""));
	fn(arg, STORE_GIVEN_UP, SLICE(""));
	CU_ASSERT(incoming_kept_ms(incoming) > 0);
}

/* The new connection has brought it again, and that one is answered. */
static void answers_on_the_connection_that_brought_it(void)
{
	begin();
	receive(BOX_MO, SLICE("YES 4711"));
	wire.connection++;
	finish(STORE_DONE, SLICE("accepted"));
	CU_ASSERT_EQUAL(wire.n_acks, 0);
	receive(BOX_MO, SLICE("YES 4711"));
	wire.is_up = false;
	finish(STORE_DONE, SLICE("accepted"));
	CU_ASSERT_EQUAL(wire.n_acks, 0);
	receive(BOX_MO, SLICE("YES 4711"));
	wire.connection++;
	finish(STORE_GIVEN_UP, SLICE(""));
	CU_ASSERT_EQUAL(incoming_kept_ms(incoming), 0);
}

static void reads_text_in_every_coding(void)
{
	struct box_message message =
		sms_of(BOX_MO, SLICE("\x04\x14\x04\x30")); /* "Да" */

	begin();
	message.sms.coding = BOX_CODING_UCS2;
	incoming_message(incoming, &message);
	CU_ASSERT_STRING_EQUAL(stored.params[4], "Да");
	finish(STORE_DONE, SLICE(""));
	/* What is no UTF-8 does not reach the database. */
	receive(BOX_MO, SLICE("A\xff"));
	CU_ASSERT_STRING_EQUAL(stored.params[4], "A\xef\xbf\xbd");
	finish(STORE_DONE, SLICE(""));
}

static void passes_binary_messages_over(void)
{
	struct box_message message = sms_of(BOX_MO, SLICE("\x01"));

	begin();
	message.sms.coding = BOX_CODING_8BIT;
	incoming_message(incoming, &message);
	CU_ASSERT_EQUAL(stored.n, 0);
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(counted[SMSC_MO_BINARY], 1);
}

/* Half of a message may say the opposite of the whole. */
static void passes_parts_of_longer_messages_over(void)
{
	static const struct {
		struct slice udh;
		bool is_taken;
	} cases[] = {
		{ { "\5\0\3\7\2\1", 6 }, false },
		{ { "\6\10\4\0\7\2\1", 7 }, false },
		{ { "\13\5\4\13\204\43\360\0\3\7\2\1", 12 }, false },
		{ { "\5\0\3\7\1\1", 6 }, true }, /* one part of one */
		{ { "\5\0\3\7", 4 }, true },     /* cut off: no such element */
		{ { "\3\44\1\1", 4 }, true },    /* national language */
		{ { "", 0 }, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct box_message message = sms_of(BOX_MO, SLICE("YES 4711"));

		begin();
		message.sms.udhdata = cases[i].udh;
		incoming_message(incoming, &message);
		CU_ASSERT_EQUAL(stored.n > 0, cases[i].is_taken);
		CU_ASSERT_EQUAL(counted[SMSC_MO_PART], !cases[i].is_taken);
		if (cases[i].is_taken)
			finish(STORE_DONE, SLICE(""));
		CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	}
}

static void refuses_what_is_not_for_a_box(void)
{
	begin();
	receive(BOX_MT_PUSH, SLICE("Hello"));
	CU_ASSERT_EQUAL(stored.n, 0);
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_FAILED);
}

static void stores_a_report_and_makes_room(void)
{
	begin();
	window_add(window, PART, 1, 1000);
	window_acked(window, PART);
	receive_report(PART, BOX_REPORT_DELIVERED);
	CU_ASSERT_EQUAL(window_count(window), 1); /* it is not stored yet */
	CU_ASSERT_EQUAL(stored.statement, STATEMENT_NEWS);
	CU_ASSERT(stored.is_batched);
	CU_ASSERT_FALSE(stored.is_last);
	CU_ASSERT_STRING_EQUAL(stored.params[0], PART.p);
	CU_ASSERT(stored.is_null[1]);
	CU_ASSERT_STRING_EQUAL(stored.params[2], "1");
	CU_ASSERT(stored.is_null[3]);
	CU_ASSERT_STRING_EQUAL(stored.params[4], "stat:DELIVRD");
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_DELIVERED], 1);
	finish(STORE_DONE, SLICE("new"));
	CU_ASSERT_EQUAL(window_count(window), 0);
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(n_expected, 0);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_FOREIGN], 0);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_REPEATED], 0);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_LATE], 0);
}

/* Two that go well may be stored in either order; a failure keeps its place. */
static void lets_join_what_goes_well(void)
{
	static const struct {
		enum box_report event;
		bool may_join;
	} rows[] = {
		{ BOX_REPORT_DELIVERED, true }, { BOX_REPORT_FAILED, false },
		{ BOX_REPORT_BUFFERED, true },  { BOX_REPORT_ACCEPTED, true },
		{ BOX_REPORT_REJECTED, false }, { BOX_REPORT_EXPIRED, false },
		{ BOX_REPORT_UNKNOWN, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		receive_report(PART, rows[i].event);
		CU_ASSERT_EQUAL(stored.company,
				rows[i].may_join ? STORE_JOINS : STORE_ALONE);
		finish(STORE_DONE, SLICE("new"));
	}
}

static void counts_reports_that_change_nothing(void)
{
	begin();
	receive_report(PART, BOX_REPORT_ACCEPTED);
	finish(STORE_DONE, SLICE("repeated"));
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_REPEATED], 1);
	receive_report(PART, BOX_REPORT_DELIVERED);
	finish(STORE_DONE, SLICE("late"));
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_LATE], 1);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_FOREIGN], 0);
}

static void counts_reports_of_no_part_of_ours(void)
{
	begin();
	receive_report((struct slice){ NULL, 0 }, BOX_REPORT_FAILED);
	CU_ASSERT_STRING_EQUAL(stored.params[0], "");
	CU_ASSERT_FALSE(stored.is_null[0]);
	finish(STORE_DONE, SLICE("unknown"));
	CU_ASSERT_EQUAL(wire.nack, BOX_ACK_SUCCESS);
	CU_ASSERT_EQUAL(counted[SMSC_REPORT_FOREIGN], 1);
}

/* A part that bearerbox has waits for its report; one that it refused does not. */
static void stores_acknowledgements(void)
{
	static const struct {
		enum box_nack nack;
		bool is_waiting;
	} rows[] = {
		{ BOX_ACK_SUCCESS, true },
		{ BOX_ACK_BUFFERED, true },
		{ BOX_ACK_FAILED, false },
		{ BOX_ACK_TEMPORARY, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char nack[8];

		begin();
		window_add(window, PART, 1, 1000);
		receive_ack(rows[i].nack);
		CU_ASSERT_EQUAL(window_count(window), rows[i].is_waiting);
		CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), -1);
		CU_ASSERT_EQUAL(stored.statement, STATEMENT_NEWS);
		CU_ASSERT(stored.is_batched && stored.is_null[2]);
		CU_ASSERT_EQUAL(stored.company,
				rows[i].is_waiting ? STORE_AWAITS : STORE_ALONE);
		snprintf(nack, sizeof(nack), "%d", rows[i].nack);
		CU_ASSERT_STRING_EQUAL(stored.params[1], nack);
		CU_ASSERT_EQUAL(counted[SMSC_ACK_SUCCESS + rows[i].nack], 1);
	}
}

static void takes_no_more_than_can_be_stored(void)
{
	begin();
	stored.waiting = STORE_HIGH - 1;
	receive_ack(BOX_ACK_SUCCESS);
	CU_ASSERT_FALSE(wire.is_held);
	stored.waiting = STORE_HIGH;
	receive_ack(BOX_ACK_SUCCESS);
	CU_ASSERT(wire.is_held);
}

TEST_MAIN("incoming", TEST(acknowledges_a_message_once_it_is_stored),
	  TEST(refuses_what_can_never_be_stored),
	  TEST(leaves_with_bearerbox_what_the_database_failed),
	  TEST(knows_what_this_connection_keeps),
	  TEST(answers_on_the_connection_that_brought_it),
	  TEST(reads_text_in_every_coding), TEST(passes_binary_messages_over),
	  TEST(passes_parts_of_longer_messages_over), TEST(lets_join_what_goes_well),
	  TEST(counts_reports_that_change_nothing), TEST(refuses_what_is_not_for_a_box),
	  TEST(stores_a_report_and_makes_room), TEST(counts_reports_of_no_part_of_ours),
	  TEST(stores_acknowledgements), TEST(takes_no_more_than_can_be_stored))
