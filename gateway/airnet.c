#include "gateway/airnet.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/linger.h"
#include "base/listener.h"
#include "base/log.h"
#include "gateway/authorities.h"
#include "gateway/gateway_metrics.h"
#include "gateway/limit.h"
#include "gateway/presence.h"
#include "gateway/proxied.h"
#include "gateway/session.h"

#define WATCH_MS     100
#define UNREAD_BYTES 65536 /* of an answer, where a handset reads slowly */
#define OTHER_FILES  64    /* loop, channels, log, and what is just being closed */

/* One worker is one process. */
static struct airnet *own;

/* The context of one leg; its key is in the keys child alone. */
static struct tls_context *load_leg(struct signer *signer, const char *key,
				    struct tls_settings settings, const char *stale)
{
	struct tls_context *context = NULL;
	char why[512];

	BUG_ON(!tls_stale_parse(stale, &settings.accepts_stale_crl));
	settings.is_refused_expired = true;
	settings.key = signer_key(signer, settings.chain_path, why, sizeof(why));
	if (settings.key)
		context = tls_context_new(&settings, why, sizeof(why));
	EVP_PKEY_free(settings.key); /* the context has its own reference */
	if (!context)
		config_log_error(key, why); /* trust and lists were checked before */
	return context;
}

static bool load_tls(struct airnet *airnet)
{
	const struct gateway_config *config = airnet->config;

	airnet->signer = signer_new(SIGNER_TIMEOUT_MS);
	airnet->tls =
		load_leg(airnet->signer, "airnet_certificate",
			 (struct tls_settings){
				 .role = TLS_SERVER,
				 .chain_path = config->airnet_certificate,
				 .trust_path = config->airnet_trust,
				 .crl_path = config->airnet_crl,
				 .tls12 = config->airnet_tls12,
				 .n_remembered = (size_t)config->chains_remembered,
				 .memory_metric = GATEWAY_CHAINS,
			 },
			 config->airnet_crl_stale);
	airnet->landnet_tls =
		load_leg(airnet->signer, "landnet_certificate",
			 (struct tls_settings){
				 .role = TLS_CLIENT,
				 .chain_path = config->landnet_certificate,
				 .trust_path = config->landnet_trust,
				 .crl_path = config->landnet_crl,
			 },
			 config->landnet_crl_stale);
	return airnet->tls && airnet->landnet_tls &&
	       tls_spki_hash(tls_context_leaf(airnet->landnet_tls), airnet->gw);
}

static void airnet_free(struct airnet *airnet)
{
	route_table_free(airnet->routes);
	tls_context_free(airnet->tls);
	tls_context_free(airnet->landnet_tls);
	signer_free(airnet->signer);
	free(airnet->authorities);
	free(airnet->listeners);
	free(airnet->proxies);
	presence_free(airnet->presence);
	free(airnet);
}

static void load_proxies(struct airnet *airnet)
{
	const struct config_list *networks = &airnet->config->proxy_from;

	airnet->n_proxies = networks->n;
	airnet->proxies = calloc(networks->n + 1, sizeof(*airnet->proxies));
	BUG_ON(!airnet->proxies);
	for (size_t i = 0; i < networks->n; i++)
		BUG_ON(!network_parse(networks->items[i], &airnet->proxies[i]));
}

/* Every file is read here, before the process becomes another user. */
bool airnet_load(const void *config, void **out)
{
	struct airnet *airnet = calloc(1, sizeof(*airnet));
	bool is_loaded;

	BUG_ON(!airnet);
	airnet->config = config;
	load_proxies(airnet);
	airnet->routes = route_table_new(config);
	airnet->authorities = authorities_load(config);
	is_loaded = load_tls(airnet) && airnet->routes && airnet->authorities;
	if (is_loaded)
		*out = airnet;
	else
		airnet_free(airnet);
	return is_loaded;
}

