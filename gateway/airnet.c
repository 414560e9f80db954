#include "gateway/airnet.h"

#include <stdlib.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"

/* How long exchanges in progress may take when the worker is told to end. */
#define STOP_MS 4000

/* One worker is one process. */
static struct airnet *own;

bool airnet_load(const void *top, void **out)
{
	const struct gateway_config *config = top;
	struct airnet_keys *keys = calloc(1, sizeof(*keys));
	char why[256];

	BUG_ON(!keys);
	keys->airnet = keys_load(config->airnet_key, why, sizeof(why));
	keys->landnet =
		keys->airnet ? keys_load(config->landnet_key, why, sizeof(why)) : NULL;
	if (!keys->landnet) {
		log_error("key_load", log_str("why", why));
		return false;
	}
	*out = keys;
	return true;
}

static struct tls_context *context_new(const struct tls_settings *settings)
{
	char why[256];
	struct tls_context *context = tls_context_new(settings, why, sizeof(why));

	if (!context)
		log_error("tls_context", log_str("why", why));
	return context;
}

static bool airnet_open_tls(struct airnet *airnet, const struct airnet_keys *keys)
{
	const struct gateway_config *config = airnet->config;

	airnet->tls = context_new(&(struct tls_settings){
		.role = TLS_SERVER,
		.chain_path = config->airnet_certificate,
		.key = keys->airnet,
		.trust_path = config->airnet_trust,
		.crl_path = config->airnet_crl,
		.tls12 = config->airnet_tls12,
	});
	airnet->landnet_tls = context_new(&(struct tls_settings){
		.role = TLS_CLIENT,
		.chain_path = config->landnet_certificate,
		.key = keys->landnet,
		.trust_path = config->landnet_trust,
		.crl_path = config->landnet_crl,
	});
	return airnet->tls && airnet->landnet_tls &&
	       tls_spki_hash(tls_context_leaf(airnet->landnet_tls), airnet->gw);
}

static bool airnet_open_routes(struct airnet *airnet)
{
	const struct gateway_config *config = airnet->config;
	const struct route_config *routes = config->routes.items;

	airnet->routes = route_table_new(airnet->loop, config, airnet->landnet_tls);
	if (!airnet->routes)
		return false;
	airnet->reports = calloc(config->routes.n, sizeof(struct report_queue *));
	BUG_ON(!airnet->reports);
	for (size_t i = 0; i < config->routes.n; i++) {
		struct route *route =
			route_find(airnet->routes, slice_of(routes[i].title));

		airnet->reports[i] = report_queue_new(
			airnet->loop, route, config->authentication_timeout_ms);
	}
	return true;
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	session_accept(arg, fd);
}

bool airnet_start(struct worker *worker)
{
	const struct gateway_config *config = worker->config;
	struct airnet *airnet = calloc(1, sizeof(*airnet));

	BUG_ON(!airnet);
	own = airnet;
	airnet->loop = worker->loop;
	airnet->config = config;
	TAILQ_INIT(&airnet->sessions);
	if (!airnet_open_tls(airnet, worker->secrets) || !airnet_open_routes(airnet))
		return false;
	airnet->link = (struct link_settings){
		.conn = { .tls = airnet->tls,
			  .handshake_timeout_ms = config->handshake_timeout_ms,
			  .write_timeout_ms = config->write_timeout_ms },
		.head_timeout_ms = config->head_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.idle_timeout_ms = config->idle_timeout_ms,
	};
	airnet->n_listeners = worker->n_listeners;
	airnet->listeners = calloc(worker->n_listeners + 1, sizeof(struct listener *));
	BUG_ON(!airnet->listeners);
	for (size_t i = 0; i < worker->n_listeners; i++)
		airnet->listeners[i] = listener_new(worker->loop, worker->listeners[i],
						    on_accept, airnet);
	worker_set_ready(worker, true);
	return true;
}

static void airnet_free(struct airnet *airnet)
{
	for (size_t i = 0; i < airnet->config->routes.n; i++)
		report_queue_free(airnet->reports[i]);
	free(airnet->reports);
	route_table_free(airnet->routes);
	tls_context_free(airnet->tls);
	tls_context_free(airnet->landnet_tls);
	free(airnet->listeners);
	free(airnet);
}

static void on_stopped(void *arg)
{
	struct airnet *airnet = arg;
	struct loop *loop = airnet->loop;

	timer_cancel(&airnet->stop);
	airnet_free(airnet);
	own = NULL;
	loop_stop(loop);
}

static void on_reports_sent(void *arg)
{
	struct airnet *airnet = arg;

	if (--airnet->n_reporting == 0)
		loop_defer(airnet->loop, on_stopped, airnet);
}

/* The last session is over: what it has to say still goes out. */
void airnet_session_gone(struct airnet *airnet)
{
	if (!airnet->is_stopping || !TAILQ_EMPTY(&airnet->sessions))
		return;
	airnet->n_reporting = airnet->config->routes.n;
	for (size_t i = 0; i < airnet->config->routes.n; i++)
		report_queue_finish(airnet->reports[i], on_reports_sent, airnet);
}

/* The supervisor has little patience left. */
static void on_stop_timeout(void *arg)
{
	struct airnet *airnet = arg;
	size_t n = session_cut_all(airnet);

	log_warn("stop_cut", log_num("sessions", (int64_t)n));
	loop_stop(airnet->loop);
}

void airnet_stop(struct worker *worker)
{
	struct airnet *airnet = own;

	(void)worker;
	if (!airnet || airnet->is_stopping)
		return;
	airnet->is_stopping = true;
	for (size_t i = 0; i < airnet->n_listeners; i++)
		listener_free(airnet->listeners[i]);
	airnet->n_listeners = 0;
	timer_init(&airnet->stop, airnet->loop, on_stop_timeout, airnet);
	timer_start(&airnet->stop, STOP_MS);
	session_drain_all(airnet);
	airnet_session_gone(airnet);
}
