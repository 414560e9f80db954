#include "base/db_private.h"

#include <stdlib.h>

#include "base/dsn.h"
#include "base/log.h"

#define RETRY_FIRST_MS 50
#define RETRY_CAP_MS   1000
#define REASON_BYTES   256

static void backend_down(struct backend *b, const char *why);
static void backend_use(struct backend *b);

/* ---- Sending ---- */

/* The connection broke under a caller of ours; what follows waits for the loop. */
static void backend_break(struct backend *b)
{
	if (b->state == BACKEND_READY)
		b->state = BACKEND_BROKEN;
	timer_start(&b->timer, 0);
}

static void backend_flush(struct backend *b)
{
	int left = PQflush(b->pg);
	if (left < 0)
		backend_break(b);
	else if (left > 0)
		event_add(&b->writable, NULL);
	else
		event_del(&b->writable);
}

static bool send_statement(struct backend *b, struct db_call *call)
{
	const struct db_statement *s = &b->db->settings.statements[call->statement];
	if (!b->db->settings.prepare)
		return PQsendQueryParams(b->pg, s->sql, call->n_params, NULL,
					 call->values, call->lengths, call->formats,
					 s->is_binary);
	if (!b->is_prepared[call->statement]) {
		if (!PQsendPrepare(b->pg, s->name, s->sql, 0, NULL))
			return false;
		b->is_prepared[call->statement] = true;
		call->is_preparing = true;
	}
	return PQsendQueryPrepared(b->pg, s->name, call->n_params, call->values,
				   call->lengths, call->formats, s->is_binary);
}

void backend_send(struct backend *b, struct db_call *call)
{
	call->backend = b;
	call->sent_ms = loop_now_ms(b->db->loop);
	TAILQ_INSERT_TAIL(&b->in_flight, call, entry);
	b->n_in_flight++;
	if (send_statement(b, call) && PQpipelineSync(b->pg))
		backend_flush(b);
	else
		backend_break(b);
}

/* ---- Receiving ---- */

