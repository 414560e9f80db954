#include "base/exchange_private.h"

#include <stdlib.h>

#include "base/log.h"

#define ARENA_BYTES 65536

static void on_turn(void *arg)
{
	struct link *link = arg;

	link->is_turn_due = false;
	link_advance(link);
}

void link_wake(struct link *link)
{
	if (link->is_turn_due || link->is_advancing || link->state >= LINK_ENDED)
		return;
	link->is_turn_due = true;
	loop_defer(link->loop, on_turn, link);
}

/* ---- Ends ---- */

void link_end(struct link *link, const char *reason, bool is_graceful)
{
	if (link->state >= LINK_IN_END)
		return;
	link->state = LINK_IN_END;
	link->reason = reason;
	link->is_graceful = is_graceful;
	link_wake(link);
}

void link_refuse(struct link *link, unsigned status, const char *reason,
		 const char *words)
{
	const struct exchange *exchange = link->exchange;
	bool is_answered = exchange && exchange->is_head_sent;

	if (link->state >= LINK_IN_END)
		return;
	if (!is_answered)
		exchange_write_problem(conn_tx(link->conn),
				       exchange ? exchange->method : HTTP_GET, status,
				       reason, words);
	link_end(link, reason, !is_answered || exchange->is_sent);
}

static void free_memory(void *arg)
{
	struct link *link = arg;

	if (link->exchange)
		exchange_free(link->exchange);
	free(link);
}

void link_free(struct link *link)
{
	BUG_ON(link->state == LINK_FREED);
	timer_cancel(&link->timer);
	if (link->state == LINK_ENDED && link->is_graceful)
		conn_close(link->conn);
	else
		conn_free(link->conn);
	link->state = LINK_FREED;
	loop_defer(link->loop, free_memory, link);
}

void link_hang_up(struct link *link)
{
	const bool is_listening =
		link->state == LINK_IN_EXCHANGE && link->exchange->is_sent;

	if (link->state == LINK_IN_IDLE || is_listening) {
		link->state = LINK_ENDED;
		link->is_graceful = true;
	}
	link_free(link);
}

void link_close(struct link *link)
{
	link->is_closing = true;
	link_wake(link);
}

/* A link in the middle of a head has begun an exchange. */
void link_drain(struct link *link)
{
	link->is_draining = true;
	if (link->state == LINK_IN_EXCHANGE)
		link->is_closing = true;
	link_wait_less(link);
}

/* ---- Telling the owners ---- */

static void tell(struct link *link, enum link_event event)
{
	link->fn(link, event, event == LINK_REQUEST ? link->exchange : NULL, link->arg);
}

static void tell_exchange(struct link *link, enum exchange_event event)
{
	struct exchange *exchange = link->exchange;

	if (exchange->fn)
		exchange->fn(exchange, event, exchange->arg);
}

/* The last event of an exchange; it is gone afterwards, unless its owner freed the
 * link meanwhile, which takes the exchange along. */
static void tell_last(struct link *link, enum exchange_event event)
{
	tell_exchange(link, event);
	if (link->state == LINK_FREED)
		return;
	exchange_free(link->exchange);
	link->exchange = NULL;
}

/* ---- Steps ---- */

static bool step_end(struct link *link)
{
	if (link->exchange)
		tell_last(link, EXCHANGE_FAILED);
	if (link->state != LINK_IN_END)
		return false;
	link->state = LINK_ENDED;
	timer_cancel(&link->timer);
	conn_pause(link->conn);
	conn_flush(link->conn);
	tell(link, LINK_CLOSED);
	return false;
}

bool link_has_bytes(const struct link *link)
{
	return evbuffer_get_length(conn_rx(link->conn)) > 0;
}

static bool step_idle(struct link *link)
{
	if (link->is_closing) {
		link_end(link, "closed", true);
		return true;
	}
	if (!link->is_server && link_has_bytes(link)) {
		link_end(link, "surplus_bytes", true);
		return true;
	}
	/* A client that does not read its answers gets no further ones made. */
	if (link_has_bytes(link) && conn_is_full(link->conn))
		return false;
	if (link_has_bytes(link)) {
		switch (link_read_request(link)) {
		case LINK_READ_DONE:
			if (link->is_draining)
				link->is_closing = true;
			tell(link, LINK_REQUEST);
			BUG_ON(link->state == LINK_IN_EXCHANGE && !link->exchange->fn);
			return true;
		case LINK_READ_FAILED: return true;
		case LINK_READ_MORE: break;
		}
	}
	if (!link->is_peer_ended)
		return false;
	link_end(link, link_has_bytes(link) ? "truncated" : "eof", true);
	return true;
}

static bool step_response(struct link *link)
{
	if (link_has_bytes(link) && !link->exchange->is_head_sent) {
		link_end(link, "surplus_bytes", false);
		return true;
	}
	switch (link_read_response(link)) {
	case LINK_READ_DONE: tell_exchange(link, EXCHANGE_HEAD); return true;
	case LINK_READ_FAILED: return true;
	default: return false;
	}
}

static bool step_body(struct link *link)
{
	struct exchange *exchange = link->exchange;

	if (!link_read_body(link))
		return true;
	if (exchange->is_body_due) {
		exchange->is_body_due = false;
		tell_exchange(link, EXCHANGE_BODY);
		return true;
	}
	if (!http_body_is_done(&exchange->decoder))
		return false;
	exchange->is_received = true;
	if (!exchange_is_discarding(exchange))
		tell_exchange(link, EXCHANGE_END);
	return true;
}

