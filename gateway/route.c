#include "gateway/route.h"

#include <stdlib.h>

#include "base/log.h"

#define SERVER_WAIT_MS 5000  /* that a request may ask of a server by Prefer */
#define UNSENT_BYTES   65536 /* of a large request, where a server reads slowly */

struct route_table {
	struct route *routes;
	size_t n;
};

static bool route_load(struct route *route)
{
	const struct route_config *own = route->config;
	char why[512], key[AUTH_SRV_CHARS + 32];

	snprintf(route->srv, sizeof(route->srv), "%s", own->title);
	identity_srv_host(route->srv, route->host); /* it has a port, as was checked */
	route->trust = proof_trust_new(
		&(struct proof_trust_settings){
			.srv = route->srv,
			.root_path = own->proof_root,
			.pins = (const char *const *)own->proof_pins.items,
			.n_pins = own->proof_pins.n,
		},
		why, sizeof(why));
	/* gateway_config_check() has seen that the rest is good */
	snprintf(key, sizeof(key), "route \"%s\": proof_root", route->srv);
	if (!route->trust)
		config_log_error(key, why);
	return route->trust != NULL;
}

static void route_open(struct route *route, struct loop *loop,
		       const struct gateway_config *config, struct tls_context *landnet)
{
	const struct route_config *own = route->config;

	route->pool = pool_new(
		loop, &(struct pool_settings){
			      .srv = route->srv,
			      .host = route->host,
			      .addresses = (const char *const *)own->addresses.items,
			      .n_addresses = own->addresses.n,
			      .size = (size_t)config->pool_size,
			      .queue_limit = (size_t)config->pool_queue,
			      .link = {
				      .conn = { .tls = landnet,
						.server_name = route->host,
						.handshake_timeout_ms =
							config->handshake_timeout_ms,
						.write_timeout_ms =
							config->write_timeout_ms,
						.tx_high = UNSENT_BYTES },
				      .head_timeout_ms = config->head_timeout_ms +
							 SERVER_WAIT_MS,
				      .body_timeout_ms = config->body_timeout_ms,
				      .idle_timeout_ms = config->idle_timeout_ms,
			      },
		      });
}

struct route_table *route_table_new(const struct gateway_config *config)
{
	const struct route_config *own = config->routes.items;
	struct route_table *table = calloc(1, sizeof(*table));

	BUG_ON(!table);
	table->routes = calloc(config->routes.n, sizeof(*table->routes));
	BUG_ON(!table->routes);
	for (table->n = 0; table->n < config->routes.n; table->n++) {
		struct route *route = &table->routes[table->n];

		route->config = &own[table->n];
		route->index = table->n;
		if (!route_load(route))
			goto fail;
	}
	return table;
fail:
	route_table_free(table);
	return NULL;
}

void route_table_open(struct route_table *table, struct loop *loop,
		      const struct gateway_config *config, struct tls_context *landnet)
{
	for (size_t i = 0; i < table->n; i++)
		route_open(&table->routes[i], loop, config, landnet);
}

void route_table_free(struct route_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n; i++) {
		pool_free(table->routes[i].pool);
		proof_trust_free(table->routes[i].trust);
	}
	free(table->routes);
	free(table);
}

size_t route_count(const struct route_table *table)
{
	return table->n;
}

struct route *route_find(struct route_table *table, struct slice host)
{
	char srv[AUTH_SRV_CHARS + 1];

	if (!identity_srv(host, 443, srv))
		return NULL;
	for (size_t i = 0; i < table->n; i++) {
		if (!strcmp(table->routes[i].srv, srv))
			return &table->routes[i];
	}
	return NULL;
}

static const char *find_prefix(const struct config_list *prefixes, struct slice path)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (gateway_config_covers(prefixes->items[i], path))
			return prefixes->items[i];
	}
	return NULL;
}

const char *route_prefix(const struct route *route, struct slice path,
			 enum permission *out)
{
	const char *prefix = find_prefix(&route->config->care, path);

	*out = PERMISSION_CARE;
	if (prefix)
		return prefix;
	*out = PERMISSION_PROVISION;
	return find_prefix(&route->config->provision, path);
}

bool route_is_large(const struct route *route, struct slice path)
{
	return find_prefix(&route->config->large, path) != NULL;
}

int64_t route_body_limit(const struct route *route, const struct gateway_config *config)
{
	return route->config->body_limit > 0 ? route->config->body_limit
					     : config->body_limit;
}
