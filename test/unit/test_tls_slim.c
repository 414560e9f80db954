#include "test/unit/test.h"

#include "base/tls.h"
#include "test/unit/caught.h"
#include "test/unit/pki.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#define BULK_BYTES  300000
#define LEAST_FREED 4000 /* bytes of a connection; 7,000 with OpenSSL 3.0 */

/* The OpenSSL that the module is told it runs with, in the place of libcrypto's own. */
static unsigned minor_version = 0;

unsigned OPENSSL_version_minor(void)
{
	return minor_version;
}

struct world {
	struct pki *pki;
	struct tls_context *server, *client;
};

static struct tls_context *context_new(enum tls_role role, const struct pki *pki,
				       const struct pki_leaf *leaf)
{
	const struct tls_settings settings = { .role = role,
					       .chain_path = leaf->path,
					       .key = leaf->key,
					       .trust_path = pki->ca_path,
					       .crl_path = pki->crl_path,
					       .tls12 = true };
	char why[256] = "";
	struct tls_context *context = tls_context_new(&settings, why, sizeof(why));

	CU_ASSERT_STRING_EQUAL(why, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	return context;
}

static struct world world_new(void)
{
	struct world w = { .pki = pki_new("Airnet") };
	struct pki_leaf *server =
		pki_issue(w.pki, "server",
			  &(struct pki_options){ .san = "DNS:gw.example.com",
						 .eku = "serverAuth" });
	struct pki_leaf *device = pki_issue(
		w.pki, "device", &(struct pki_options){ .eku = "clientAuth" });

	pki_write_crl(w.pki, 3600);
	w.server = context_new(TLS_SERVER, w.pki, server);
	w.client = context_new(TLS_CLIENT, w.pki, device);
	return w;
}

static void world_free(struct world *w)
{
	tls_context_free(w->server);
	tls_context_free(w->client);
	pki_free(w->pki);
}

struct pair {
	SSL *server, *client;
};

/* One handshake in memory, in a version and with a cipher. */
static struct pair pair_new(struct world *w, int version, const char *cipher)
{
	struct pair pair = { tls_new(w->server, NULL),
			     tls_new(w->client, "gw.example.com") };
	BIO *a, *b;

	CU_ASSERT_FATAL(pair.server && pair.client &&
			BIO_new_bio_pair(&a, 65536, &b, 65536));
	SSL_set_bio(pair.server, a, a);
	SSL_set_bio(pair.client, b, b);
	SSL_set_max_proto_version(pair.client, version);
	CU_ASSERT_FATAL(version == TLS1_3_VERSION
				? SSL_set_ciphersuites(pair.client, cipher)
				: SSL_set_cipher_list(pair.client, cipher));
	for (int turn = 0; turn < 4; turn++) {
		(void)SSL_do_handshake(pair.client);
		(void)SSL_do_handshake(pair.server);
	}
	ERR_clear_error();
	CU_ASSERT_EQUAL_FATAL(tls_check_peer(pair.server), TLS_FAILURE_NONE);
	CU_ASSERT_STRING_EQUAL(SSL_get_cipher_name(pair.server), cipher);
	return pair;
}

static void pair_free(struct pair *pair)
{
	SSL_free(pair->server);
	SSL_free(pair->client);
}

/* All of some bytes, in as many records as they need, unchanged. */
static void carry(SSL *from, SSL *to, size_t n)
{
	static uint8_t sent[BULK_BYTES], got[BULK_BYTES];
	size_t n_sent = 0, n_got = 0, more;

	CU_ASSERT_EQUAL_FATAL(RAND_bytes(sent, (int)n), 1);
	for (int turn = 0; turn < 1000 && n_got < n; turn++) {
		if (n_sent < n && SSL_write_ex(from, sent + n_sent, n - n_sent, &more))
			n_sent += more;
		while (n_got < n && SSL_read_ex(to, got + n_got, n - n_got, &more))
			n_got += more;
	}
	CU_ASSERT_EQUAL(n_got, n);
	CU_ASSERT(memcmp(sent, got, n) == 0);
	ERR_clear_error();
}

static void goes_on(struct pair *pair)
{
	carry(pair->client, pair->server, BULK_BYTES);
	carry(pair->server, pair->client, BULK_BYTES);
	if (SSL_version(pair->server) == TLS1_3_VERSION) {
		/* Both sides take new keys, at the wish of either. */
		CU_ASSERT_EQUAL(SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED),
				1);
		carry(pair->client, pair->server, 100);
		carry(pair->server, pair->client, 100);
		CU_ASSERT_EQUAL(SSL_key_update(pair->server, SSL_KEY_UPDATE_REQUESTED),
				1);
		carry(pair->server, pair->client, BULK_BYTES);
		carry(pair->client, pair->server, BULK_BYTES);
	}
	CU_ASSERT_EQUAL(SSL_shutdown(pair->server), 0);
	CU_ASSERT_EQUAL(SSL_shutdown(pair->client), 0);
	CU_ASSERT_EQUAL(SSL_shutdown(pair->client), 1);
	CU_ASSERT_EQUAL(SSL_shutdown(pair->server), 1);
}

