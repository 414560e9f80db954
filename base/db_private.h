/*
 * Inside of base/db: what db.c (calls, queue, the door), db_backend.c (one connection
 * in pipeline mode) and nobody else shares.
 */
#ifndef BASE_DB_PRIVATE_H
#define BASE_DB_PRIVATE_H

#include <sys/queue.h>

#include "base/db.h"

/* Calls in flight on one connection; the further ones wait in the db's queue. */
#define DB_PIPELINE_DEPTH 8

/* A short statement that takes longer is held up, and nothing is queued behind it. */
#define DB_SHORT_MS 10

struct db_call {
	TAILQ_ENTRY(db_call) entry;
	struct db *db;
	struct backend *backend; /* that it is in flight on; NULL: waiting */
	size_t statement;
	int64_t sent_ms;   /* when it went in flight */
	bool is_preparing; /* a Prepare went before it and is not answered yet */
	PGresult *result;  /* what is known so far; delivered at its Sync */
	db_fn *fn;         /* NULL: the owner was told, or has cancelled */
	void *arg;
	struct timer deadline;
	int n_params;
	const char *values[DB_PARAMS_MAX];
	int lengths[DB_PARAMS_MAX];
	int formats[DB_PARAMS_MAX];
	char bytes[]; /* of the values */
};
TAILQ_HEAD(db_calls, db_call);

enum backend_state {
	BACKEND_DOWN,       /* no connection; the timer will try */
	BACKEND_CONNECTING, /* the timer is its deadline */
	BACKEND_ASKING,     /* whether the schema serves us; the same deadline */
	BACKEND_READY,      /* the timer runs while it does not answer */
	BACKEND_BROKEN,     /* ready, but to be closed in the next turn */
};

/* One connection to PostgreSQL. */
struct backend {
	struct db *db;
	enum backend_state state;
	PGconn *pg;
	struct event readable, writable;
	bool has_events;
	struct timer timer;
	int64_t retry_ms;
	struct db_calls in_flight; /* in the order in which answers come */
	size_t n_in_flight;
	bool is_stale;     /* takes no more calls, reconnects when it is idle */
	bool *is_prepared; /* by statement */
};

struct db {
	struct loop *loop;
	struct db_settings settings;
	struct db_calls waiting;
	size_t n_calls;
	size_t n_ready;
	bool is_down_logged;
	bool is_refusal_logged;
	void (*on_ready)(void *arg, bool is_ready);
	void *on_ready_arg;
	struct backend *backends;
};

/* db.c */
void db_call_tell(struct db_call *call, enum db_status status);
void db_call_free(struct db_call *call);
void db_send_waiting(struct db *db);
/** A connection came (+1), went (-1) or failed to come (0). */
void db_ready_changed(struct db *db, int change, const char *why);

/* db_backend.c */
void backend_open(struct backend *b, struct db *db);
void backend_close(struct backend *b);
bool backend_has_room(const struct backend *b);
/** It is at work on short statements, and on nothing else. */
bool backend_is_quick(const struct backend *b);
void backend_send(struct backend *b, struct db_call *call);
/** A call on it is over its deadline: soon it will be given up. */
void backend_suspect(struct backend *b);

#endif
