/*
 * The landnet pool of one route: a bounded set of TLS links to its servers, lent
 * to one exchange at a time. Callers wait in two queues with a deadline: what is
 * over as fast as the server answers, and what takes as long as a handset likes,
 * which is lent half of the links at most. Knows no sessions.
 * doc/decisions/008-long-exchanges.md
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
	size_t queue_limit; /* callers that may wait in each queue */
};

/** What a link is wanted for. */
enum pool_loan {
	POOL_SHORT, /* request and answer are held whole by the gateway */
	POOL_LONG,  /* a body of either is not: the link waits for the handset, too */
	POOL_N_LOANS,
};

/** Open nothing yet. @param settings  copied, with what it points to borrowed. Never
 * NULL */
struct pool *pool_new(struct loop *loop, const struct pool_settings *settings);
/** Idle links end in good form, others are cut; no callback of a wait comes. */
void pool_free(struct pool *pool);

/**
 * Get a link that is ready for link_request(). The caller begins its exchange within
 * the callback; the pool takes the link back by itself when that exchange is over.
 * A caller that cannot use the link just returns.
 */
typedef void pool_fn(void *arg, struct link *link, enum auth_reason reason);
/**
 * @param fn  called exactly once, later: with a link, or with NULL and one of
 *            REASON_LANDNET_BUSY (no link before @p deadline_ms, or at once where the
 *            queue is full), _UNREACHABLE, _UNTRUSTED
 */
struct pool_wait *pool_get(struct pool *pool, enum pool_loan loan, int64_t deadline_ms,
			   pool_fn *fn, void *arg);
/** @p fn of pool_get() will not come. */
void pool_cancel(struct pool_wait *wait);
/**
 * Let a short loan become a long one: the server is invited to wait, or its answer
 * turns out to be large. A long one stays what it is.
 * @param link  lent by @p pool
 * @return false: half of the links are held by other long loans, or by exchanges older
 *         than a second, and nothing has changed
 * Cost: O(links that are lent).
 */
bool pool_lengthen(struct pool *pool, const struct link *link);

#endif
