/*
 * The unit of every figure: one full TLS 1.3 handshake in memory, certificates on both
 * sides, P-256 and X25519, no tickets; OpenSSL alone. A machine that is slower for a
 * while is so for this, too.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "contrib/bench/devices.h"
#include "contrib/bench/part.h"

#define NS_OF_S  1000000000LL
#define NS_OF_US 1000.0

static int64_t cpu_ns(void)
{
	struct timespec now;

	BUG_ON(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) != 0);
	return now.tv_sec * NS_OF_S + now.tv_nsec;
}

static SSL_CTX *new_context(const SSL_METHOD *method,
			    const struct device_certificate *own,
			    const struct device_certificate *authority)
{
	SSL_CTX *context = SSL_CTX_new(method);

	BUG_ON(!context || SSL_CTX_use_certificate(context, own->certificate) != 1 ||
	       SSL_CTX_use_PrivateKey(context, own->key) != 1 ||
	       SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	       SSL_CTX_set1_groups_list(context, "X25519") != 1 ||
	       SSL_CTX_set_num_tickets(context, 0) != 1 ||
	       X509_STORE_add_cert(SSL_CTX_get_cert_store(context),
				   authority->certificate) != 1);
	/* The same leaf serves on both sides: it is a client's to both. */
	SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   NULL);
	return context;
}

static void shake_hands(SSL_CTX *client_context, SSL_CTX *server_context)
{
	SSL *client = SSL_new(client_context), *server = SSL_new(server_context);
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());

	BUG_ON(!client || !server || !up || !down ||
	       BIO_up_ref(up) + BIO_up_ref(down) != 2);
	SSL_set_bio(client, down, up);
	SSL_set_bio(server, up, down);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 4 && !SSL_is_init_finished(server); i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	BUG_ON(!SSL_is_init_finished(client) || !SSL_is_init_finished(server));
	SSL_free(client);
	SSL_free(server);
}

int unit_run(const struct settings *settings)
{
	struct device_certificate authority, leaf;
	SSL_CTX *client, *server;
	int64_t begin_ns;
	const uint64_t n = settings->count;

	BUG_ON(n == 0 || !device_certificate_make(&authority, NULL, 0) ||
	       !device_certificate_make(&leaf, &authority, 1));
	client = new_context(TLS_client_method(), &leaf, &authority);
	server = new_context(TLS_server_method(), &leaf, &authority);
	shake_hands(client, server);
	begin_ns = cpu_ns();
	for (uint64_t i = 0; i < n; i++)
		shake_hands(client, server);
	printf("{\"unit_us\": %.1f}\n",
	       (double)(cpu_ns() - begin_ns) / NS_OF_US / (double)n);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	device_certificate_free(&authority);
	device_certificate_free(&leaf);
	return EXIT_SUCCESS;
}
