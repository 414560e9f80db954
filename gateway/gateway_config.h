/*
 * Configuration of provbox-gateway: one table of keys, one struct. Knows what may
 * stand in the file, not what is done with it.
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include "base/supervisor.h"

#define GATEWAY_LISTEN_MAX 32 /* addresses of each kind */

/** route "host:port" { ... }: one provisioning server, by the name devices hold. */
struct route_config {
	char *title;                   /* srv */
	struct config_list addresses;  /* of its servers, tried in turn */
	struct config_list care;       /* path prefixes a limited device may use */
	struct config_list provision;  /* path prefixes for everybody else */
	struct config_list large;      /* path prefixes whose answers are large */
	int64_t body_limit;            /* 0: that of the whole */
	char *proof_root;              /* NULL: pins only */
	struct config_list proof_pins; /* RFC 7638 thumbprints, at most two */
};

/** authority "name" { ... }: what one CA of device certificates may assert. */
struct authority_config {
	char *title;
	char *certificate;
	struct config_list imei, meid; /* first digits, or "all" */
};

struct gateway_config {
	struct supervisor_config daemon;
	struct config_list airnet_listen;
	struct config_list proxy_listen;
	struct config_list proxy_from; /* for network_parse() */
	char *airnet_certificate;
	char *airnet_key;
	char *airnet_trust;
	char *airnet_crl;
	char *airnet_crl_stale; /* for tls_stale_parse() */
	int64_t chains_remembered;
	bool airnet_tls12;
	bool slim_sessions;
	char *landnet_certificate;
	char *landnet_key;
	char *landnet_trust;
	char *landnet_crl;
	char *landnet_crl_stale;
	int64_t expiry_warning_ms;
	struct config_array routes;      /* of struct route_config */
	struct config_array authorities; /* of struct authority_config */
	int64_t workers;
	int64_t sessions;
	int64_t handshakes;
	int64_t sessions_per_identity;
	int64_t new_sessions_per_address;
	int64_t admission;
	int64_t retry_after_ms;
	int64_t pool_size;
	int64_t pool_queue;
	int64_t pool_wait_ms;
	int64_t body_limit;
	int64_t handshake_timeout_ms;
	int64_t head_timeout_ms;
	int64_t body_timeout_ms;
	int64_t write_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t authentication_timeout_ms;
	bool is_demo;
};

extern const struct config_spec gateway_config_spec;

/** All addresses to listen on: those of airnet_listen, then those of proxy_listen.
 * Fills at most @p cap, returns count. */
size_t gateway_config_addresses(const struct gateway_config *config,
				const char **addresses, size_t cap);
/** Whether a path prefix of a route covers a path: itself, and what follows it after a
 * slash. */
bool gateway_config_covers(const char *prefix, struct slice path);
/** supervisor_spec.expiring: certificates, anchors and lists of both legs, roots of
 * proofs. */
void gateway_config_expiring(const void *config, struct expiry_plan *plan);

#endif
