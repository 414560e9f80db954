#include "base/exchange.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/exchange_private.h"
#include "base/log.h"

/* ---- States ---- */

/* What is sent after the link has ended goes nowhere; the owner is about to be told. */
static bool is_live(const struct exchange *exchange)
{
	return exchange->link->state == LINK_IN_EXCHANGE;
}

bool exchange_is_stuffed(const struct exchange *exchange)
{
	return evbuffer_get_length(exchange->body) >= EXCHANGE_BODY_BYTES;
}

bool exchange_is_discarding(const struct exchange *exchange)
{
	return exchange->link->is_server && exchange->is_sent;
}

/* More of the request would come than is read for courtesy, or perhaps nothing. */
static bool is_rest_unwanted(const struct exchange *exchange)
{
	return !exchange->is_received &&
	       (exchange->is_continue_owed ||
		exchange->decoder.left > EXCHANGE_DISCARD_BYTES ||
		exchange->discarded_bytes > EXCHANGE_DISCARD_BYTES);
}

bool exchange_is_given_up(const struct exchange *exchange)
{
	return exchange_is_discarding(exchange) && !exchange->is_received &&
	       (is_rest_unwanted(exchange) || exchange->link->is_peer_ended);
}

bool exchange_is_over(const struct exchange *exchange)
{
	return exchange->is_sent &&
	       (exchange->is_received || exchange_is_given_up(exchange)) &&
	       evbuffer_get_length(exchange->body) == 0;
}

/* ---- Sending ---- */

/* Our message is out. A server then wants nothing more of the request. */
static void complete(struct exchange *exchange)
{
	exchange->is_sent = true;
	if (exchange->link->is_server)
		evbuffer_drain(exchange->body, evbuffer_get_length(exchange->body));
}

/* What the request and the state of the link make of a response's head. */
static void adapt_response(struct exchange *exchange, struct http_head *head)
{
	struct link *link = exchange->link;

	BUG_ON(head->status < 200);
	head->method = exchange->method;
	if (head->status == 204 || head->status == 304)
		head->framing = HTTP_NO_BODY;
	if (!head->keep_alive || is_rest_unwanted(exchange))
		link->is_closing = true;
	head->keep_alive = !link->is_closing;
}

void exchange_send_head(struct exchange *exchange, const struct http_head *head)
{
	struct http_head out = *head;

	if (!is_live(exchange))
		return;
	BUG_ON(exchange->is_head_sent);
	if (exchange->link->is_server)
		adapt_response(exchange, &out);
	else
		exchange->method = out.method;
	http_write_head(conn_tx(exchange->link->conn), &out);
	exchange->is_head_sent = true;
	exchange->framing = out.framing;
	exchange->left_bytes = out.content_length;
	if (out.framing == HTTP_NO_BODY ||
	    (exchange->link->is_server && exchange->method == HTTP_HEAD))
		complete(exchange);
	link_wake(exchange->link);
}

void exchange_send_body(struct exchange *exchange, struct evbuffer *data)
{
	const size_t n = evbuffer_get_length(data);
	struct evbuffer *tx = conn_tx(exchange->link->conn);

	/* Complete without a body: the answer to HEAD. */
	if (!is_live(exchange) || exchange->is_sent) {
		evbuffer_drain(data, n);
		return;
	}
	BUG_ON(!exchange->is_head_sent);
	if (exchange->framing == HTTP_CHUNKED) {
		http_write_chunk(tx, data);
	} else {
		BUG_ON(n > exchange->left_bytes || evbuffer_add_buffer(tx, data) != 0);
		exchange->left_bytes -= n;
	}
	link_wake(exchange->link);
}

void exchange_send_end(struct exchange *exchange)
{
	if (!is_live(exchange) || exchange->is_sent)
		return;
	BUG_ON(!exchange->is_head_sent);
	if (exchange->framing == HTTP_CHUNKED) {
		http_write_last_chunk(conn_tx(exchange->link->conn));
	} else if (exchange->left_bytes > 0) {
		link_end(exchange->link, "short_body", false);
		return;
	}
	complete(exchange);
	link_wake(exchange->link);
}

bool exchange_head_sent(const struct exchange *exchange)
{
	return exchange->is_head_sent;
}

