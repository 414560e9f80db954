/*
 * Handshakes in memory: certificates, good and bad, of those who take part, and a
 * server and a client between which nothing but bytes goes to and fro.
 */
#ifndef TEST_UNIT_TLS_PAIR_H
#define TEST_UNIT_TLS_PAIR_H

#include <openssl/err.h>

#include "base/tls.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

/* What a server and a client show each other, and what they trust. */
struct world {
	struct pki *airnet, *other;
	struct pki_leaf *server, *wrong_server, *named_by_cn;
	struct pki_leaf *device, *expired, *early, *revoked, *no_usage, *any_usage,
		*stranger;
};

static inline struct world world_new(void)
{
	struct world w = { .airnet = pki_new("Airnet"), .other = pki_new("Other") };
	const char *san = "DNS:gw.example.com,IP:127.0.0.1";
	const struct pki_options device = { .eku = "clientAuth" };

	w.server = pki_issue(w.airnet, "server",
			     &(struct pki_options){ .san = san, .eku = "serverAuth" });
	w.wrong_server =
		pki_issue(w.airnet, "wrong_server",
			  &(struct pki_options){ .san = san, .eku = "clientAuth" });
	w.named_by_cn = pki_issue(w.airnet, "gw.example.com",
				  &(struct pki_options){ .eku = "serverAuth" });
	w.device = pki_issue(w.airnet, "device", &device);
	w.expired = pki_issue(w.airnet, "expired",
			      &(struct pki_options){ .eku = "clientAuth",
						     .from_s = -3600,
						     .to_s = -1800 });
	w.early =
		pki_issue(w.airnet, "early",
			  &(struct pki_options){
				  .eku = "clientAuth", .from_s = 1800, .to_s = 3600 });
	w.revoked = pki_issue(w.airnet, "revoked", &device);
	w.revoked->is_revoked = true;
	w.no_usage =
		pki_issue(w.airnet, "no_usage", &(struct pki_options){ .eku = NULL });
	w.any_usage = pki_issue(w.airnet, "any_usage",
				&(struct pki_options){ .eku = "anyExtendedKeyUsage" });
	w.stranger = pki_issue(w.other, "stranger", &device);
	pki_write_crl(w.airnet, 3600);
	pki_write_crl(w.other, 3600);
	return w;
}

static inline void world_free(struct world *w)
{
	pki_free(w->airnet);
	pki_free(w->other);
}

static inline struct tls_settings settings_of(enum tls_role role, const struct pki *pki,
					      const struct pki_leaf *leaf)
{
	return (struct tls_settings){
		.role = role,
		.chain_path = leaf->path,
		.key = leaf->key,
		.trust_path = pki->ca_path,
		.crl_path = pki->crl_path,
		.tls12 = true,
	};
}

static inline struct tls_context *context_new(const struct tls_settings *settings)
{
	char why[256] = "";
	struct tls_context *context = tls_context_new(settings, why, sizeof(why));

	if (!context)
		printf("\n%s", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	return context;
}

/* One handshake in memory. */
struct pair {
	SSL *server, *client;
	enum tls_failure server_failure, client_failure;
};

static inline enum tls_failure step(SSL *ssl)
{
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(ssl);
	if (result == 1) {
		/* A TLS 1.3 client learns its fate only by reading. */
		char byte;

		ERR_clear_error();
		result = SSL_read(ssl, &byte, 1);
	}
	error = SSL_get_error(ssl, result);
	return error == SSL_ERROR_SSL ? tls_failure_of(ssl) : TLS_FAILURE_NONE;
}

static inline struct pair pair_new(SSL *server, SSL *client)
{
	struct pair pair = { .server = server, .client = client };
	BIO *a, *b;

	CU_ASSERT_FATAL(server && client && BIO_new_bio_pair(&a, 65536, &b, 65536));
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	for (int turn = 0; turn < 8; turn++) {
		if (!pair.client_failure)
			pair.client_failure = step(client);
		if (!pair.server_failure)
			pair.server_failure = step(server);
	}
	return pair;
}

static inline void pair_free(struct pair *pair)
{
	SSL_free(pair->server);
	SSL_free(pair->client);
}

static inline struct pair shake(const struct tls_settings *server,
				const struct tls_settings *client, const char *name)
{
	struct tls_context *s = context_new(server), *c = context_new(client);
	struct pair pair = pair_new(tls_new(s, NULL), tls_new(c, name));

	tls_context_free(s);
	tls_context_free(c);
	return pair;
}

#endif
