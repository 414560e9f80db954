#include "provisioning/landnet.h"

#include <stdlib.h>

#include "base/listener.h"
#include "base/log.h"
#include "base/schema.h"
#include "provisioning/api.h"
#include "provisioning/control.h"
#include "provisioning/server_metrics.h"

#define DATABASE_QUEUE 1000

/* ---- Connections ---- */

static void peer_free(struct peer *peer)
{
	struct landnet *landnet = peer->landnet;
	if (peer->call)
		api_drop(peer->call);
	link_free(peer->link);
	gate_leave(&landnet->gate, &peer->gate);
	LIST_REMOVE(peer, entry);
	metrics_add(SERVER_LINKS_OPEN, -1);
	free(peer);
	if (landnet->is_stopping && LIST_EMPTY(&landnet->peers))
		loop_finish(landnet->loop);
}

static const struct gateway *find_gateway(const struct landnet *landnet,
					  const uint8_t gw[SHA256_BYTES])
{
	for (size_t i = 0; i < landnet->n_gateways; i++)
		if (memcmp(landnet->gateways[i].gw, gw, SHA256_BYTES) == 0)
			return &landnet->gateways[i];
	return NULL;
}

/* Whose certificate is verified, and not listed: what to list is in the line. */
static void peer_log_unknown(const struct peer *peer)
{
	char pin[BASE64URL_CHARS(SHA256_BYTES) + 1];

	base64url_encode(slice_make(peer->gw, sizeof(peer->gw)), pin);
	log_warn("gateway_unknown", log_str("peer", conn_peer(link_conn(peer->link))),
		 log_str("pin", pin));
}

/* The certificate is verified; now whose it is. */
static void peer_open(struct peer *peer)
{
	struct conn *conn = link_conn(peer->link);
	const X509 *leaf = SSL_get0_peer_certificate(conn_ssl(conn));
	peer->is_verified = true;
	if (leaf && tls_spki_hash(leaf, peer->gw))
		peer->gateway = find_gateway(peer->landnet, peer->gw);
	if (peer->gateway) {
		gate_know(&peer->landnet->gate, &peer->gate);
		log_info("link_open", log_str("peer", conn_peer(conn)),
			 log_str("gateway", peer->gateway->name));
		return;
	}
	metrics_add(SERVER_GATEWAYS_UNKNOWN, 1);
	peer_log_unknown(peer);
}

static void peer_end(struct peer *peer, const char *reason)
{
	if (!peer->is_verified)
		metrics_add(SERVER_HANDSHAKES_FAILED, 1);
	log_info("link_closed", log_str("peer", conn_peer(link_conn(peer->link))),
		 log_str("gateway", peer->gateway ? peer->gateway->name : NULL),
		 log_str("reason", reason),
		 log_num("requests", (int64_t)link_count(peer->link)));
	peer_free(peer);
}

static void peer_displace(void *arg)
{
	peer_end(arg, "displaced");
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct peer *peer = arg;
	switch (event) {
	case LINK_OPEN: peer_open(peer); break;
	case LINK_REQUEST: api_begin(peer, exchange); break;
	case LINK_CLOSED: peer_end(peer, link_reason(link)); break;
	case LINK_IDLE: break;
	}
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	struct landnet *landnet = arg;
	const struct server_config *config = landnet->config;
	struct link_settings settings = {
		.conn = { .tls = landnet->tls,
			  .handshake_timeout_ms = config->handshake_timeout_ms,
			  .write_timeout_ms = config->write_timeout_ms },
		.head_timeout_ms = config->head_timeout_ms,
		.body_timeout_ms = config->body_timeout_ms,
		.idle_timeout_ms = config->idle_timeout_ms,
	};
	struct peer *peer = calloc(1, sizeof(*peer));
	BUG_ON(!peer);
	peer->landnet = landnet;
	peer->link = link_accept(landnet->loop, fd, &settings, on_link, peer);
	if (!peer->link) {
		log_warn("accept_failed", log_str("why", "descriptors or memory"));
		free(peer);
		return;
	}
	LIST_INSERT_HEAD(&landnet->peers, peer, entry);
	gate_enter(&landnet->gate, &peer->gate, peer_displace, peer);
	metrics_add(SERVER_LINKS_OPEN, 1);
	metrics_add(SERVER_LINKS_ACCEPTED, 1);
}

/* ---- The role ---- */

static bool fail(const char *key, const char *why)
{
	config_log_error(key, why);
	return false;
}

/* Each was read when the configuration was checked; the file may have gone since. */
static bool load_gateways(struct landnet *landnet)
{
	const struct config_array *blocks = &landnet->config->gateways;
	const struct gateway_section *block = blocks->items;
	landnet->gateways = calloc(blocks->n, sizeof(*landnet->gateways));
	BUG_ON(!landnet->gateways);
	for (size_t i = 0; i < blocks->n; i++) {
		struct gateway *gateway = &landnet->gateways[landnet->n_gateways];
		gateway->name = block[i].title;
		if (!server_config_gateway(&block[i], gateway->gw))
			return fail("gateway", block[i].title);
		server_config_devices(&block[i], gateway->devices);
		landnet->n_gateways++;
	}
	return true;
}

