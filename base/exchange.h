/*
 * Exchanges: one request and its response, one after another on a link (a
 * connection that speaks HTTP/1.1), as server or as client. Bodies stream both
 * ways with back-pressure: what arrived waits in exchange_body() until the owner
 * takes it, and a full sender is told by exchange_is_full() and EXCHANGE_WRITABLE.
 * Never two exchanges at a time on a link; pipelined requests wait in the socket.
 */
#ifndef BASE_EXCHANGE_H
#define BASE_EXCHANGE_H

#include "base/conn.h"
#include "base/http.h"

struct link;
struct exchange;

enum exchange_event {
	EXCHANGE_HEAD, /* client: the final response head is there (1xx are eaten) */
	EXCHANGE_BODY, /* exchange_body() grew */
	EXCHANGE_END, /* the received message is complete; does not come to a server for
		       * a request without body, which is complete from the start */
	EXCHANGE_WRITABLE, /* room again after exchange_is_full() */
	EXCHANGE_DONE, /* both messages complete and sent, and exchange_body() taken by
			* its owner (a body nobody wants is dropped at
			* exchange_reply()); the last event */
	EXCHANGE_FAILED, /* the link died or the peer broke the rules; the last event */
};
/** After DONE or FAILED the exchange is gone when the callback returns. */
typedef void exchange_fn(struct exchange *exchange, enum exchange_event event,
			 void *arg);

enum link_event {
	LINK_OPEN,    /* connected and, with TLS, peer checked */
	LINK_REQUEST, /* server: a request head has arrived; set a callback with
		       * exchange_on() and answer. The body comes by its events. */
	LINK_IDLE,   /* client: the last exchange is over and the link can be used again
		      */
	LINK_CLOSED, /* over, for link_reason(); the last event; the owner calls
			link_free() */
};
/** @p exchange is set for LINK_REQUEST alone. */
typedef void link_fn(struct link *link, enum link_event event,
		     struct exchange *exchange, void *arg);

struct link_settings {
	struct conn_settings conn;
	struct http_limits limits;
	int64_t head_timeout_ms; /* server: first byte of a head to its end;
				  * client: request sent to response head; 0: 10 s */
	int64_t body_timeout_ms; /* without progress of a body being received, while its
				  * owner takes it; 0: 30 s */
	int64_t idle_timeout_ms; /* between exchanges; 0: 300 s */
	size_t arena_bytes;      /* per exchange; 0: 64 KiB */
};

/**
 * Serve a connection.
 * @param fd  taken, also on failure; as conn_accept()
 * @return owned by the caller until link_free(); NULL when out of descriptors or memory
 */
struct link *link_accept(struct loop *loop, int fd,
			 const struct link_settings *settings, link_fn *fn, void *arg);
/** Be a client. Never NULL: whatever fails comes as LINK_CLOSED. Freed by link_free().
 */
struct link *link_connect(struct loop *loop, const struct sockaddr *address,
			  socklen_t address_size, const struct link_settings *settings,
			  link_fn *fn, void *arg);
/** Borrowed: to be asked, never to be closed or freed. */
struct conn *link_conn(struct link *link);
/**
 * Why the link closed, one word; static. "closed" (by us, or agreed), "drained", "eof",
 * "truncated", "idle_timeout", "head_timeout", "body_timeout", "surplus_bytes",
 * "interim_responses", "short_body", "cancelled", a name of http_error_name() or of
 * conn_failure_name().
 */
const char *link_reason(const struct link *link);
/** How many exchanges began on it before the present one. */
uint64_t link_count(const struct link *link);
/** Client: is it open, idle and fit for a request now? */
bool link_is_ready(const struct link *link);
/** End after the current exchange (server: answers `Connection: close`), or now if
 * idle. */
void link_close(struct link *link);
/**
 * Server: end soon, but cut nobody off. The exchange in progress and, on a link that
 * has seen none yet, the first one are the last. A link between two exchanges ends when
 * LINK_DRAIN_IDLE_MS have passed since the last: its peer might just be asking.
 */
