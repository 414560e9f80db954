#include "contrib/handset/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/log.h"
#include "contrib/handset/callqueue.h"
#include "contrib/handset/credentials.h"
#include "contrib/handset/request.h"
#include "contrib/handset/words.h"

#define SESSION_TARGET   "/.provbox/session"
#define ANSWER_BYTES     (1 << 20)
#define ARENA_BYTES      (64 * 1024)
#define RETRY_DELAY_MS   10000 /* longest of our own choice */
#define RETRY_AFTER_S    300   /* longest that is done as told */
#define IDLE_TIMEOUT_MS  600000
#define CLOSE_TIMEOUT_MS 1000
#define STATUS_OK        200
#define STATUS_PARTIAL   206
#define STATUS_FORBIDDEN 403

struct session {
	struct loop *loop;
	const struct handset_config *config;
	session_progress_fn *on_progress;
	void *arg;
	struct credentials own;
	struct sockaddr_storage address;
	socklen_t address_size;

	struct link *link; /* NULL: not connected */
	uint8_t binding[SHA256_BYTES];
	bool is_proven;
	struct exchange *exchange; /* the one in progress */
	bool is_body_taken;        /* by on_body, at least in part */
	struct evbuffer *body;
	struct callqueue calls;
	int64_t attempts; /* without an answer since the last one */
	bool is_pausing;  /* before the next attempt */
	struct timer pump;

	loop_fn *on_closed; /* set by session_close() */
	void *on_closed_arg;
	struct timer closing;
};

/* ---- Calls ---- */

static void pump_soon(struct session *session)
{
	if (!timer_is_pending(&session->pump))
		timer_start(&session->pump, 0);
}

void session_open(struct session *session, session_answer_fn *on_answer, void *arg)
{
	struct session_call only_open = { .on_answer = on_answer, .arg = arg };

	session_call(session, &only_open);
}

void session_call(struct session *session, const struct session_call *call)
{
	callqueue_add(&session->calls, call);
	pump_soon(session);
}

/* The first call of the queue has its answer. */
static void finish(struct session *session, const struct session_answer *answer)
{
	struct callqueue_call *call = callqueue_take(&session->calls);

	session->attempts = 0;
	call->on_answer(call->arg, answer);
	callqueue_free(call);
}

/* As finish(), without an answer of the server; @p failure NULL: it was opened. */
static void finish_without(struct session *session, const char *failure)
{
	struct session_answer answer = { .failure = failure };

	if (callqueue_first(&session->calls))
		finish(session, &answer);
}

/* ---- Connection ---- */

static void drop_link(struct session *session)
{
	if (session->link)
		link_free(session->link);
	session->link = NULL;
	session->exchange = NULL;
	session->is_proven = false;
}

/* This cannot be mended by trying again. */
static void end_for_good(struct session *session, const char *reason)
{
	log_warn("session_failed", log_str("reason", reason));
	drop_link(session);
	finish_without(session, reason);
	timer_start(&session->pump, 0);
}

/* Try the first call again after a pause, or give it up. */
static void retry_later(struct session *session, const char *reason, int64_t pause_ms)
{
	const struct handset_config *config = session->config;
	int64_t delay_ms = config->retry_delay_ms;

	if (!callqueue_first(&session->calls))
		return;
	log_warn("session_interrupted", log_str("reason", reason),
		 log_num("attempt", session->attempts + 1));
	if (session->attempts >= config->retries || session->is_body_taken) {
		session->is_body_taken = false;
		finish_without(session, reason);
		timer_start(&session->pump, 0);
		return;
	}
	for (int64_t i = 0; i < session->attempts && delay_ms < RETRY_DELAY_MS; i++)
		delay_ms *= 2;
	session->attempts++;
	session->is_pausing = true;
	if (delay_ms > RETRY_DELAY_MS)
		delay_ms = RETRY_DELAY_MS;
	timer_start(&session->pump, pause_ms > delay_ms ? pause_ms : delay_ms);
}

static void end_for_now(struct session *session, const char *reason)
{
	drop_link(session);
	/* A link that ends while the next attempt is due anyway is no attempt lost. */
	if (!session->is_pausing)
		retry_later(session, reason, 0);
}

static void finish_closing(void *arg)
{
	struct session *session = arg;

	timer_cancel(&session->closing);
	drop_link(session);
	session->on_closed(session->on_closed_arg);
}

void session_close(struct session *session, loop_fn *fn, void *arg)
{
	bool is_idle = session->link && link_is_ready(session->link);

	if (session->on_closed)
		return;
	session->on_closed = fn;
	session->on_closed_arg = arg;
	timer_cancel(&session->pump);
	if (is_idle)
		link_close(session->link);
	timer_start(&session->closing, is_idle ? CLOSE_TIMEOUT_MS : 0);
}

