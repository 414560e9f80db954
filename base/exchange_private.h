/*
 * The inside of links and exchanges. exchange.c is what owners do to an exchange,
 * link.c the life of a link, link_read.c what arrives on it, link_wait.c how long is
 * waited for that.
 *
 * Owners are called from link_advance() alone, which runs in the turns of the loop;
 * what owners do only notes and wakes (link_wake()).
 */
#ifndef BASE_EXCHANGE_PRIVATE_H
#define BASE_EXCHANGE_PRIVATE_H

#include "base/exchange.h"

#define EXCHANGE_BODY_BYTES    65536 /* received, not yet taken; then reading stops */
#define EXCHANGE_DISCARD_BYTES 65536 /* of a request body that nobody wants */

struct exchange {
	struct link *link;
	exchange_fn *fn;
	void *arg;
	struct arena *arena;
	/* received */
	struct http_head head;
	struct http_body decoder;
	struct evbuffer *body;
	uint64_t received_bytes, discarded_bytes;
	bool is_head_received;
	bool is_received;      /* from EXCHANGE_END on */
	bool is_body_due;      /* EXCHANGE_BODY */
	bool is_continue_owed; /* the client waits for 100 */
	/* sent */
	enum http_method method;
	enum http_framing framing;
	uint64_t left_bytes; /* of a body with a length */
	bool is_head_sent;
	bool is_sent;
	bool is_for_listener; /* exchange_end_with_peer() */
	bool is_writable_due; /* EXCHANGE_WRITABLE */
};

enum link_state {
	LINK_IN_OPENING,
	LINK_IN_IDLE,
	LINK_IN_EXCHANGE,
	LINK_IN_END, /* to be told */
	LINK_ENDED,  /* told */
	LINK_FREED,
};

/** What a link waits for, with its time limit. */
enum link_wait {
	LINK_WAITS_FOR_NOTHING, /* or for what has a limit elsewhere */
	LINK_WAITS_FOR_EXCHANGE,
	LINK_WAITS_FOR_HEAD,
	LINK_WAITS_FOR_BODY,
	LINK_N_WAITS,
};

struct link {
	struct loop *loop;
	struct conn *conn;
	link_fn *fn;
	void *arg;
	struct http_limits limits;
	size_t arena_bytes;
	int64_t timeouts_ms[LINK_N_WAITS];
	bool is_server;
	enum link_state state;
	const char *reason;
	struct exchange *exchange; /* the present one */
	uint64_t count;            /* exchanges begun */
	struct http_scan scan;
	unsigned n_interim;  /* 1xx responses before the final one */
	bool is_peer_ended;  /* no more bytes will come */
	bool is_closing;     /* ends when the exchange is over */
	bool is_draining;    /* closes with the next exchange */
	bool is_graceful;    /* in the end, what is queued still goes out */
	bool is_progressing; /* body bytes have come since the last look */
	bool is_advancing;   /* in link_advance() */
	bool is_turn_due;
	/* One timer for all waits. It may fire early, never late: it is started anew
	 * only when it would be too late. */
	enum link_wait wait;
	struct timer timer;
	int64_t since_ms, due_ms, fires_ms;
};

/** Go on as far as there is something to do. */
void link_advance(struct link *link);
/** Something has been noted: look at the link in a turn of its own. */
void link_wake(struct link *link);
/** End the link: tell its exchange, then its owner. First reason wins. */
void link_end(struct link *link, const char *reason, bool is_graceful);
/**
 * End a server's link with a problem document, where an answer can still be given.
 * @param words  static; for people
 */
void link_refuse(struct link *link, unsigned status, const char *reason,
		 const char *words);
/** A new exchange, of no link yet. */
struct exchange *link_begin(struct link *link);
/** An idle link's present exchange is from now on @p exchange. */
void link_set_exchange(struct link *link, struct exchange *exchange);

/** Something has been received that nobody has read. */
bool link_has_bytes(const struct link *link);

/** Take the time limits, those of default_timeouts_ms where there are none. */
void link_wait_init(struct link *link, const struct link_settings *settings);
/** See what the link waits for now, and let it end when that takes too long. */
void link_watch(struct link *link);
/** It drains: wait for a further exchange as long as it takes to meet one that is under
 * way, for the first as long as for a head. */
void link_wait_less(struct link *link);

/** What link_read_*() came to. */
enum link_read {
	LINK_READ_MORE,   /* bytes are needed */
	LINK_READ_DONE,   /* a whole head */
	LINK_READ_FAILED, /* the link has been ended */
};
/** Server: read a request head into a new exchange. */
enum link_read link_read_request(struct link *link);
/** Client: read the final response head of the exchange. */
enum link_read link_read_response(struct link *link);
/** Move body bytes into the exchange, as many as it may hold. @return false when the
 * link has been ended */
bool link_read_body(struct link *link);

void exchange_free(struct exchange *exchange);
/** Nobody wants the rest of the received body. */
bool exchange_is_discarding(const struct exchange *exchange);
/** It holds as much as it may; the owner must take some. */
bool exchange_is_stuffed(const struct exchange *exchange);
/** Nothing is left to send, to receive or to take. */
bool exchange_is_over(const struct exchange *exchange);
/** The rest of a request is not worth waiting for: the link ends after the answer. */
bool exchange_is_given_up(const struct exchange *exchange);
/** Write an answer of the link's own, with a problem document. */
void exchange_write_problem(struct evbuffer *out, enum http_method method,
			    unsigned status, const char *reason, const char *detail);

#endif
