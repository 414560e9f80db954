#include "smsc/notices.h"

#include <stdlib.h>

#include "base/log.h"
#include "smsc/array.h"
#include "smsc/notice.h"
#include "smsc/smsc_metrics.h"
#include "smsc/statements.h"

/* Leased at once; all of them wait here when the window is full. */
#define LEASE_MAX 100

/* A link whose window is full still says so often that it is there. */
#define PRESENCE_MS 1000

enum notices_state {
	NOTICES_IDLE,       /* bearerbox is not there, or we are ending */
	NOTICES_SETTLING,   /* what was under way comes to rest */
	NOTICES_RECOVERING, /* what was never acknowledged is made due again */
	NOTICES_COUNTING,   /* what has no report is asked for */
	NOTICES_RUNNING,
};

STAILQ_HEAD(queue, notice);

struct notices {
	struct loop *loop;
	struct notices_parts p;
	enum notices_state state;
	struct queue queue; /* leased, waiting for room in the window */
	size_t n_calls;     /* statements of ours without an answer */
	size_t n_reserved;  /* parts being recorded */
	bool is_leasing;
	bool is_stopped;
	int64_t limit; /* of the last lease */
	int64_t poll_ms;
	int64_t leased_ms; /* when it was last asked for */
	struct timer poll;
};

static void set_state(struct notices *notices, enum notices_state state)
{
	static const char *const names[] = {
		[NOTICES_IDLE] = "idle",
		[NOTICES_SETTLING] = "settling",
		[NOTICES_RECOVERING] = "recovering",
		[NOTICES_COUNTING] = "counting",
		[NOTICES_RUNNING] = "running",
	};
	log_debug("notices_state", log_str("from", names[notices->state]),
		  log_str("to", names[state]));
	notices->state = state;
}

static size_t room(const struct notices *notices)
{
	size_t free_parts = window_room(notices->p.window);
	return free_parts > notices->n_reserved ? free_parts - notices->n_reserved : 0;
}

/* Ask the database; counts what has no answer yet. */
static bool ask(struct notices *notices, enum statement statement,
		const struct db_param *params, size_t n_params, db_fn *fn, void *arg)
{
	if (!db_call(notices->p.db, statement, params, n_params, fn, arg))
		return false;
	notices->n_calls++;
	return true;
}

/* The notice cannot be sent as it is, now or ever; its reason is for the database. */
static void refuse(struct notices *notices, const struct notice *notice)
{
	const struct slice params[] = { slice_of(notice->id), slice_of(notice->token),
					slice_of(notice->problem),
					notice->is_hopeless ? SLICE("true")
							    : SLICE("false") };
	log_error("notice_unsendable", log_str("notice", notice->id),
		  log_str("reason", notice->problem), log_str("why", notice->why));
	metrics_add(SMSC_NOTICES_UNSENDABLE, 1);
	store_put(notices->p.store, STATEMENT_RETRY, params, 4, NULL, NULL);
}

/* ---- sending ---- */

static void send_parts(struct notices *notices, struct notice *notice)
{
	const struct smsc_config *config = notices->p.config;
	int64_t now_ms = loop_now_ms(notices->loop);
	for (size_t i = 0; i < notice->n_open; i++) {
		struct box_message message;
		notice_message(notice, i, slice_of(config->box_id), &message);
		if (!boxlink_send(notices->p.link, &message)) {
			notice->problem = "message_refused";
			notice->why = "frame_refused";
			notice->is_hopeless = true;
			refuse(notices, notice);
			return;
		}
		window_add(notices->p.window, message.sms.id, now_ms,
			   now_ms + notice->validity_s * 1000);
		metrics_add(SMSC_PARTS, 1);
	}
	metrics_add(SMSC_NOTICES, 1);
	log_info("notice_sent", log_str("notice", notice->id),
		 log_masked("to", notice->msisdn),
		 log_num("parts", (int64_t)notice->n_open),
		 log_num("of", (int64_t)notice->text.n));
}

/* Notices that are being recorded by one statement. */
struct recording {
	struct notices *notices;
	struct queue queue;
	size_t n_parts;
	uint64_t connection; /* of the link, when they were */
};

static void drop(struct queue *queue)
{
	struct notice *notice;
	while ((notice = STAILQ_FIRST(queue))) {
		STAILQ_REMOVE_HEAD(queue, link);
		notice_free(notice);
	}
}

static bool is_recorded(enum db_status status, const PGresult *result, int row)
{
	return status == DB_OK && row < PQntuples(result) &&
	       slice_eq(db_value(result, row, 0), SLICE("t"));
}

