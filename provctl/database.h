/*
 * The connection to PostgreSQL, one statement at a time, and what its errors mean for
 * the exit code.
 */
#ifndef PROVCTL_DATABASE_H
#define PROVCTL_DATABASE_H

#include <libpq-fe.h>

#include "provctl/provctl.h"

struct param {
	const char *value; /* NULL: SQL NULL */
	size_t n;          /* bytes of a binary value; 0: a text that ends with NUL */
};

#define TEXT(s)     ((struct param){ .value = (s) })
#define BYTES(p, m) ((struct param){ .value = (const char *)(p), .n = (m) })
#define PARAMS(...)                        \
	((struct param[]){ __VA_ARGS__ }), \
		sizeof((struct param[]){ __VA_ARGS__ }) / sizeof(struct param)

/**
 * Connect, and set what every session needs. Closes the connection that was there.
 *
 * @param database  borrowed; replaces the database of the DSN, or NULL
 * @return RESULT_OK; RESULT_CONFIG for a DSN that is refused, RESULT_UNAVAILABLE when
 *         the server cannot be reached, both after a complaint
 */
enum result database_open(struct context *ctx, const char *dsn, const char *database);
void database_close(struct context *ctx);

/**
 * Run one statement with parameters, results as text.
 * @param out  taken by the caller with PQclear(); NULL after a failure
 * @return RESULT_OK, or the exit code after a complaint
 */
enum result database_query(struct context *ctx, const char *sql,
			   const struct param *params, size_t n_params, PGresult **out);
/** Run statements without parameters whose rows nobody wants. */
enum result database_run(struct context *ctx, const char *sql);
/** As database_query() for the one value of one row; NULL in @p out for SQL NULL. */
enum result database_value(struct context *ctx, const char *sql,
			   const struct param *params, size_t n_params,
			   const char **out);

#endif
