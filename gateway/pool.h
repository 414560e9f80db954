/*
 * The landnet pool of one route: a bounded set of TLS links to its servers, lent
 * to one exchange at a time. Callers wait in a queue with a deadline. Knows no
 * sessions.
 */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include "auth/auth.h"
#include "base/exchange.h"

struct pool;
struct pool_wait;

struct pool_settings {
	const char *srv;  /* for the log; borrowed */
	const char *host; /* the name to find in the server's certificate; borrowed */
	const char *const *addresses; /* numeric; borrowed */
	size_t n_addresses;
	struct link_settings link; /* with the landnet TLS context */
	size_t size;
};

struct pool *pool_new(struct loop *loop, const struct pool_settings *settings);
void pool_free(struct pool *pool);

/**
 * Get a link that is ready for link_request(). The caller begins its exchange within
 * the callback; the pool takes the link back by itself when that exchange is over.
 * A caller that cannot use the link just returns.
 */
typedef void pool_fn(void *arg, struct link *link, enum auth_reason reason);
/**
 * @param fn  called exactly once, later: with a link, or with NULL and one of
 *            REASON_LANDNET_BUSY (no link before @p deadline_ms), _UNREACHABLE,
 * _UNTRUSTED
 */
struct pool_wait *pool_get(struct pool *pool, int64_t deadline_ms, pool_fn *fn,
			   void *arg);
/** @p fn of pool_get() will not come. */
void pool_cancel(struct pool_wait *wait);
/** Whether half of the links are held by exchanges older than a second: no further one
 * should be invited to wait. */
bool pool_is_crowded(struct pool *pool);

#endif
