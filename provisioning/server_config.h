/*
 * Settings of provbox-server: the table of keys, and what follows from several of
 * them. Knows files and texts; opens no socket and loads no private key.
 */
#ifndef PROVISIONING_SERVER_CONFIG_H
#define PROVISIONING_SERVER_CONFIG_H

#include <stdio.h>

#include "auth/auth.h"
#include "base/supervisor.h"
#include "provisioning/service.h"

/** gateway "name" { ... }: one that may use this server, by its certificate or by its
 * key alone. */
struct gateway_section {
	char *title;
	char *certificate;             /* NULL or PEM */
	char *pin;                     /* "" or base64url of the SHA-256 of its SPKI */
	struct config_list imei, meid; /* of devices: prefixes, or "all" */
};

/** The server that mail is brought to, and as whom. */
struct mail_config {
	struct service_config server; /* smtp:// or smtps:// */
	char *from;                   /* address; "" only without a url */
	char *credentials;            /* NULL, or a file with user:password */
};

struct server_config {
	struct supervisor_config daemon;
	struct config_list listen;
	char *certificate, *key, *trust, *crl;
	char *crl_stale; /* for tls_stale_parse() */
	int64_t expiry_warning_ms;
	char *provisioning_uri;
	char *grant_key_file;
	char *proof_certificate, *proof_key;
	struct config_array gateways;

	char *dsn;
	bool is_prepare;
	int64_t database_connections;
	int64_t database_timeout_ms;

	struct service_config billing;
	char *billing_folder; /* "": no files are written */
	char *fetch_trust;    /* NULL: nothing is fetched */
	int64_t fetch_timeout_ms, fetch_limit_ms;
	struct mail_config mail;
	struct service_config hook, verification;

	int64_t workers;
	int64_t control_streams;
	int64_t connections;
	int64_t handshakes;
	int64_t handshake_timeout_ms;
	int64_t head_timeout_ms;
	int64_t body_timeout_ms;
	int64_t write_timeout_ms;
	int64_t idle_timeout_ms;
	int64_t authentication_timeout_ms;

	bool is_demo;
};

extern const struct config_spec server_config_spec;

/** What no single key can tell: that files agree, addresses and pins can be read. */
bool server_config_check(const void *config, FILE *errors);
/** supervisor_spec.expiring: what is shown to gateways, devices and billing, or
 * demanded of them. */
void server_config_expiring(const void *config, struct expiry_plan *plan);
/** The name of this server in every protocol: host:port of provisioning_uri. */
bool server_config_srv(const struct server_config *config,
		       char out[AUTH_SRV_CHARS + 1]);
/** What a gateway is known by: the SHA-256 of its SPKI. */
bool server_config_gateway(const struct gateway_section *gateway,
			   uint8_t out[SHA256_BYTES]);
/** Which devices it may speak for; borrowed from the configuration. */
void server_config_devices(const struct gateway_section *gateway,
			   struct authority_prefixes out[AUTHORITY_N_KINDS]);

#endif