static void on_control(void *arg, const struct route *route,
		       const struct control_line *line)
{
	const enum auth_reason reason =
		line->is_blocked ? REASON_DEVICE_BLOCKED : REASON_GRANT_EPOCH;
	size_t n = session_revoke_all(arg, route, line);

	const struct log_field fields[] = {
		log_str("srv", route->srv),
		line->dev[0] ? log_masked("dev", slice_of(line->dev))
			     : log_str("dev", "*"),
		log_str("reason", auth_reason_name(reason)),
		log_num("epoch", line->epoch),
		log_num("sessions", (int64_t)n),
	};

	/* Most changes are of devices that are elsewhere. */
	log_write(n > 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "control_end", fields,
		  sizeof(fields) / sizeof(fields[0]));
}

/* Of no use to any device is a gateway that no route's servers list. One that some list
 * stays ready: no server may take it from the devices of another. */
static void on_refused(void *arg, bool is_refused)
{
	struct airnet *airnet = arg;
	bool is_useful = !is_refused;

	for (size_t i = 0; i < airnet->config->routes.n; i++)
		is_useful |= !control_is_refused(airnet->controls[i]);
	worker_set_ready(airnet->worker, is_useful);
}

static struct control *open_control(struct airnet *airnet, const struct route *route)
{
	const struct gateway_config *config = airnet->config;
	const struct control_settings settings = {
		.route = route,
		.link = { .conn = { .tls = airnet->landnet_tls,
				    .server_name = route->host,
				    .handshake_timeout_ms =
					    config->handshake_timeout_ms,
				    .write_timeout_ms = config->write_timeout_ms },
			  .head_timeout_ms = config->head_timeout_ms },
		.gw = airnet->gw,
		.fn = on_control,
		.refused_fn = on_refused,
		.arg = airnet,
	};

	return control_new(airnet->loop, &settings);
}

static void open_routes(struct airnet *airnet)
{
	const struct gateway_config *config = airnet->config;
	const struct route_config *routes = config->routes.items;

	route_table_open(airnet->routes, airnet->loop, config, airnet->landnet_tls);
	airnet->reports = calloc(config->routes.n, sizeof(struct report_queue *));
	airnet->controls = calloc(config->routes.n, sizeof(struct control *));
	BUG_ON(!airnet->reports || !airnet->controls);
	for (size_t i = 0; i < config->routes.n; i++) {
		struct route *route =
			route_find(airnet->routes, slice_of(routes[i].title));

		airnet->reports[i] = report_queue_new(
			airnet->loop, route, config->authentication_timeout_ms);
		airnet->controls[i] = open_control(airnet, route);
	}
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	session_accept(arg, fd, NULL);
}

static void on_accept_proxied(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	proxied_accept(arg, fd);
}

/* Those of airnet_listen come first, as gateway_config_addresses() has them, and all
 * again for workers that a reload took away. */
static listener_fn *accept_of(const struct gateway_config *config, size_t i)
{
	size_t n = config->airnet_listen.n + config->proxy_listen.n;

	return i % n < config->airnet_listen.n ? on_accept : on_accept_proxied;
}

/* ---- Limits ---- */

/* Sessions that leave descriptors for the landnet: without them each is worth nothing.
 */
static size_t session_limit(const struct airnet *airnet)
{
	const struct gateway_config *config = airnet->config;
	const rlim_t wanted = (rlim_t)config->sessions;
	const struct route_config *routes = config->routes.items;
	rlim_t others = config->routes.n * (rlim_t)config->pool_size +
			airnet->n_listeners + LINGER_SOCKETS + OTHER_FILES;
	struct rlimit files;

	for (size_t i = 0; i < config->routes.n; i++)
		others += routes[i].addresses.n; /* control streams */

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted + others)
		return wanted;
	const rlim_t room = files.rlim_cur > others ? files.rlim_cur - others : 1;
	log_warn("sessions_capped", log_num("sessions", (int64_t)room),
		 log_num("wanted", (int64_t)wanted),
		 log_num("files", (int64_t)files.rlim_cur));
	return room;
}