/* SQLSTATEs that say nothing about the statement: Appendix A of PostgreSQL. */
static enum db_status status_of_error(const char *sqlstate)
{
	static const struct {
		const char *prefix;
		enum db_status status;
	} table[] = {
		{ "57014", DB_TIMEOUT },     /* query_canceled: statement_timeout */
		{ "08", DB_UNAVAILABLE },    /* connection exception */
		{ "53", DB_UNAVAILABLE },    /* insufficient resources */
		{ "57P", DB_UNAVAILABLE },   /* shutdown, crash of a neighbour */
		{ "40", DB_UNAVAILABLE },    /* deadlock, serialization */
		{ "55P03", DB_UNAVAILABLE }, /* lock_not_available */
		{ "25006", DB_UNAVAILABLE }, /* read-only: no longer the primary */
		{ "26000", DB_UNAVAILABLE }, /* prepared statement is gone */
		{ "0A000", DB_UNAVAILABLE }, /* its plan has another result type now */
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
			return table[i].status;
	return DB_FAILED;
}

/* Whether another connection would do better. */
static bool is_stale_error(const char *sqlstate)
{
	return strcmp(sqlstate, "25006") == 0 || strcmp(sqlstate, "26000") == 0 ||
	       strcmp(sqlstate, "0A000") == 0;
}

static enum db_status call_judge(struct db_call *call)
{
	ExecStatusType type = PQresultStatus(call->result);
	if (type == PGRES_TUPLES_OK || type == PGRES_COMMAND_OK)
		return DB_OK;
	const char *sqlstate = PQresultErrorField(call->result, PG_DIAG_SQLSTATE);
	if (!sqlstate) /* made by libpq itself: the connection is at fault */
		return DB_UNAVAILABLE;
	call->backend->is_stale |= is_stale_error(sqlstate);
	enum db_status status = status_of_error(sqlstate);
	if (status != DB_FAILED)
		return status;
	/* Class 22 repeats the value that was wrong, which may be personal. */
	const char *message = PQresultErrorField(call->result, PG_DIAG_MESSAGE_PRIMARY);
	log_error("db_failed",
		  log_str("statement",
			  call->db->settings.statements[call->statement].name),
		  log_str("sqlstate", sqlstate),
		  log_str("message", strncmp(sqlstate, "22", 2) == 0 ? NULL : message));
	return DB_FAILED;
}

/* The Sync of the oldest call is here: its transaction is over. */
static void backend_finish(struct backend *b)
{
	struct db_call *call = TAILQ_FIRST(&b->in_flight);
	TAILQ_REMOVE(&b->in_flight, call, entry);
	b->n_in_flight--;
	struct db_call *next = TAILQ_FIRST(&b->in_flight);
	if (next && !next->fn)
		timer_start(&b->timer, b->db->settings.timeout_ms);
	else
		timer_cancel(&b->timer);
	if (call->is_preparing)
		b->is_prepared[call->statement] = false;
	db_call_tell(call, call_judge(call));
	db_call_free(call);
}

/* One result of the oldest call: of its Prepare, of the statement, or its Sync. The
 * first error stays; an answer of the statement replaces that of the Prepare. */
static void backend_take(struct backend *b, PGresult *result)
{
	struct db_call *call = TAILQ_FIRST(&b->in_flight);
	ExecStatusType type = PQresultStatus(result);
	bool has_failed =
		call->result && PQresultStatus(call->result) == PGRES_FATAL_ERROR;
	if (type == PGRES_PIPELINE_SYNC) {
		PQclear(result);
		backend_finish(b);
	} else if (has_failed || type == PGRES_PIPELINE_ABORTED) {
		PQclear(result);
	} else {
		if (type != PGRES_FATAL_ERROR)
			call->is_preparing = false;
		PQclear(call->result);
		call->result = result;
	}
}

/* ---- Whether the server is one to work with ---- */

/* What libpq says is lines with indents, the last one ended too; a log value is one. */
static const char *one_line(const char *message, char *out, size_t size)
{
	size_t n = 0;
	for (const char *p = message; *p && n + 1 < size; p++) {
		bool is_space = strchr(" \t\r\n", *p) != NULL;
		if (!is_space)
			out[n++] = *p;
		else if (n > 0 && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	if (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static void backend_ask(struct backend *b)
{
	char version[16];
	const char *values[] = { version };
	snprintf(version, sizeof(version), "%d", b->db->settings.schema_version);
	b->state = BACKEND_ASKING;
	if (PQsendQueryParams(b->pg,
			      "select provbox.schema_serves($1::int), "
			      "current_setting('transaction_read_only')",
			      1, NULL, values, NULL, NULL, 0) &&
	    PQpipelineSync(b->pg))
		backend_flush(b);
	else
		backend_break(b);
}

/* The server went while it was asked, or has no time: the schema may be right. */
static bool is_passing(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	ExecStatusType type = PQresultStatus(result);
	return type == PGRES_FATAL_ERROR &&
	       (!sqlstate || status_of_error(sqlstate) != DB_FAILED);
}

/* What is wrong with the schema, and what to do; NULL: nothing. */
static const char *schema_fault(const PGresult *result)
{
	static const struct {
		const char *sqlstate, *fault;
	} table[] = {
		{ "3F000", "there is no schema; run `provctl db init`" },
		{ "42883", "the schema is too old; run `provctl db upgrade`" },
		{ "42501", "the role may not use the schema; run `provctl db init`" },
	};
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
		return strcmp(PQgetvalue(result, 0, 0), "t") == 0
			       ? NULL
			       : "the schema is of a version that does not serve this "
				 "program; run `provctl db status`";
	for (size_t i = 0; sqlstate && i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(sqlstate, table[i].sqlstate) == 0)
			return table[i].fault;
	return PQresultErrorMessage(result);
}

/* A standby, or a primary that was told to take nothing: it would fail call after call,
 * and each would cost a connection. It may be a primary again by itself. */
static bool is_read_only(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK &&
	       strcmp(PQgetvalue(result, 0, 1), "on") == 0;
}

static void log_refusal(struct db *db, const char *fault)
{
	char line[REASON_BYTES];
	if (!db->is_refusal_logged)
		log_error("schema_refused",
			  log_num("version", db->settings.schema_version),
			  log_str("why", one_line(fault, line, sizeof(line))));
	db->is_refusal_logged = true;
}

/* The answer, the end of its results, and the Sync. */
static void backend_hear(struct backend *b)
{
	while (b->state == BACKEND_ASKING && !PQisBusy(b->pg)) {
		PGresult *result = PQgetResult(b->pg);
		ExecStatusType type = PQresultStatus(result);
		const char *fault = NULL;
		if (result && type != PGRES_PIPELINE_SYNC)
			fault = schema_fault(result);
		if (fault && is_passing(result)) {
			backend_down(b, fault);
		} else if (fault) {
			log_refusal(b->db, fault);
			backend_down(b, "schema_refused");
		} else if (is_read_only(result)) {
			backend_down(b, "the database is read-only");
		} else if (type == PGRES_PIPELINE_SYNC) {
			backend_use(b);
		}
		PQclear(result);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	struct backend *b = arg;
	if (!PQconsumeInput(b->pg)) {
		backend_down(b, PQerrorMessage(b->pg));
		return;
	}
	backend_hear(b);
	/* NULL ends the results of one command; two of them, that nothing is there. */
	for (int n_null = 0; b->state == BACKEND_READY && b->n_in_flight > 0 &&
			     n_null < 2 && !PQisBusy(b->pg);) {
		PGresult *result = PQgetResult(b->pg);
		n_null = result ? 0 : n_null + 1;
		if (result)
			backend_take(b, result);
	}
	if (b->state != BACKEND_READY)
		return;
	if (PQstatus(b->pg) == CONNECTION_BAD)
		backend_down(b, PQerrorMessage(b->pg));
	else if (b->is_stale && b->n_in_flight == 0)
		backend_down(b, "stale");
	else
		backend_flush(b);
	db_send_waiting(b->db);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	backend_flush(arg);
}

/* ---- Connecting ---- */

/* Stop watching the socket: libpq may close it in its next call. */
static void backend_unwatch(struct backend *b)
{
	if (b->has_events) {
		event_del(&b->readable);
		event_del(&b->writable);
	}
	b->has_events = false;
}

static void backend_watch(struct backend *b, event_callback_fn on_read,
			  event_callback_fn on_write)
{
	struct event_base *base = loop_base(b->db->loop);
	int fd = PQsocket(b->pg);
	event_assign(&b->readable, base, fd, EV_READ | EV_PERSIST, on_read, b);
	event_assign(&b->writable, base, fd, EV_WRITE | EV_PERSIST, on_write, b);
	b->has_events = true;
}

static void on_notice(void *arg, const char *message)
{
	char line[REASON_BYTES];
	(void)arg;
	log_debug("db_notice",
		  log_str("message", one_line(message, line, sizeof(line))));
}

static void backend_use(struct backend *b)
{
	timer_cancel(&b->timer);
	b->state = BACKEND_READY;
	b->retry_ms = RETRY_FIRST_MS;
	b->db->is_refusal_logged = false;
	db_ready_changed(b->db, +1, NULL);
	db_send_waiting(b->db);
}

static void backend_ready(struct backend *b)
{
	backend_unwatch(b);
	if (PQsetnonblocking(b->pg, 1) != 0 || !PQenterPipelineMode(b->pg)) {
		backend_down(b, PQerrorMessage(b->pg));
		return;
	}
	backend_watch(b, on_readable, on_writable);
	event_add(&b->readable, NULL);
	if (b->db->settings.schema_version > 0)
		backend_ask(b);
	else
		backend_use(b);
}

static void on_connecting(evutil_socket_t fd, short what, void *arg);

static void backend_poll(struct backend *b)
{
	backend_unwatch(b);
	PostgresPollingStatusType next = PQconnectPoll(b->pg);
	if (next == PGRES_POLLING_OK) {
		backend_ready(b);
	} else if (next == PGRES_POLLING_FAILED) {
		backend_down(b, PQerrorMessage(b->pg));
	} else {
		backend_watch(b, on_connecting, on_connecting);
		event_add(next == PGRES_POLLING_READING ? &b->readable : &b->writable,
			  NULL);
	}
}

static void on_connecting(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	backend_poll(arg);
}

static void backend_connect(struct backend *b)
{
	memset(b->is_prepared, 0, b->db->settings.n_statements * sizeof(bool));
	b->is_stale = false;
	b->state = BACKEND_CONNECTING;
	timer_start(&b->timer, b->db->settings.timeout_ms);
	b->pg = dsn_connect(b->db->settings.dsn, b->db->settings.application_name,
			    b->db->settings.prepare ? b->db->settings.timeout_ms : 0);
	if (!b->pg || PQstatus(b->pg) == CONNECTION_BAD) {
		backend_down(b, b->pg ? PQerrorMessage(b->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(b->pg, on_notice, NULL);
	backend_watch(b, on_connecting, on_connecting);
	event_add(&b->writable, NULL);
}

/* Close, tell everyone who waited for it, and try again later. */
static void backend_down(struct backend *b, const char *why)
{
	bool was_ready = b->state == BACKEND_READY || b->state == BACKEND_BROKEN;
	char reason[REASON_BYTES];
	one_line(why, reason, sizeof(reason)); /* it may live in the PGconn */
	backend_unwatch(b);
	PQfinish(b->pg);
	b->pg = NULL;
	b->state = BACKEND_DOWN;
	timer_start(&b->timer, b->retry_ms);
	b->retry_ms = b->retry_ms * 2 < RETRY_CAP_MS ? b->retry_ms * 2 : RETRY_CAP_MS;
	db_ready_changed(b->db, was_ready ? -1 : 0, reason);

	struct db_call *call;
	while ((call = TAILQ_FIRST(&b->in_flight))) {
		TAILQ_REMOVE(&b->in_flight, call, entry);
		b->n_in_flight--;
		db_call_tell(call, DB_UNAVAILABLE);
		db_call_free(call);
	}
}

static void on_timer(void *arg)
{
	struct backend *b = arg;
	switch (b->state) {
	case BACKEND_DOWN: backend_connect(b); break;
	case BACKEND_CONNECTING:
	case BACKEND_ASKING: backend_down(b, "connect timeout"); break;
	case BACKEND_READY: backend_down(b, "no answer"); break;
	case BACKEND_BROKEN: backend_down(b, PQerrorMessage(b->pg)); break;
	}
}

/* ---- For db.c ---- */

void backend_open(struct backend *b, struct db *db)
{
	b->db = db;
	b->retry_ms = RETRY_FIRST_MS;
	b->is_prepared = calloc(db->settings.n_statements + 1, sizeof(bool));
	BUG_ON(!b->is_prepared);
	TAILQ_INIT(&b->in_flight);
	timer_init(&b->timer, db->loop, on_timer, b);
	backend_connect(b);
}

void backend_close(struct backend *b)
{
	backend_unwatch(b);
	timer_cancel(&b->timer);
	PQfinish(b->pg);
	free(b->is_prepared);
}

bool backend_has_room(const struct backend *b)
{
	return b->state == BACKEND_READY && !b->is_stale &&
	       b->n_in_flight < DB_PIPELINE_DEPTH;
}

bool backend_is_quick(const struct backend *b)
{
	const struct db_call *call;
	TAILQ_FOREACH (call, &b->in_flight, entry)
		if (!b->db->settings.statements[call->statement].is_short)
			return false;
	call = TAILQ_FIRST(&b->in_flight);
	return call && loop_now_ms(b->db->loop) - call->sent_ms < DB_SHORT_MS;
}

void backend_suspect(struct backend *b)
{
	if (b->state == BACKEND_READY && !timer_is_pending(&b->timer))
		timer_start(&b->timer, b->db->settings.timeout_ms);
}