/* Grant keys and certificates; the TLS key is in the keys child alone. */
static bool load_credentials(struct landnet *landnet)
{
	const struct server_config *config = landnet->config;
	struct tls_settings settings = {
		.role = TLS_SERVER,
		.chain_path = config->certificate,
		.trust_path = config->trust,
		.crl_path = config->crl,
		.is_refused_expired = true,
	};
	char why[256];
	BUG_ON(!tls_stale_parse(config->crl_stale, &settings.accepts_stale_crl));
	landnet->grants = grant_keys_load(config->grant_key_file, why, sizeof(why));
	if (!landnet->grants)
		return fail("grant_key_file", why);
	landnet->signer = signer_new(SIGNER_TIMEOUT_MS);
	settings.key =
		signer_key(landnet->signer, config->certificate, why, sizeof(why));
	if (!settings.key)
		return fail("certificate", why);
	landnet->tls = tls_context_new(&settings, why, sizeof(why));
	EVP_PKEY_free(settings.key); /* the context has its own reference */
	return landnet->tls || fail("certificate", why);
}

static void landnet_free(struct landnet *landnet)
{
	grant_keys_free(landnet->grants);
	tls_context_free(landnet->tls);
	signer_free(landnet->signer);
	free(landnet->gateways);
	free(landnet);
}

/* Every file is read here, before the process becomes another user. */
bool landnet_load(const void *config, void **secrets)
{
	struct landnet *landnet = calloc(1, sizeof(*landnet));
	BUG_ON(!landnet);
	landnet->config = config;
	if (load_gateways(landnet) && load_credentials(landnet)) {
		*secrets = landnet;
		return true;
	}
	landnet_free(landnet);
	return false;
}

static void on_database(void *arg, bool is_ready)
{
	struct landnet *landnet = arg;
	metrics_add(SERVER_DATABASE_UP, is_ready ? 1 : -1);
	worker_set_ready(landnet->worker, is_ready);
}

static bool open_database(struct landnet *landnet)
{
	const struct server_config *config = landnet->config;
	struct db_settings settings = {
		.dsn = config->dsn,
		.application_name = "provbox-server/landnet",
		.statements = statements,
		.n_statements = STATEMENT_N,
		.connections = (size_t)config->database_connections,
		.queue_limit = DATABASE_QUEUE,
		.timeout_ms = config->database_timeout_ms,
		.prepare = config->is_prepare,
		.schema_version = SCHEMA_VERSION,
	};
	char why[256];
	landnet->db = db_open(landnet->loop, &settings, why, sizeof(why));
	if (!landnet->db)
		return fail("dsn", why);
	db_on_ready(landnet->db, on_database, landnet);
	return true;
}

static void hold_listeners(bool is_held, void *arg)
{
	const struct landnet *landnet = arg;
	metrics_add(SERVER_ACCEPT_HELD, is_held);
	for (size_t i = 0; i < landnet->n_listeners; i++)
		listener_hold(landnet->listeners[i], is_held);
}

bool landnet_start(struct worker *worker)
{
	struct landnet *landnet = worker->secrets;
	log_gather(); /* a line for each request */
	landnet->worker = worker;
	landnet->loop = worker->loop;
	LIST_INIT(&landnet->peers);
	gate_init(&landnet->gate, landnet->loop, (size_t)landnet->config->connections,
		  (size_t)landnet->config->handshakes, hold_listeners, landnet);
	BUG_ON(!server_config_srv(landnet->config, landnet->srv));
	if (!open_database(landnet))
		return false;
	landnet->control = control_new(landnet);
	/* In the order of what the role asks. */
	landnet->zone = child_caller_new(landnet->loop, worker->channels[0]);
	signer_open(landnet->signer, worker->channels[1]);
	landnet->listeners = calloc(worker->n_listeners, sizeof(*landnet->listeners));
	BUG_ON(!landnet->listeners);
	landnet->n_listeners = worker->n_listeners;
	for (size_t i = 0; i < worker->n_listeners; i++)
		landnet->listeners[i] = listener_new(
			landnet->loop, worker->listeners[i], on_accept, landnet);
	return true;
}

void landnet_stop(struct worker *worker)
{
	struct landnet *landnet = worker->secrets;
	struct peer *peer;
	gate_close(&landnet->gate);
	for (size_t i = 0; i < landnet->n_listeners; i++)
		listener_finish(landnet->listeners[i]);
	landnet->n_listeners = 0;
	landnet->is_stopping = true;
	control_stop(landnet->control);
	LIST_FOREACH (peer, &landnet->peers, entry)
		link_drain(peer->link);
	if (LIST_EMPTY(&landnet->peers))
		loop_finish(landnet->loop);
}

size_t landnet_cut(struct worker *worker)
{
	struct landnet *landnet = worker->secrets;
	struct peer *peer;
	size_t n = 0;
	for (; (peer = LIST_FIRST(&landnet->peers)); peer_free(peer))
		n += peer->call != NULL;
	return n;
}
