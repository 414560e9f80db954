/*
 * One gateway worker: its TLS contexts, routes and sessions. Accepts handsets and
 * makes a session of each.
 */
#ifndef GATEWAY_AIRNET_H
#define GATEWAY_AIRNET_H

#include <sys/queue.h>

#include "base/gate.h"
#include "base/network.h"
#include "base/supervisor.h"
#include "gateway/control.h"
#include "gateway/report.h"
#include "gateway/route.h"

struct presence;
struct proxied;
struct session;

struct airnet {
	struct worker *worker;
	struct loop *loop;
	const struct gateway_config *config;
	struct signer *signer;           /* has the keys of both */
	struct authority *authorities;   /* one for each section */
	struct tls_context *tls;         /* towards handsets */
	struct tls_context *landnet_tls; /* towards servers */
	uint8_t gw[SHA256_BYTES];        /* SPKI of our landnet certificate */
	struct route_table *routes;
	struct report_queue **reports; /* one for each route */
	struct control **controls;     /* one for each route */
	struct link_settings link;     /* for handsets */
	struct listener **listeners;
	size_t n_listeners;
	struct network *proxies; /* where proxies are */
	size_t n_proxies;
	TAILQ_HEAD(, proxied) proxied; /* whose header is not yet read */
	TAILQ_HEAD(, session) sessions;
	struct presence *presence; /* the verified ones of them */
	struct gate gate;          /* all of both */
	struct timer watch;        /* for sessions that newer ones supersede */
	uint64_t calls_seen;       /* of limit_calls() */
	bool is_stopping;
	size_t n_reporting; /* queues that still tell servers of ends */
};

/** supervisor_role.load: read certificates, revocation lists and proof roots. */
bool airnet_load(const void *config, void **airnet);
/** supervisor_role.start: be a worker. */
bool airnet_start(struct worker *worker);
/** supervisor_role.stop: take no one new, end sessions at their answer boundary. */
void airnet_stop(struct worker *worker);
/** supervisor_role.cut: end the sessions that are left. */
size_t airnet_cut(struct worker *worker);
/** A session is over, or what might have become one. */
void airnet_session_gone(struct airnet *airnet);

#endif