static void on_link_closed(struct session *session)
{
	struct conn *conn = link_conn(session->link);
	/* The words that it does not know are those for broken HTTP. */
	const char *why = link_reason(session->link);
	const char *reason = words_know(slice_of(why)) ? why : "answer_malformed";

	if (reason != why)
		log_warn("link_broken", log_str("reason", why));
	if (conn_failure(conn) == CONN_FAILURE_TLS)
		end_for_good(session, reason);
	else
		end_for_now(session, reason);
}

static void on_open(struct session *session)
{
	if (!tls_channel_binding(conn_ssl(link_conn(session->link)),
				 session->binding)) {
		end_for_good(session, "channel_binding");
		return;
	}
	log_info("connected", log_str("peer", conn_peer(link_conn(session->link))));
	session->on_progress(session->arg, SESSION_CONNECTED);
	timer_start(&session->pump, 0);
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct session *session = arg;

	(void)link;
	(void)exchange;
	if (session->on_closed) {
		if (event == LINK_CLOSED)
			finish_closing(session);
		return;
	}
	switch (event) {
	case LINK_OPEN: on_open(session); break;
	case LINK_IDLE: pump_soon(session); break;
	case LINK_CLOSED: on_link_closed(session); break;
	case LINK_REQUEST: break;
	}
}

static void connect_link(struct session *session)
{
	const struct handset_config *config = session->config;
	struct link_settings settings = {
		.conn = { .tls = session->own.tls,
			  .server_name = config->gateway_name,
			  .handshake_timeout_ms = config->handshake_timeout_ms,
			  .write_timeout_ms = config->body_timeout_ms },
		.head_timeout_ms = config->response_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.idle_timeout_ms = IDLE_TIMEOUT_MS,
	};

	session->link =
		link_connect(session->loop, (const struct sockaddr *)&session->address,
			     session->address_size, &settings, on_link, session);
}

/* ---- Proof ---- */

/* Everything that the server proves, against what this side knows itself. */
static const char *check_proof(struct session *session, struct slice body)
{
	struct arena *arena = arena_new(2 * ARENA_BYTES);
	struct auth_claims claims = { 0 };
	enum standing standing;
	enum auth_reason reason;
	struct slice proof;
	char why[128];

	if (auth_session_decode(body, arena, &claims, &standing, &proof, why,
				sizeof(why))) {
		memcpy(claims.srv, session->own.srv, sizeof(claims.srv));
		snprintf(claims.dev, sizeof(claims.dev), "%s", session->config->device);
		memcpy(claims.cred, session->own.cred, SHA256_BYTES);
		memcpy(claims.binding, session->binding, SHA256_BYTES);
		reason = proof_verify(session->own.trust, proof, &claims, standing,
				      NULL);
	} else {
		log_warn("session_malformed", log_str("why", why));
		reason = REASON_PROOF_MALFORMED;
	}
	arena_free(arena);
	if (reason == REASON_NONE && standing == STANDING_BLOCKED)
		reason = REASON_DEVICE_BLOCKED;
	if (reason == REASON_NONE && standing == STANDING_UNKNOWN)
		reason = REASON_DEVICE_UNKNOWN;
	if (reason != REASON_NONE)
		return auth_reason_name(reason);
	log_info("proven", log_str("srv", session->own.srv),
		 log_str("standing", standing_name(standing)));
	return NULL;
}

static void on_proven(struct session *session)
{
	struct callqueue_call *call = callqueue_first(&session->calls);

	session->is_proven = true;
	session->on_progress(session->arg, SESSION_PROVEN);
	if (call && call->target.n == 0)
		finish_without(session, NULL);
}

static void on_proof_answer(struct session *session, unsigned status, struct slice body,
			    const char *reason)
{
	const char *wrong = "status_unexpected";

	if (status == STATUS_OK)
		wrong = check_proof(session, body);
	else if (reason)
		wrong = reason;
	else if (status == STATUS_FORBIDDEN)
		wrong = "authentication_failed";
	if (wrong)
		end_for_good(session, wrong);
	else
		on_proven(session);
}

/* ---- Exchange ---- */

/* Whether the other side says that it only cannot answer now. */
static bool is_transient(unsigned status)
{
	return status == 502 || status == 503 || status == 504;
}

static int64_t pause_asked_ms(const struct http_head *head)
{
	const struct http_field *field = http_field(head, "Retry-After");
	uint64_t seconds = 0;

	if (field && !slice_to_u64(field->value, RETRY_AFTER_S, &seconds))
		seconds = 0; /* a date, or a joke */
	return (int64_t)seconds * 1000;
}

