/*
 * What devices of a load have in common: the link to the proxy under a certificate of
 * their own, and the one question that they ask.
 */
#ifndef CONTRIB_BENCH_CALLER_H
#define CONTRIB_BENCH_CALLER_H

#include "base/exchange.h"
#include "contrib/bench/devices.h"
#include "contrib/bench/settings.h"

/** To whom all of them go; borrowed for the life of the links. */
struct caller {
	struct loop *loop;
	const struct settings *settings;
	struct tls_context *tls;
	struct sockaddr_storage address;
	socklen_t address_size;
	int64_t patience_ms; /* of the load itself; the proxies have their own */
};

/** Connect as @p device. Whatever fails comes as LINK_CLOSED. Freed by link_free(). */
struct link *caller_connect(const struct caller *caller,
			    const struct device_certificate *device, link_fn *fn,
			    void *arg);
/** Ask on a link that is ready. */
void caller_ask(const struct caller *caller, struct link *link, exchange_fn *fn,
		void *arg);
/** Throw away what has come of the answer's body, so that more may come. */
void caller_drain(struct exchange *exchange);

#endif
