/*
 * The landnet role: a worker that takes connections of gateways over mutual TLS, knows
 * each by its key, and hands every request to api.c. Holds the grant keys; asks the
 * zone for proofs and the keys child for signatures of handshakes.
 */
#ifndef PROVISIONING_LANDNET_H
#define PROVISIONING_LANDNET_H

#include <sys/queue.h>

#include "auth/auth.h"
#include "base/db.h"
#include "base/exchange.h"
#include "base/gate.h"
#include "base/supervisor.h"
#include "provisioning/server_config.h"

/** A gateway that is configured, by its key. */
struct gateway {
	const char *name;
	uint8_t gw[SHA256_BYTES];
	struct authority_prefixes
		devices[AUTHORITY_N_KINDS]; /* that it may speak for */
};

/** A worker. */
struct landnet {
	const struct server_config *config;
	struct loop *loop;
	struct worker *worker;
	char srv[AUTH_SRV_CHARS + 1];
	struct grant_keys *grants;
	struct signer *signer;
	struct tls_context *tls;
	struct gateway *gateways;
	size_t n_gateways;
	struct db *db;
	struct child_caller *zone;
	struct control *control;
	struct listener **listeners;
	size_t n_listeners;
	LIST_HEAD(, peer) peers;
	struct gate gate;
	bool is_stopping;
};

/** A connection of a gateway. */
struct peer {
	LIST_ENTRY(peer) entry;
	struct landnet *landnet;
	struct link *link;
	uint8_t gw[SHA256_BYTES];
	bool is_verified;              /* its certificate */
	const struct gateway *gateway; /* NULL: not configured */
	struct gate_entry gate;
	struct api_call *call; /* the one in progress */
};

/** What the role gives the supervisor. */
bool landnet_load(const void *config, void **secrets);
bool landnet_start(struct worker *worker);
void landnet_stop(struct worker *worker);
size_t landnet_cut(struct worker *worker);

#endif