static void on_recorded(void *arg, enum db_status status, const PGresult *result)
{
	struct recording *recording = arg;
	struct notices *notices = recording->notices;
	struct notice *notice;
	int row = 0;
	notices->n_calls--;
	notices->n_reserved -= recording->n_parts;
	/* Without a certain yes nothing is sent: the lease runs out and the notice
	 * comes again. A link that broke meanwhile has a recovery of its own. */
	STAILQ_FOREACH (notice, &recording->queue, link)
		if (is_recorded(status, result, row++) &&
		    boxlink_is_up(notices->p.link) &&
		    boxlink_connection(notices->p.link) == recording->connection)
			send_parts(notices, notice);
	drop(&recording->queue);
	free(recording);
	notices_advance(notices);
}

static bool record(struct recording *recording)
{
	struct array ids = { 0 }, tokens = { 0 }, totals = { 0 };
	struct array of = { 0 }, seqs = { 0 }, uuids = { 0 };
	struct array *const arrays[] = { &ids, &tokens, &totals, &of, &seqs, &uuids };
	struct db_param params[sizeof(arrays) / sizeof(arrays[0])];
	const size_t n_params = sizeof(arrays) / sizeof(arrays[0]);
	struct notice *notice;
	int64_t nth = 0;
	STAILQ_FOREACH (notice, &recording->queue, link) {
		nth++;
		array_add(&ids, slice_of(notice->id));
		array_add(&tokens, slice_of(notice->token));
		array_add_number(&totals, (int64_t)notice->text.n);
		for (size_t i = 0; i < notice->n_open; i++) {
			array_add_number(&of, nth);
			array_add_number(&seqs, notice->open[i]);
			array_add(&uuids, slice_of(notice->uuid[i]));
		}
	}
	for (size_t i = 0; i < n_params; i++)
		params[i] = db_slice(array_literal(arrays[i]));
	bool is_asked = ask(recording->notices, STATEMENT_PARTS, params, n_params,
			    on_recorded, recording);
	for (size_t i = 0; i < n_params; i++)
		array_free(arrays[i]);
	return is_asked;
}

/* Record what fits into the window, in the order in which it was leased. */
static void record_queued(struct notices *notices)
{
	struct notice *notice = STAILQ_FIRST(&notices->queue);
	if (!notice || notice->n_open > room(notices))
		return;
	struct recording *recording = calloc(1, sizeof(*recording));
	BUG_ON(!recording);
	recording->notices = notices;
	recording->connection = boxlink_connection(notices->p.link);
	STAILQ_INIT(&recording->queue);
	while ((notice = STAILQ_FIRST(&notices->queue)) &&
	       notice->n_open <= room(notices)) {
		STAILQ_REMOVE_HEAD(&notices->queue, link);
		STAILQ_INSERT_TAIL(&recording->queue, notice, link);
		recording->n_parts += notice->n_open;
		notices->n_reserved += notice->n_open;
	}
	if (record(recording))
		return;
	notices->n_reserved -= recording->n_parts;
	drop(&recording->queue);
	free(recording);
}

/* ---- leasing ---- */

static void take_row(struct notices *notices, const PGresult *result, int row)
{
	struct notice *notice = notice_new(notices->p.keys, result, row);
	if (notice->problem) {
		refuse(notices, notice);
		notice_free(notice);
	} else if (notice->n_open == 0) {
		notice_free(notice);
	} else {
		STAILQ_INSERT_TAIL(&notices->queue, notice, link);
	}
}

static void poll_again(struct notices *notices, int n_rows)
{
	const struct smsc_config *config = notices->p.config;
	if (n_rows > 0)
		notices->poll_ms = config->poll_min_ms;
	else if (notices->poll_ms * 2 <= config->poll_max_ms)
		notices->poll_ms *= 2;
	else
		notices->poll_ms = config->poll_max_ms;
	/* There is probably more where this came from. */
	timer_start(&notices->poll,
		    n_rows > 0 && n_rows >= notices->limit ? 0 : notices->poll_ms);
}

static void on_leased(void *arg, enum db_status status, const PGresult *result)
{
	struct notices *notices = arg;
	int n_rows = status == DB_OK ? PQntuples(result) : 0;
	notices->n_calls--;
	notices->is_leasing = false;
	/* What was leased for a link that broke is found by its recovery. */
	if (notices->state == NOTICES_RUNNING) {
		for (int row = 0; row < n_rows; row++)
			take_row(notices, result, row);
		poll_again(notices, n_rows);
	}
	notices_advance(notices);
}

/* @p n: at most so many; 0 says that we are there. */
static void lease(struct notices *notices, size_t n)
{
	const struct smsc_config *config = notices->p.config;
	char limit[24], lease_ms[24];
	snprintf(limit, sizeof(limit), "%zu", n);
	snprintf(lease_ms, sizeof(lease_ms), "%lld", (long long)config->lease_ms);
	const struct db_param params[] = { db_text(notices->p.name), db_text(limit),
					   db_text(lease_ms) };
	notices->limit = (int64_t)n;
	notices->leased_ms = loop_now_ms(notices->loop);
	notices->is_leasing =
		ask(notices, STATEMENT_LEASE, params, 3, on_leased, notices);
	if (!notices->is_leasing)
		timer_start(&notices->poll, config->poll_max_ms);
}