/* Both messages are through: on to the next, or to the end. */
static bool step_done(struct link *link)
{
	if (exchange_is_given_up(link->exchange) || link->is_peer_ended)
		link->is_closing = true;
	tell_last(link, EXCHANGE_DONE);
	if (link->state != LINK_IN_EXCHANGE)
		return true;
	link->state = LINK_IN_IDLE;
	/* What must end does so before its owner is told that it could go on. */
	if (!link->is_server && !link->is_closing && !link_has_bytes(link))
		tell(link, LINK_IDLE);
	return true;
}

static bool step_exchange(struct link *link)
{
	struct exchange *exchange = link->exchange;

	if (exchange->is_writable_due && !exchange->is_sent) {
		exchange->is_writable_due = false;
		tell_exchange(link, EXCHANGE_WRITABLE);
		return true;
	}
	if (!exchange->is_head_received && step_response(link))
		return true;
	if (exchange->is_head_received && !exchange->is_received && step_body(link))
		return true;
	if (exchange_is_over(exchange))
		return step_done(link);
	if (link->is_peer_ended && exchange->is_for_listener) {
		link_end(link, "eof", true);
		return true;
	}
	if (!link->is_peer_ended || exchange->is_received ||
	    exchange_is_stuffed(exchange))
		return false;
	link_end(link, "truncated", false);
	return true;
}

/* One thing at a time, because every owner's callback may change everything. */
static bool step(struct link *link)
{
	switch (link->state) {
	case LINK_IN_OPENING:
		if (link->is_closing)
			link_end(link, "closed", false);
		return link->is_closing;
	case LINK_IN_IDLE: return step_idle(link);
	case LINK_IN_EXCHANGE: return step_exchange(link);
	case LINK_IN_END: return step_end(link);
	default: return false;
	}
}

/* ---- Turns ---- */

void link_advance(struct link *link)
{
	BUG_ON(link->is_advancing);
	link->is_advancing = true;
	while (step(link))
		;
	link->is_advancing = false;
	if (link->state >= LINK_IN_END)
		return;
	if (link->state != LINK_IN_OPENING) {
		conn_flush_later(link->conn);
		conn_resume(link->conn);
	}
	link_watch(link);
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct link *link = arg;

	switch (event) {
	case CONN_OPEN:
		if (link->state != LINK_IN_OPENING)
			return;
		link->state = LINK_IN_IDLE;
		tell(link, LINK_OPEN);
		break;
	case CONN_READABLE: break;
	case CONN_WRITABLE:
		if (link->exchange)
			link->exchange->is_writable_due = true;
		break;
	case CONN_EOF: link->is_peer_ended = true; break;
	case CONN_FAILED: link_end(link, conn_failure_name(conn), false); break;
	}
	link_advance(link);
}

/* ---- Making ---- */

static struct link *link_new(struct loop *loop, const struct link_settings *settings,
			     bool is_server, link_fn *fn, void *arg)
{
	struct link *link = malloc(sizeof(*link));

	BUG_ON(!link);
	*link = (struct link){
		.loop = loop,
		.fn = fn,
		.arg = arg,
		.limits = settings->limits,
		.arena_bytes =
			settings->arena_bytes ? settings->arena_bytes : ARENA_BYTES,
		.is_server = is_server,
		.reason = "open",
	};
	link_wait_init(link, settings);
	return link;
}

struct link *link_accept(struct loop *loop, int fd,
			 const struct link_settings *settings, link_fn *fn, void *arg)
{
	struct link *link = link_new(loop, settings, true, fn, arg);

	link->conn = conn_accept(loop, fd, &settings->conn, on_conn, link);
	if (link->conn)
		return link;
	free(link);
	return NULL;
}

struct link *link_connect(struct loop *loop, const struct sockaddr *address,
			  socklen_t address_size, const struct link_settings *settings,
			  link_fn *fn, void *arg)
{
	struct link *link = link_new(loop, settings, false, fn, arg);

	link->conn = conn_connect(loop, address, address_size, &settings->conn, on_conn,
				  link);
	return link;
}

/* ---- Exchanges ---- */

struct exchange *link_begin(struct link *link)
{
	struct exchange *exchange = malloc(sizeof(*exchange));

	BUG_ON(!exchange);
	*exchange = (struct exchange){
		.link = link,
		.arena = arena_new(link->arena_bytes),
		.body = evbuffer_new(),
	};
	BUG_ON(!exchange->body);
	return exchange;
}

void link_set_exchange(struct link *link, struct exchange *exchange)
{
	BUG_ON(link->state != LINK_IN_IDLE);
	link->exchange = exchange;
	link->state = LINK_IN_EXCHANGE;
	link->count++;
	link->is_progressing = true;
}

bool link_is_ready(const struct link *link)
{
	return !link->is_server && link->state == LINK_IN_IDLE && !link->is_closing &&
	       !link->is_peer_ended && !link_has_bytes(link);
}

struct exchange *link_request(struct link *link, exchange_fn *fn, void *arg)
{
	struct exchange *exchange;

	BUG_ON(!link_is_ready(link));
	exchange = link_begin(link);
	exchange_on(exchange, fn, arg);
	link_set_exchange(link, exchange);
	return exchange;
}

struct conn *link_conn(struct link *link)
{
	return link->conn;
}

const char *link_reason(const struct link *link)
{
	return link->reason;
}

uint64_t link_count(const struct link *link)
{
	return link->exchange ? link->count - 1 : link->count;
}