bool exchange_is_full(const struct exchange *exchange)
{
	return conn_is_full(exchange->link->conn);
}

void exchange_continue(struct exchange *exchange)
{
	const struct http_head head = { .status = 100 };

	if (!is_live(exchange) || !exchange->is_continue_owed || exchange->is_head_sent)
		return;
	http_write_head(conn_tx(exchange->link->conn), &head);
	exchange->is_continue_owed = false;
	link_wake(exchange->link);
}

void exchange_reply(struct exchange *exchange, unsigned status,
		    const struct http_field *fields, size_t n_fields, struct slice body)
{
	const struct http_head head = {
		.status = status,
		.fields = fields,
		.n_fields = n_fields,
		.framing = HTTP_LENGTH,
		.content_length = body.n,
		.keep_alive = true,
	};

	exchange_send_head(exchange, &head);
	if (!is_live(exchange) || exchange->is_sent)
		return;
	if (body.n > 0)
		BUG_ON(evbuffer_add(conn_tx(exchange->link->conn), body.p, body.n) !=
		       0);
	complete(exchange);
}

/* ---- Problem documents ---- */

/* RFC 9457; the caller frees. */
static char *problem_text(unsigned status, const char *reason, const char *detail)
{
	json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s*}", "type", "about:blank",
				    "title", http_status_phrase(status), "status",
				    (int)status, "reason", reason, "detail", detail);
	char *text;

	/* A detail that is no UTF-8 is no detail. */
	if (!problem && detail)
		return problem_text(status, reason, NULL);
	text = json_dumps(problem, JSON_COMPACT);
	BUG_ON(!text);
	json_decref(problem);
	return text;
}

static const struct http_field problem_field = {
	{ "Content-Type", 12 },
	{ "application/problem+json", 24 },
};

void exchange_problem(struct exchange *exchange, unsigned status, const char *reason,
		      const char *detail, const struct http_field *extra)
{
	char *text = problem_text(status, reason, detail);
	struct http_field fields[2] = { problem_field };

	if (extra)
		fields[1] = *extra;
	exchange_reply(exchange, status, fields, extra ? 2 : 1, slice_of(text));
	free(text);
}

void exchange_write_problem(struct evbuffer *out, enum http_method method,
			    unsigned status, const char *reason, const char *detail)
{
	char *text = problem_text(status, reason, detail);
	const struct http_head head = {
		.method = method,
		.status = status,
		.fields = &problem_field,
		.n_fields = 1,
		.framing = HTTP_LENGTH,
		.content_length = strlen(text),
	};

	http_write_head(out, &head);
	if (method != HTTP_HEAD)
		BUG_ON(evbuffer_add(out, text, strlen(text)) != 0);
	free(text);
}

/* ---- Receiving ---- */

void exchange_on(struct exchange *exchange, exchange_fn *fn, void *arg)
{
	exchange->fn = fn;
	exchange->arg = arg;
}

void exchange_resume(struct exchange *exchange)
{
	exchange_continue(exchange);
	link_wake(exchange->link);
}

void exchange_end_with_peer(struct exchange *exchange)
{
	exchange->is_for_listener = true;
	link_wake(exchange->link);
}

void exchange_cancel(struct exchange *exchange)
{
	exchange->fn = NULL;
	link_end(exchange->link, "cancelled", false);
}

void exchange_free(struct exchange *exchange)
{
	evbuffer_free(exchange->body);
	arena_free(exchange->arena);
	free(exchange);
}

struct link *exchange_link(struct exchange *exchange)
{
	return exchange->link;
}

struct arena *exchange_arena(struct exchange *exchange)
{
	return exchange->arena;
}

const struct http_head *exchange_head(const struct exchange *exchange)
{
	return &exchange->head;
}

struct evbuffer *exchange_body(struct exchange *exchange)
{
	return exchange->body;
}

bool exchange_is_received(const struct exchange *exchange)
{
	return exchange->is_received;
}

uint64_t exchange_received_bytes(const struct exchange *exchange)
{
	return exchange->received_bytes;
}

const char *exchange_reason(const struct exchange *exchange)
{
	return link_reason(exchange->link);
}
