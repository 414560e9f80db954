/*
 * Calls that wait for their turn in a session, first come, first served; each with
 * copies of all that it needs.
 */
#ifndef CONTRIB_HANDSET_CALLQUEUE_H
#define CONTRIB_HANDSET_CALLQUEUE_H

#include <sys/queue.h>

#include "contrib/handset/session.h"

#define CALLQUEUE_FIELDS_LIMIT 4
#define CALLQUEUE_LIMIT        8

struct callqueue_call {
	STAILQ_ENTRY(callqueue_call) next;
	struct arena *arena;
	enum http_method method;
	struct slice target; /* empty: only open the session */
	struct http_field fields[CALLQUEUE_FIELDS_LIMIT];
	size_t n_fields;
	struct slice body;
	session_body_fn *on_body;
	session_answer_fn *on_answer;
	void *arg;
};

struct callqueue {
	STAILQ_HEAD(, callqueue_call) calls;
	size_t n;
};

/** Make it empty. */
void callqueue_init(struct callqueue *queue);
/** More than CALLQUEUE_LIMIT, or too long a body, is our bug and aborts. */
void callqueue_add(struct callqueue *queue, const struct session_call *call);
/** The call whose turn it is, or NULL. */
struct callqueue_call *callqueue_first(const struct callqueue *queue);
/** Take that call out. @return to be freed with callqueue_free(), or NULL */
struct callqueue_call *callqueue_take(struct callqueue *queue);
void callqueue_free(struct callqueue_call *call);

#endif
