/*
 * The session with the provisioning server through the gateway: TLS to the gateway,
 * then the server's proof, then calls, one after another. No call leaves the handset
 * on a connection on which the server has not proven itself. A connection that breaks
 * is made and proven again by itself, and a call that had no answer is sent again;
 * every call of the device API may be.
 */
#ifndef CONTRIB_HANDSET_SESSION_H
#define CONTRIB_HANDSET_SESSION_H

#include "base/exchange.h"
#include "contrib/handset/handset_config.h"

struct session;

enum session_progress {
	SESSION_CONNECTED, /* TLS is up and the gateway's name verified */
	SESSION_PROVEN,    /* the server's proof verified */
};
typedef void session_progress_fn(void *arg, enum session_progress progress);

struct session_answer {
	const char *failure; /* reason why there is no answer; NULL: there is */
	unsigned status;
	const struct http_head *head; /* borrowed for the callback */
	struct slice body;            /* whole; empty when on_body took it */
	const char *reason;           /* of a problem document; NULL otherwise */
};
typedef void session_answer_fn(void *arg, const struct session_answer *answer);
/**
 * Take some of the body of a 200 or 206.
 * @return false to give the call up; it then fails with "cancelled"
 */
typedef bool session_body_fn(void *arg, const struct http_head *head,
			     struct evbuffer *body);

struct session_call {
	enum http_method method;
	const char *target; /* copied, as all that follows */
	const struct http_field *fields;
	size_t n_fields;
	struct slice body;
	/* NULL: the body is gathered. Otherwise the call is not repeated once some of
	 * its body has been taken. */
	session_body_fn *on_body;
	session_answer_fn *on_answer; /* exactly once, never within session_call() */
	void *arg;
};

/**
 * Load key, certificates and trust; connects to nothing yet.
 *
 * @param config  borrowed for the life of the session
 * @param why     on failure one sentence
 */
struct session *session_new(struct loop *loop, const struct handset_config *config,
			    session_progress_fn *on_progress, void *arg, char *why,
			    size_t why_size);
/**
 * End the connection properly, if none of its calls is under way, else cut it.
 *
 * @param fn  called once, soon, not from within this call; nothing else comes any more
 */
void session_close(struct session *session, loop_fn *fn, void *arg);
/** No callback comes any more. */
void session_free(struct session *session);
/** Connect and have the server prove itself; the answer has failure or nothing. */
void session_open(struct session *session, session_answer_fn *on_answer, void *arg);
void session_call(struct session *session, const struct session_call *call);
/** Name and port of the provisioning server. */
const char *session_srv(const struct session *session);

#endif
