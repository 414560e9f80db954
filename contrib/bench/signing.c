/*
 * What it costs that a worker has no key: CPU of full handshakes in memory, the
 * server's key in the keys child, as the gateway has it, beside the same with the key
 * at hand, which is nowhere in the product. In turn, a block of each.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/hatch.h"
#include "base/log.h"
#include "contrib/bench/devices.h"
#include "contrib/bench/part.h"

#define TIMEOUT_MS 5000
#define BLOCK      50 /* handshakes of one kind in a row */
#define ROUNDS     4  /* of both sides of a handshake */
#define NS_OF_S    1000000000LL
#define NS_OF_US   1000.0

/* One kind of server; its worker is this process. */
struct kind {
	struct tls_context *tls;
	pid_t child; /* 0: none */
	int64_t worker_ns, child_ns;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	BUG_ON(clock_gettime(clock, &now) != 0);
	return now.tv_sec * NS_OF_S + now.tv_nsec;
}

static int64_t child_clock_ns(pid_t child)
{
	clockid_t clock;

	if (child == 0)
		return 0;
	BUG_ON(clock_getcpuclockid(child, &clock) != 0);
	return clock_ns(clock);
}

static void shake_hands(SSL_CTX *client_context, struct tls_context *server_context,
			const struct device_certificate *device)
{
	SSL *client = SSL_new(client_context), *server = tls_new(server_context, NULL);
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

	BUG_ON(!client || !server || !up || !down ||
	       BIO_up_ref(up) + BIO_up_ref(down) != 2 || !device_use(device, client));
	SSL_set_bio(client, down, up);
	SSL_set_bio(server, up, down);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < ROUNDS && !SSL_is_init_finished(server); i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	BUG_ON(tls_check_peer(server) != TLS_FAILURE_NONE);
	SSL_free(client);
	SSL_free(server);
}

static void shake_block(struct kind *kind, SSL_CTX *client,
			const struct device_certificate *device)
{
	kind->worker_ns -= clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	kind->child_ns -= child_clock_ns(kind->child);
	for (int i = 0; i < BLOCK; i++)
		shake_hands(client, kind->tls, device);
	kind->worker_ns += clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	kind->child_ns += child_clock_ns(kind->child);
}

static struct tls_context *server_new(const struct settings *settings, EVP_PKEY *key)
{
	char why[256] = "no key";
	struct tls_context *tls =
		key ? tls_context_new(
			      &(struct tls_settings){ .role = TLS_SERVER,
						      .chain_path = settings->chain,
						      .key = key,
						      .trust_path = settings->trust,
						      .no_crl = true,
						      .n_remembered = 1 },
			      why, sizeof(why))
		    : NULL;

	EVP_PKEY_free(key);
	if (!tls) {
		fprintf(stderr, "bench: %s\n", why);
		exit(EXIT_FAILURE);
	}
	return tls;
}

static pid_t keys_child(const struct settings *settings, int hatch)
{
	const struct keyring_key key = { settings->chain, settings->key, TLS_SERVER,
					 false, "signing" };
	const char *name;
	char why[256];
	pid_t child = fork();

	BUG_ON(child < 0);
	if (child > 0)
		return child;
	struct keyring *keyring = keyring_load(&key, 1, &name, why, sizeof(why));
	BUG_ON(!keyring);
	hatch_serve(&hatch, 1, keyring_answer, keyring);
	keyring_free(keyring);
	_exit(EXIT_SUCCESS);
}

int signing_run(const struct settings *settings)
{
	char why[256] = "";
	struct kind child = { 0 }, here = { 0 };
	struct devices devices;
	int hatch = hatch_make();

	BUG_ON(hatch < 0 ||
	       !devices_make(&devices, 1, settings->issuer, settings->issuer_key));
	child.child = keys_child(settings, hatch);
	struct signer *signer = signer_new(TIMEOUT_MS);
	signer_open(signer, hatch);
	close(hatch);
	child.tls = server_new(settings,
			       signer_key(signer, settings->chain, why, sizeof(why)));
	here.tls = server_new(settings, keys_load(settings->key, why, sizeof(why)));
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	BUG_ON(!client || SSL_CTX_set1_groups_list(client, "X25519") != 1);
	shake_block(&child, client, devices.items);
	shake_block(&here, client, devices.items);
	child.worker_ns = child.child_ns = here.worker_ns = 0;
	uint64_t n = (settings->count + BLOCK - 1) / BLOCK;
	for (uint64_t i = 0; i < n; i++) {
		shake_block(&child, client, devices.items);
		shake_block(&here, client, devices.items);
	}
	double done = (double)n * BLOCK * NS_OF_US;
	printf("{\"worker_us\": %.2f, \"child_us\": %.2f, \"here_us\": %.2f}\n",
	       (double)child.worker_ns / done, (double)child.child_ns / done,
	       (double)here.worker_ns / done);
	tls_context_free(child.tls);
	tls_context_free(here.tls);
	SSL_CTX_free(client);
	kill(child.child, SIGTERM);
	waitpid(child.child, NULL, 0);
	signer_free(signer);
	X509_free(devices.items[0].certificate);
	EVP_PKEY_free(devices.items[0].key);
	free(devices.items);
	return EXIT_SUCCESS;
}
