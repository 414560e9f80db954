/*
 * A server and a client, their keys in a keyring, and the keys child that signs for
 * both where a test starts one.
 */
#ifndef TEST_UNIT_SIGNER_WORLD_H
#define TEST_UNIT_SIGNER_WORLD_H

#include <signal.h>
#include <sys/wait.h>

#include "auth/auth.h"
#include "auth/signer.h"
#include "base/hatch.h"
#include "test/unit/cert.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

#define NAME       "gw.example.com"
#define TIMEOUT_MS 5000 /* where an answer is to come */

struct world {
	struct pki *pki;
	struct pki_leaf *server, *client;
	struct keyring *keyring;
	int hatch;
	pid_t child;
	struct signer *signer;
	int64_t first_delay_ms; /* of the child */
};

static char why[512];

static inline void keyring_of(struct world *w, bool tls12)
{
	char server_path[64], client_path[64];
	const struct keyring_key keys[] = {
		{ w->server->path, server_path, TLS_SERVER, tls12, "server" },
		{ w->client->path, client_path, TLS_CLIENT, false, "client" },
	};
	const char *name;

	snprintf(server_path, sizeof(server_path), "%s/server.key", w->pki->dir);
	snprintf(client_path, sizeof(client_path), "%s/client.key", w->pki->dir);
	cert_write_key(server_path, w->server->key);
	cert_write_key(client_path, w->client->key);
	w->keyring = keyring_load(keys, 2, &name, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->keyring);
	unlink(server_path);
	unlink(client_path);
}

/* Both keys are taken. */
static inline struct world world_new(EVP_PKEY *server, EVP_PKEY *client,
				     int64_t timeout_ms)
{
	struct world w = { .pki = pki_new("Keys") };

	w.server = pki_issue(w.pki, "server",
			     &(struct pki_options){ .san = "DNS:" NAME,
						    .eku = "serverAuth",
						    .key = server });
	w.client =
		pki_issue(w.pki, "client",
			  &(struct pki_options){ .eku = "clientAuth", .key = client });
	pki_write_crl(w.pki, 3600);
	keyring_of(&w, true);
	w.hatch = hatch_make();
	CU_ASSERT_TRUE_FATAL(w.hatch >= 0);
	w.signer = signer_new(timeout_ms);
	signer_open(w.signer, w.hatch);
	return w;
}

static inline ssize_t answer(void *arg, struct slice question, uint8_t *out, size_t cap)
{
	struct world *w = arg;

	if (w->first_delay_ms > 0)
		usleep((useconds_t)w->first_delay_ms * 1000);
	w->first_delay_ms = 0;
	return keyring_answer(w->keyring, question, out, cap);
}

static inline void start_child(struct world *w)
{
	w->child = fork();
	if (w->child == 0) {
		hatch_serve(&w->hatch, 1, answer, w);
		_exit(0);
	}
}

static inline void stop_child(struct world *w)
{
	if (w->child > 0) {
		kill(w->child, SIGKILL);
		waitpid(w->child, NULL, 0);
	}
	w->child = 0;
}

static inline void world_free(struct world *w)
{
	stop_child(w);
	close(w->hatch);
	signer_free(w->signer);
	keyring_free(w->keyring);
	pki_free(w->pki);
}

static inline EVP_PKEY *rsa(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static inline EVP_PKEY *ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

#endif
