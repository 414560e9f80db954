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

#define DB_PARAMS_MAX 16

struct db_statement {
	const char *name;
	const char *sql; /* one statement, $1.. */
	int n_params;    /* at most DB_PARAMS_MAX */
	bool is_binary;  /* results in binary format, for bytea columns: see db_value()
			  */
	/* Takes microseconds and is not made to wait, by a lock or a disk: such follow
	 * each other on one connection, which wakes PostgreSQL once for several. The
	 * others spread over all connections. */
	bool is_short;
};

struct db_settings {
	const char *dsn; /* libpq conninfo; see base/dsn.h */
	const char *application_name;
	const struct db_statement *statements;
	size_t n_statements;
	size_t connections;
	size_t queue_limit; /* calls waiting and in flight */
	int64_t timeout_ms; /* of one call, queueing included; also statement_timeout,
			     * where prepare (through PgBouncer set it for the role) */
	bool prepare;
	/* Of the schema that the program was made for: a connection is not used before
	 * provbox.schema_serves() says that it serves it, ERROR ev=schema_refused;
	 * tried again until somebody has brought it up to date. A database that is
	 * read-only, as a standby is, is not used either. 0: not asked. */
	int schema_version;
};

enum db_status {
	DB_OK,
	DB_UNAVAILABLE, /* not connected in time, connection lost, deadlock; outcome
			 * unknown: repeat only what is idempotent */
	DB_TIMEOUT,     /* no answer in time; outcome unknown */
	DB_FAILED, /* the server refused it: our bug or a broken schema; logged here as
		    * ERROR ev=db_failed */
};

/** @p result is borrowed; rows for DB_OK, the error for DB_FAILED, else NULL. The
 * transaction of DB_OK is committed. Must not call db_close(). */
typedef void db_fn(void *arg, enum db_status status, const PGresult *result);

struct db_param {
	const void *p; /* NULL: SQL NULL */
	int n;
	bool is_binary;
};
/* What a parameter points to is borrowed until db_call() returns. */
struct db_param db_text(const char *s); /* NULL: SQL NULL */
struct db_param db_slice(
	struct slice s); /* text; must not hold NUL: checked by db_call */
struct db_param db_bytes(const void *p, size_t n); /* bytea, binary */
struct db_param db_null(void);

/**
 * Begin to connect. Settings are copied, statements borrowed for the life of the db.
 * @return NULL when the DSN fails dsn_check(), with @p why
 */
struct db *db_open(struct loop *loop, const struct db_settings *settings, char *why,
		   size_t why_size);
/** Ends all connections; open calls are dropped without a callback. */
void db_close(struct db *db);
/** Whether at least one connection is open. */
bool db_is_ready(const struct db *db);
/** @p fn is called when readiness changes; one owner, set anew at any time. */
void db_on_ready(struct db *db, void (*fn)(void *arg, bool is_ready), void *arg);

/**
 * Run a statement of the table. Parameters are copied.
 * @return a handle for db_cancel(), or NULL when the queue is full or a text
 *         parameter holds a NUL; @p fn is then never called
 */
struct db_call *db_call(struct db *db, size_t statement, const struct db_param *params,
			size_t n_params, db_fn *fn, void *arg);
/** @p fn will not be called; the statement may still run. Only before @p fn was. */
void db_cancel(struct db_call *call);

/** Value of a row as a slice that borrows from @p result; empty for NULL. Text, or the
 * raw bytes of a bytea column of a statement with is_binary. */
struct slice db_value(const PGresult *result, int row, int column);

#endif