void link_drain(struct link *link);
#define LINK_DRAIN_IDLE_MS 250
/** Abort now; an exchange in progress fails without an event. No more events. After
 * LINK_CLOSED: free; answers that are still queued go out. */
void link_free(struct link *link);
/** Client: as link_free(), but when it is in the middle of nothing that it has to say,
 * the peer is told in good form that nothing follows. */
void link_hang_up(struct link *link);

/** Client: begin an exchange on a link_is_ready() link. Then send head, body, end.
 * Never NULL; borrowed until its last event. */
struct exchange *link_request(struct link *link, exchange_fn *fn, void *arg);

/** Set the owner; a server must do so within LINK_REQUEST. May be set anew at any time,
 * within the exchange's own callback too. */
void exchange_on(struct exchange *exchange, exchange_fn *fn, void *arg);
/** Borrowed. */
struct link *exchange_link(struct exchange *exchange);
/** Memory that lives as long as the exchange. */
struct arena *exchange_arena(struct exchange *exchange);
/** The received head (server: request; client: response after EXCHANGE_HEAD). */
const struct http_head *exchange_head(const struct exchange *exchange);
/** Received, decoded body bytes not yet taken. Drain, then exchange_resume(). */
struct evbuffer *exchange_body(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
/** Whether the received message is complete: from EXCHANGE_END on, or from the start
 * for a request without body. Its bytes may still be in exchange_body(). */
bool exchange_is_received(const struct exchange *exchange);
/** Received body bytes so far, for limits. */
uint64_t exchange_received_bytes(const struct exchange *exchange);
/** Server: tell a client that waits with `Expect: 100-continue` to go on. Asked for by
 * the first exchange_resume() too. */
void exchange_continue(struct exchange *exchange);
/** Why it failed: the link's reason, or "cancelled". */
const char *exchange_reason(const struct exchange *exchange);

/**
 * Send the head of our message. With HTTP_LENGTH or HTTP_CHUNKED body and end
 * follow; with HTTP_NO_BODY (server: also for HEAD and 304) it is complete.
 */
void exchange_send_head(struct exchange *exchange, const struct http_head *head);
/** Whether something was answered (client: asked) already. */
bool exchange_head_sent(const struct exchange *exchange);
/** Send body bytes, taken out of @p data without copying. Over content_length: aborts.
 */
void exchange_send_body(struct exchange *exchange, struct evbuffer *data);
/** Our message is complete. A body shorter than its length fails the link
 * ("short_body"). What a server has not taken of the request by then is discarded, as
 * in exchange_reply(). */
void exchange_send_end(struct exchange *exchange);
/** True when the sender should wait for EXCHANGE_WRITABLE. */
bool exchange_is_full(const struct exchange *exchange);
/** Server: answer at once with a whole body (may be empty). An unread request body is
 * discarded up to 64 KiB; beyond that the link closes after the answer. */
void exchange_reply(struct exchange *exchange, unsigned status,
		    const struct http_field *fields, size_t n_fields,
		    struct slice body);
/** Server: answer with application/problem+json {type,title,status,reason,detail?}
 * (RFC 9457). @p detail may be NULL; so may @p extra, a field that the status asks for
 * (Allow, Retry-After). */
void exchange_problem(struct exchange *exchange, unsigned status, const char *reason,
		      const char *detail, const struct http_field *extra);
/**
 * Server: this answer goes on for as long as the client listens. When the client says
 * that nothing follows from it, which else leaves it its answer, the link ends: "eof".
 */
void exchange_end_with_peer(struct exchange *exchange);
/** Give up: the link is aborted, because half an exchange cannot be taken back.
 * No more events of this exchange; the link reports LINK_CLOSED. */
void exchange_cancel(struct exchange *exchange);

#endif
