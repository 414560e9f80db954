/*
 * What it costs that a worker has no key: one worker, a server at two ports, that lets
 * every device in and answers 1 KB. At one its key is in a keys child, as the gateway's
 * is; at the other it is at hand, which is nowhere in the product. Load comes to each
 * in turn (keys.py).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/exchange.h"
#include "base/hatch.h"
#include "base/listener.h"
#include "base/log.h"
#include "contrib/bench/part.h"

#define ANSWER_BYTES 1024
#define TIMEOUT_MS   5000

/* The server at one port. */
struct server {
	struct loop *loop;
	struct link_settings links;
};

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange, (void)event, (void)arg;
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	static const char answer[ANSWER_BYTES] = "a";

	(void)arg;
	if (event == LINK_REQUEST) {
		exchange_on(exchange, on_exchange, NULL);
		exchange_reply(exchange, 200, NULL, 0,
			       slice_make(answer, sizeof(answer)));
	} else if (event == LINK_CLOSED) {
		link_free(link);
	}
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	struct server *server = arg;

	(void)listener;
	BUG_ON(!link_accept(server->loop, fd, &server->links, on_link, NULL));
}

static void on_term(void *arg)
{
	loop_stop(arg);
}

static struct tls_context *tls_of(const struct settings *settings, EVP_PKEY *key)
{
	char why[256] = "no key";
	struct tls_context *tls =
		key ? tls_context_new(
			      &(struct tls_settings){ .role = TLS_SERVER,
						      .chain_path = settings->chain,
						      .key = key,
						      .trust_path = settings->trust,
						      .crl_path = settings->crl,
						      .n_remembered =
							      settings->devices },
			      why, sizeof(why))
		    : NULL;

	EVP_PKEY_free(key);
	if (!tls) {
		fprintf(stderr, "bench: %s\n", why);
		exit(EXIT_FAILURE);
	}
	return tls;
}

static bool serve(struct server *server, struct loop *loop, uint64_t port,
		  struct tls_context *tls)
{
	int fd = part_listen(port);

	server->loop = loop;
	server->links.conn.tls = tls;
	if (fd < 0)
		return false;
	listener_new(loop, fd, on_accept, server);
	return true;
}

static void start_keys_child(const struct settings *settings, int hatch)
{
	const struct keyring_key key = { settings->chain, settings->key, TLS_SERVER,
					 false, "signing" };
	const char *name;
	char why[256];
	pid_t child = fork();

	BUG_ON(child < 0);
	if (child > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the worker needs no farewell */
	struct keyring *keyring = keyring_load(&key, 1, &name, why, sizeof(why));
	BUG_ON(!keyring);
	hatch_serve(&hatch, 1, keyring_answer, keyring);
	_exit(EXIT_SUCCESS);
}

int signing_run(const struct settings *settings)
{
	static struct server child, here; /* what is open ends with the process */
	struct loop *loop;
	char why[256] = "";
	int hatch = hatch_make();

	BUG_ON(hatch < 0);
	start_keys_child(settings, hatch);
	struct signer *signer = signer_new(TIMEOUT_MS);
	signer_open(signer, hatch);
	loop = loop_new();
	if (!serve(&child, loop, settings->port,
		   tls_of(settings,
			  signer_key(signer, settings->chain, why, sizeof(why)))) ||
	    !serve(&here, loop, settings->port_at_hand,
		   tls_of(settings, keys_load(settings->key, why, sizeof(why)))))
		return EXIT_FAILURE;
	loop_on_signal(loop, SIGTERM, on_term, loop);
	puts("ready");
	fflush(stdout);
	loop_run(loop);
	return EXIT_SUCCESS;
}