static void on_answer(struct session *session, const struct http_head *head)
{
	struct slice body = slice_make(evbuffer_pullup(session->body, -1),
				       evbuffer_get_length(session->body));
	char word[REQUEST_WORD_CHARS + 1];
	const char *reason = NULL;

	session->exchange = NULL;
	if (head->status >= 400 && problem_parse(body, word))
		reason = word;
	if (is_transient(head->status) &&
	    session->attempts < session->config->retries) {
		retry_later(session, reason ? reason : "landnet_busy",
			    pause_asked_ms(head));
	} else if (!session->is_proven) {
		on_proof_answer(session, head->status, body, reason);
	} else {
		struct session_answer answer = { .status = head->status,
						 .head = head,
						 .body = body,
						 .reason = reason };
		session->is_body_taken = false;
		finish(session, &answer);
	}
}

/* @return NULL, or the reason for which the call is to be given up */
static const char *take_body(struct session *session, struct exchange *exchange)
{
	const struct http_head *head = exchange_head(exchange);
	const struct callqueue_call *call = callqueue_first(&session->calls);

	if (session->is_proven && call->on_body &&
	    (head->status == STATUS_OK || head->status == STATUS_PARTIAL)) {
		session->is_body_taken = true;
		return call->on_body(call->arg, head, exchange_body(exchange))
			       ? NULL
			       : "cancelled";
	}
	evbuffer_add_buffer(session->body, exchange_body(exchange));
	return evbuffer_get_length(session->body) <= ANSWER_BYTES ? NULL
								  : "answer_too_large";
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct session *session = arg;
	const char *reason;

	if (session->on_closed)
		return;
	switch (event) {
	case EXCHANGE_BODY:
		reason = take_body(session, exchange);
		if (reason) {
			session->is_body_taken = false;
			end_for_good(session, reason);
		} else {
			exchange_resume(exchange);
		}
		break;
	case EXCHANGE_DONE: on_answer(session, exchange_head(exchange)); break;
	case EXCHANGE_HEAD:
	case EXCHANGE_END:
	case EXCHANGE_WRITABLE:
	case EXCHANGE_FAILED: /* LINK_CLOSED says why */ break;
	}
}

static void send_request(struct session *session, struct http_head *head,
			 struct slice body)
{
	struct evbuffer *data = evbuffer_new();

	head->host = slice_of(session->own.srv);
	head->framing = body.n > 0 ? HTTP_LENGTH : HTTP_NO_BODY;
	head->content_length = body.n;
	head->keep_alive = true;
	evbuffer_drain(session->body, evbuffer_get_length(session->body));
	session->is_body_taken = false;
	session->exchange = link_request(session->link, on_exchange, session);
	exchange_send_head(session->exchange, head);
	if (body.n > 0) {
		evbuffer_add(data, body.p, body.n);
		exchange_send_body(session->exchange, data);
		exchange_send_end(session->exchange);
	}
	evbuffer_free(data);
}

static void send_call(struct session *session, const struct callqueue_call *call)
{
	struct http_head head = { .method = call->method,
				  .target = call->target,
				  .fields = (struct http_field *)call->fields,
				  .n_fields = call->n_fields };

	log_debug("call", log_str("method", http_method_name(call->method)),
		  log_slice("target", call->target));
	send_request(session, &head, call->body);
}

/* Do the next thing that can be done. */
static void pump(void *arg)
{
	struct session *session = arg;
	const struct callqueue_call *call = callqueue_first(&session->calls);
	struct http_head session_head = { .method = HTTP_GET,
					  .target = SLICE(SESSION_TARGET) };

	session->is_pausing = false;
	if (!call || session->exchange || session->on_closed)
		return;
	if (!session->link)
		connect_link(session);
	else if (!link_is_ready(session->link))
		return;
	else if (!session->is_proven)
		send_request(session, &session_head, (struct slice){ NULL, 0 });
	else if (call->target.n == 0)
		finish_without(session, NULL);
	else
		send_call(session, call);
}

/* ---- Life ---- */

struct session *session_new(struct loop *loop, const struct handset_config *config,
			    session_progress_fn *on_progress, void *arg, char *why,
			    size_t why_size)
{
	struct session *session = calloc(1, sizeof(*session));

	BUG_ON(!session);
	*session = (struct session){ .loop = loop,
				     .config = config,
				     .on_progress = on_progress,
				     .arg = arg,
				     .body = evbuffer_new() };
	callqueue_init(&session->calls);
	timer_init(&session->pump, loop, pump, session);
	timer_init(&session->closing, loop, finish_closing, session);
	/* The configuration has checked the form of the address. */
	BUG_ON(!address_parse(config->gateway, &session->address,
			      &session->address_size));
	if (credentials_load(config, &session->own, why, why_size))
		return session;
	session_free(session);
	return NULL;
}

void session_free(struct session *session)
{
	struct callqueue_call *call;

	if (!session)
		return;
	timer_cancel(&session->pump);
	timer_cancel(&session->closing);
	drop_link(session);
	while ((call = callqueue_take(&session->calls)))
		callqueue_free(call);
	credentials_free(&session->own);
	evbuffer_free(session->body);
	free(session);
}

const char *session_srv(const struct session *session)
{
	return session->own.srv;
}