static const struct {
	int version;
	const char *cipher;
} kinds[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256" },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384" },
	{ TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305" },
};

static void goes_on_in_every_version_and_cipher(void)
{
	struct world w = world_new();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pair pair = pair_new(&w, kinds[i].version, kinds[i].cipher);
		struct pair next = pair_new(&w, kinds[i].version, kinds[i].cipher);

		tls_forget_peer(w.server, pair.server);
		tls_forget_peer(w.server, next.server);
		CU_ASSERT_PTR_EQUAL(SSL_get_session(pair.server),
				    SSL_get_session(next.server));
		goes_on(&pair);
		pair_free(&pair);
		/* What they share outlives each, and they outlive the context's owner.
		 */
		goes_on(&next);
		pair_free(&next);
	}
	world_free(&w);
}

static void says_nothing_of_the_peer_any_more(void)
{
	struct world w = world_new();
	uint8_t hash[SHA256_BYTES];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pair pair = pair_new(&w, kinds[i].version, kinds[i].cipher);

		CU_ASSERT(tls_peer_hash(pair.server, hash));
		CU_ASSERT_PTR_NOT_NULL(tls_peer_chain(pair.server));
		CU_ASSERT(tls_channel_binding(pair.server, hash));
		tls_forget_peer(w.server, pair.server);
		CU_ASSERT_PTR_NULL(SSL_get0_peer_certificate(pair.server));
		CU_ASSERT_FALSE(tls_peer_hash(pair.server, hash));
		CU_ASSERT_PTR_NULL(tls_peer_chain(pair.server));
		CU_ASSERT_EQUAL(tls_check_peer(pair.server),
				TLS_FAILURE_NO_CERTIFICATE);
		/* In TLS 1.2 it comes of the session's secret: none, not a wrong one.
		 */
		if (kinds[i].version == TLS1_2_VERSION)
			CU_ASSERT_FALSE(tls_channel_binding(pair.server, hash));
		pair_free(&pair);
	}
	world_free(&w);
}

static void leaves_others_as_they_are(void)
{
	struct world w = world_new();
	struct pair pair = pair_new(&w, TLS1_3_VERSION, kinds[0].cipher);
	SSL *early = tls_new(w.server, NULL);

	tls_forget_peer(w.client, pair.client);
	CU_ASSERT_EQUAL(tls_check_peer(pair.client), TLS_FAILURE_NONE);
	tls_forget_peer(w.server, early);
	CU_ASSERT_PTR_NOT_NULL(SSL_get_certificate(early));
	/* The next one shows its certificate and wants one. */
	tls_forget_peer(w.server, pair.server);
	struct pair next = pair_new(&w, TLS1_3_VERSION, kinds[0].cipher);
	CU_ASSERT_EQUAL(tls_check_peer(next.server), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(tls_check_peer(next.client), TLS_FAILURE_NONE);
	SSL_free(early);
	pair_free(&pair);
	pair_free(&next);
	world_free(&w);
}

/* Such as one of 3.2 and later, which would begin the connection anew. */
static void leaves_another_openssl_alone(void)
{
	struct world w = world_new();
	struct pair pair = pair_new(&w, TLS1_3_VERSION, kinds[0].cipher);
	const SSL_SESSION *session = SSL_get_session(pair.server);

	minor_version = 2;
	struct caught caught = caught_begin(stderr);
	tls_forget_peer(w.server, pair.server);
	tls_forget_peer(w.server, pair.server);
	CU_ASSERT_EQUAL(caught_count(caught_end(caught), "ev=tls_not_slim"), 1);
	minor_version = 0;
	CU_ASSERT_PTR_EQUAL(SSL_get_session(pair.server), session);
	CU_ASSERT_EQUAL(tls_check_peer(pair.server), TLS_FAILURE_NONE);
	goes_on(&pair);
	pair_free(&pair);
	world_free(&w);
}

/* What it is for; and a libssl that keeps more some day is noticed here. */
static void frees_memory(void)
{
	struct world w = world_new();
	struct pair pair = pair_new(&w, TLS1_3_VERSION, kinds[0].cipher);

	tls_forget_peer(w.server, pair.server);
	pair_free(&pair);
	pair = pair_new(&w, TLS1_3_VERSION, kinds[0].cipher);
	const size_t before = mallinfo2().uordblks;
	tls_forget_peer(w.server, pair.server);
	const size_t after = mallinfo2().uordblks;
	/* A sanitizer's malloc has no accounts. */
	CU_ASSERT(before == 0 || before - after >= LEAST_FREED);
	pair_free(&pair);
	world_free(&w);
}

TEST_MAIN("tls_slim", TEST(goes_on_in_every_version_and_cipher),
	  TEST(says_nothing_of_the_peer_any_more), TEST(leaves_others_as_they_are),
	  TEST(leaves_another_openssl_alone), TEST(frees_memory))