static void hold_listeners(bool is_held, void *arg)
{
	const struct airnet *airnet = arg;

	metrics_add(GATEWAY_HELD, is_held);
	for (size_t i = 0; i < airnet->n_listeners; i++)
		listener_hold(airnet->listeners[i], is_held);
}

static void on_watch(void *arg)
{
	struct airnet *airnet = arg;
	const uint64_t calls = limit_calls();

	if (calls != airnet->calls_seen)
		session_end_called(airnet);
	airnet->calls_seen = calls;
	timer_start(&airnet->watch, WATCH_MS);
}

static void open_limits(struct airnet *airnet, size_t slot)
{
	gate_init(&airnet->gate, airnet->loop, session_limit(airnet),
		  (size_t)airnet->config->handshakes, hold_listeners, airnet);
	limit_use_slot(slot, airnet->config);
	timer_init(&airnet->watch, airnet->loop, on_watch, airnet);
	if (airnet->config->sessions_per_identity > 0)
		timer_start(&airnet->watch, WATCH_MS);
}

/* ---- The role ---- */

bool airnet_start(struct worker *worker)
{
	const struct gateway_config *config = worker->config;
	struct airnet *airnet = worker->secrets;

	own = airnet;
	log_gather(); /* a line for each request */
	airnet->worker = worker;
	airnet->loop = worker->loop;
	signer_open(airnet->signer, worker->channels[0]);
	TAILQ_INIT(&airnet->proxied);
	TAILQ_INIT(&airnet->sessions);
	airnet->presence = presence_new((size_t)config->sessions);
	open_routes(airnet);
	airnet->link = (struct link_settings){
		.conn = { .tls = airnet->tls,
			  .handshake_timeout_ms = config->handshake_timeout_ms,
			  .write_timeout_ms = config->write_timeout_ms,
			  .tx_high = UNREAD_BYTES },
		.head_timeout_ms = config->head_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.idle_timeout_ms = config->idle_timeout_ms,
	};
	airnet->n_listeners = worker->n_listeners;
	open_limits(airnet, worker->slot);
	airnet->listeners = calloc(worker->n_listeners + 1, sizeof(struct listener *));
	BUG_ON(!airnet->listeners);
	for (size_t i = 0; i < worker->n_listeners; i++)
		airnet->listeners[i] = listener_new(worker->loop, worker->listeners[i],
						    accept_of(config, i), airnet);
	worker_set_ready(worker, true);
	return true;
}

static void on_stopped(void *arg)
{
	struct airnet *airnet = arg;
	struct loop *loop = airnet->loop;

	timer_cancel(&airnet->watch);
	for (size_t i = 0; i < airnet->config->routes.n; i++) {
		report_queue_free(airnet->reports[i]);
		control_free(airnet->controls[i]);
	}
	free(airnet->reports);
	free(airnet->controls);
	airnet_free(airnet);
	own = NULL;
	loop_finish(loop);
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
	if (!airnet->is_stopping || !TAILQ_EMPTY(&airnet->sessions) ||
	    !TAILQ_EMPTY(&airnet->proxied))
		return;
	airnet->n_reporting = airnet->config->routes.n;
	for (size_t i = 0; i < airnet->config->routes.n; i++)
		report_queue_finish(airnet->reports[i], on_reports_sent, airnet);
}

/* Before a worker is told to end it may not even have started. */
void airnet_stop(struct worker *worker)
{
	struct airnet *airnet = own;

	(void)worker;
	if (!airnet)
		return;
	airnet->is_stopping = true;
	gate_close(&airnet->gate);
	for (size_t i = 0; i < airnet->n_listeners; i++)
		listener_finish(airnet->listeners[i]);
	airnet->n_listeners = 0;
	log_info("draining", log_num("sessions", (int64_t)session_drain_all(airnet)));
	airnet_session_gone(airnet);
}

size_t airnet_cut(struct worker *worker)
{
	(void)worker;
	if (!own)
		return 0;
	proxied_cut_all(own);
	return session_cut_all(own);
}