/* The database could not be asked: once more, from the beginning. */
static void recover_later(struct notices *notices)
{
	set_state(notices, NOTICES_SETTLING);
	timer_start(&notices->poll, notices->p.config->poll_max_ms);
}

/* bearerbox has these still, perhaps since before we began. */
static void on_unreported(void *arg, enum db_status status, const PGresult *result)
{
	struct notices *notices = arg;
	int64_t now_ms = loop_now_ms(notices->loop);
	notices->n_calls--;
	if (notices->state != NOTICES_COUNTING) {
		notices_advance(notices);
		return;
	}
	if (status != DB_OK) {
		recover_later(notices);
		return;
	}
	for (int row = 0; row < PQntuples(result); row++) {
		uint64_t left_ms;
		if (slice_to_u64(db_value(result, row, UNREPORTED_LEFT_MS), INT64_MAX,
				 &left_ms))
			window_restore(notices->p.window,
				       db_value(result, row, UNREPORTED_UUID),
				       now_ms + (int64_t)left_ms);
	}
	set_state(notices, NOTICES_RUNNING);
	notices->poll_ms = notices->p.config->poll_min_ms;
	timer_start(&notices->poll, 0);
}

static void on_unacked(void *arg, enum db_status status, const PGresult *result)
{
	struct notices *notices = arg;
	char limit[24];
	notices->n_calls--;
	if (notices->state != NOTICES_RECOVERING) {
		notices_advance(notices);
		return;
	}
	if (status == DB_OK && !slice_eq(db_value(result, 0, 0), SLICE("0")))
		log_info("notices_again", log_slice("due", db_value(result, 0, 0)));
	snprintf(limit, sizeof(limit), "%lld", (long long)notices->p.config->window);
	const struct db_param params[] = { db_text(notices->p.name), db_text(limit) };
	if (status == DB_OK &&
	    ask(notices, STATEMENT_UNREPORTED, params, 2, on_unreported, notices))
		set_state(notices, NOTICES_COUNTING);
	else
		recover_later(notices);
}

static void recover(struct notices *notices)
{
	const struct db_param params[] = { db_text(notices->p.name) };
	if (ask(notices, STATEMENT_UNACKED, params, 1, on_unacked, notices))
		set_state(notices, NOTICES_RECOVERING);
	else
		timer_start(&notices->poll, notices->p.config->poll_max_ms);
}

void notices_advance(struct notices *notices)
{
	switch (notices->state) {
	case NOTICES_IDLE:
	case NOTICES_RECOVERING:
	case NOTICES_COUNTING: break;
	case NOTICES_SETTLING:
		if (notices->n_calls == 0 && store_count(notices->p.store) == 0 &&
		    !timer_is_pending(&notices->poll))
			recover(notices);
		break;
	case NOTICES_RUNNING: record_queued(notices); break;
	}
}

static void on_poll(void *arg)
{
	struct notices *notices = arg;
	if (notices->state != NOTICES_RUNNING) {
		notices_advance(notices);
		return;
	}
	size_t n = room(notices) < LEASE_MAX ? room(notices) : LEASE_MAX;
	bool can_take = STAILQ_EMPTY(&notices->queue) && n > 0 &&
			!boxlink_is_full(notices->p.link);
	bool is_presence_due =
		loop_now_ms(notices->loop) - notices->leased_ms >= PRESENCE_MS;
	if (!notices->is_leasing && (can_take || is_presence_due))
		lease(notices, can_take ? n : 0);
	else
		timer_start(&notices->poll, notices->p.config->poll_min_ms);
}

/* ---- interface ---- */

struct notices *notices_new(struct loop *loop, const struct notices_parts *parts)
{
	struct notices *notices = calloc(1, sizeof(*notices));
	BUG_ON(!notices);
	notices->loop = loop;
	notices->p = *parts;
	notices->state = NOTICES_IDLE;
	notices->poll_ms = parts->config->poll_min_ms;
	STAILQ_INIT(&notices->queue);
	timer_init(&notices->poll, loop, on_poll, notices);
	return notices;
}

void notices_link_up(struct notices *notices)
{
	if (notices->is_stopped)
		return;
	set_state(notices, NOTICES_SETTLING);
	notices_advance(notices);
}

void notices_link_down(struct notices *notices)
{
	timer_cancel(&notices->poll);
	drop(&notices->queue);
	set_state(notices, NOTICES_IDLE);
}

void notices_expect(struct notices *notices)
{
	notices->poll_ms = notices->p.config->poll_min_ms;
	if (notices->state == NOTICES_RUNNING && !notices->is_leasing)
		timer_start(&notices->poll, notices->poll_ms);
}

void notices_stop(struct notices *notices)
{
	notices->is_stopped = true;
	notices_link_down(notices);
}

bool notices_are_idle(const struct notices *notices)
{
	return notices->n_calls == 0;
}
