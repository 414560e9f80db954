/*
 * The route table: for each srv (host:port of a provisioning URI) its pool, whose
 * proofs are believed, and what permission a path needs. The path never decides
 * where a request goes.
 */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "gateway/gateway_config.h"
#include "gateway/pool.h"

struct route {
	char srv[AUTH_SRV_CHARS + 1];
	char host[AUTH_SRV_CHARS + 1];
	const struct route_config *config;
	struct proof_trust *trust;
	struct pool *pool;
	size_t index; /* of sessions' per-route state */
};

struct route_table;

/**
 * Load the trust of each configured route.
 * @return NULL after logging what is wrong with a proof root or pin
 */
struct route_table *route_table_new(const struct gateway_config *config);
/**
 * Open a pool for each.
 * @param landnet  borrowed; the landnet TLS context of this worker
 */
void route_table_open(struct route_table *table, struct loop *loop,
		      const struct gateway_config *config, struct tls_context *landnet);
void route_table_free(struct route_table *table);
/** How many there are; route->index is below it. */
size_t route_count(const struct route_table *table);
/** @param host  value of a Host field; the port 443 may be left out. NULL: no such srv
 */
struct route *route_find(struct route_table *table, struct slice host);
/**
 * What permission a path needs.
 * @return the configured prefix that covers it; NULL when the path is none of the
 * route's: never forward it
 */
const char *route_prefix(const struct route *route, struct slice path,
			 enum permission *out);
/** Whether the answers at a path are large, by configuration. */
bool route_is_large(const struct route *route, struct slice path);

/** The largest request body that is taken for its server. */
int64_t route_body_limit(const struct route *route,
			 const struct gateway_config *config);

#endif
