/*
 * The DSN of a configuration: a libpq conninfo string, or several hosts in one. What
 * would block the loop (a name to look up) or leak (a password in the file) is refused
 * before anything connects.
 */
#ifndef BASE_DSN_H
#define BASE_DSN_H

#include <libpq-fe.h>

#include "base/slice.h"

/**
 * Check a DSN.
 *
 * libpq can parse it; each host is a numeric address, a socket folder, or has a
 * hostaddr; it holds no password: a passfile is the way, which is there and which
 * nobody else may read.
 *
 * @return false with @p why
 */
bool dsn_check(const char *dsn, char *why, size_t why_size);
/**
 * Begin to connect, without blocking; PQconnectPoll() goes on.
 *
 * @param dsn                   one that dsn_check() accepts
 * @param statement_timeout_ms  set for the session, or 0 to leave it (PgBouncer refuses
 *                              start-up options that it does not know)
 * @return as PQconnectStart()
 */
PGconn *dsn_connect(const char *dsn, const char *application_name,
		    int64_t statement_timeout_ms);

#endif
