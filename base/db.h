/*
 * PostgreSQL, asynchronously: a few connections in pipeline mode, one Sync per
 * statement, so that no statement touches its neighbour. Statements are a const
 * table, prepared at first use on each connection (or sent unnamed with
 * prepare = false, for PgBouncer). Reconnects by itself; while nothing is
 * connected, calls wait in a bounded queue up to their deadline.
 */
#ifndef BASE_DB_H
#define BASE_DB_H

#include <libpq-fe.h>

#include "base/loop.h"

struct db;
struct db_call;

struct db_statement {
	const char *name;
	const char *sql; /* one statement, $1.. */
	int n_params;
};

struct db_settings {
	const char *dsn; /* libpq conninfo; numeric hosts or socket paths */
	const char *application_name;
	const struct db_statement *statements;
	size_t n_statements;
	size_t connections;
	size_t queue_limit; /* calls waiting and in flight */
	int64_t timeout_ms; /* of one call, queueing included; also statement_timeout */
	bool prepare;
};

enum db_status {
	DB_OK,
	DB_UNAVAILABLE, /* not connected, connection lost, queue full; outcome unknown
			 * if it was in flight: repeat only what is idempotent */
	DB_TIMEOUT,
	DB_FAILED, /* the server refused it: see PQresultErrorField(); our bug or a
		      broken schema */
};

/** @p result is borrowed; rows for DB_OK, the error for DB_FAILED, else NULL. */
typedef void db_fn(void *arg, enum db_status status, const PGresult *result);

struct db_param {
	const void *p; /* NULL: SQL NULL */
	int n;
	bool is_binary;
};
struct db_param db_text(const char *s); /* NULL: SQL NULL */
struct db_param db_slice(
	struct slice s); /* text; must not hold NUL: checked by db_call */
struct db_param db_bytes(const void *p, size_t n); /* bytea, binary */
struct db_param db_null(void);

/** @return NULL when the DSN cannot be parsed (written to @p why) */
struct db *db_open(struct loop *loop, const struct db_settings *settings, char *why,
		   size_t why_size);
/** Ends all connections; open calls are dropped without a callback. */
void db_close(struct db *db);
bool db_is_ready(const struct db *db);
/** Called when readiness changes. */
void db_on_ready(struct db *db, void (*fn)(void *arg, bool is_ready), void *arg);

/**
 * Run a statement of the table. Parameters are copied.
 * @return a handle for db_cancel(), or NULL when the queue is full or a text
 *         parameter holds a NUL; @p fn is then never called
 */
struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg);
/** @p fn will not be called; the statement may still run. */
void db_cancel(struct db_call *call);

/** Value of a row as a slice; empty for NULL. Text format, or raw bytes of bytea
 * columns asked for in binary. Results come in text format; bytea is decoded by
 * db_bytea(). */
struct slice db_value(const PGresult *result, int row, int column);
/** Decode a bytea in text format ("\x...") into @p out. @return length or -1 */
ssize_t db_bytea(const PGresult *result, int row, int column, uint8_t *out, size_t cap);

#endif
