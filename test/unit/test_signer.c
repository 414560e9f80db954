#include "auth/signer.h"

#include <openssl/err.h>

#include "test/unit/signer_world.h"

#define SHORT_MS 100 /* where no answer is to come */

/* ---- Handshakes ---- */

struct trial {
	bool server_asks, client_asks; /* for their signatures */
	int version;
	const char *schemes; /* what the client offers; NULL: all */
};

struct outcome {
	enum tls_failure server, client;
	int version, digest; /* of the server's signature */
};

static struct tls_context *context_of(struct world *w, enum tls_role role, bool asks)
{
	const struct pki_leaf *leaf = role == TLS_SERVER ? w->server : w->client;
	struct tls_settings settings = {
		.role = role,
		.chain_path = leaf->path,
		.key = asks ? signer_key(w->signer, leaf->path, why, sizeof(why))
			    : leaf->key,
		.trust_path = w->pki->ca_path,
		.crl_path = w->pki->crl_path,
		.tls12 = true,
	};
	struct tls_context *context = tls_context_new(&settings, why, sizeof(why));

	if (!context)
		printf("\n%s\n", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	if (asks)
		EVP_PKEY_free(settings.key);
	return context;
}

static enum tls_failure step(SSL *ssl)
{
	char byte;

	ERR_clear_error();
	int result = SSL_do_handshake(ssl);
	if (result == 1) { /* a TLS 1.3 client learns its fate by reading */
		ERR_clear_error();
		result = SSL_read(ssl, &byte, 1);
	}
	return SSL_get_error(ssl, result) == SSL_ERROR_SSL ? tls_failure_of(ssl)
							   : TLS_FAILURE_NONE;
}

static void exchange(SSL *server, SSL *client, struct outcome *outcome)
{
	BIO *a, *b;

	CU_ASSERT_FATAL(server && client && BIO_new_bio_pair(&a, 65536, &b, 65536));
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	for (int turn = 0; turn < 8; turn++) {
		if (!outcome->client)
			outcome->client = step(client);
		if (!outcome->server)
			outcome->server = step(server);
	}
}

static struct outcome shake(struct world *w, const struct trial *trial)
{
	struct tls_context *s = context_of(w, TLS_SERVER, trial->server_asks);
	struct tls_context *c = context_of(w, TLS_CLIENT, trial->client_asks);
	SSL *server = tls_new(s, NULL), *client = tls_new(c, NAME);
	struct outcome outcome = { .server = TLS_FAILURE_NONE };

	SSL_set_max_proto_version(client, trial->version);
	/* TLS 1.2 takes a certificate of P-384 only from those who offer the group. */
	CU_ASSERT_EQUAL(SSL_set1_groups_list(client, "X25519:P-256:P-384"), 1);
	if (trial->schemes)
		CU_ASSERT_EQUAL(SSL_set1_sigalgs_list(client, trial->schemes), 1);
	exchange(server, client, &outcome);
	if (!outcome.server)
		outcome.server = tls_check_peer(server);
	if (!outcome.client)
		outcome.client = tls_check_peer(client);
	outcome.version = SSL_version(client);
	SSL_get_peer_signature_nid(client, &outcome.digest);
	SSL_free(server);
	SSL_free(client);
	tls_context_free(s);
	tls_context_free(c);
	return outcome;
}

static const struct trial tls13 = { .server_asks = true, .version = TLS1_3_VERSION };
static const struct trial tls13_client = { .client_asks = true,
					   .version = TLS1_3_VERSION };

static void assert_works(struct world *w, const struct trial *trial)
{
	struct outcome outcome = shake(w, trial);

	CU_ASSERT_STRING_EQUAL(tls_failure_name(outcome.server), "none");
	CU_ASSERT_STRING_EQUAL(tls_failure_name(outcome.client), "none");
	CU_ASSERT_EQUAL(outcome.version, trial->version);
}

static void every_key_signs_for_both_sides(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa(),
			     cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < 4; i++) {
		struct world w = world_new(keys[i], keys[i + 4], TIMEOUT_MS);

		start_child(&w);
		assert_works(&w, &tls13);
		assert_works(&w, &tls13_client);
		assert_works(&w, &(struct trial){ true, true, TLS1_3_VERSION, NULL });
		world_free(&w);
	}
}

static void every_key_signs_for_tls12(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"), ed25519(), rsa() };

	for (size_t i = 0; i < 4; i++) {
		struct world w = world_new(keys[i], NULL, TIMEOUT_MS);

		start_child(&w);
		assert_works(&w, &(struct trial){ true, false, TLS1_2_VERSION, NULL });
		world_free(&w);
	}
}

/* What the client offers decides how the server signs. */
static void every_scheme_signs(void)
{
	static const struct {
		const char *schemes;
		int version, digest;
	} rows[] = {
		{ "RSA-PSS+SHA256", TLS1_3_VERSION, NID_sha256 },
		{ "RSA-PSS+SHA384", TLS1_3_VERSION, NID_sha384 },
		{ "RSA-PSS+SHA256", TLS1_2_VERSION, NID_sha256 },
		{ "RSA-PSS+SHA384", TLS1_2_VERSION, NID_sha384 },
		{ "RSA+SHA256", TLS1_2_VERSION, NID_sha256 },
		{ "RSA+SHA384", TLS1_2_VERSION, NID_sha384 },
	};
	struct world w = world_new(rsa(), rsa(), TIMEOUT_MS);

	start_child(&w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char schemes[64];

		/* The certificates are signed by ECDSA. */
		snprintf(schemes, sizeof(schemes), "%s:ECDSA+SHA256", rows[i].schemes);
		struct trial trial = { true, false, rows[i].version, schemes };
		struct outcome outcome = shake(&w, &trial);
		CU_ASSERT_EQUAL(outcome.server, TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(outcome.client, TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(outcome.version, rows[i].version);
		CU_ASSERT_EQUAL(outcome.digest, rows[i].digest);
	}
	world_free(&w);
}

static void tls12_is_signed_for_only_where_it_is_on(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);

	keyring_free(w.keyring);
	keyring_of(&w, false);
	start_child(&w);
	struct outcome outcome =
		shake(&w, &(struct trial){ true, false, TLS1_2_VERSION, NULL });
	CU_ASSERT_EQUAL(outcome.server, TLS_FAILURE_KEY);
	assert_works(&w, &tls13);
	world_free(&w);
}

/* ---- A child that is not there ---- */

static void a_dead_child_fails_the_handshake_and_the_next_one_works(void)
{
	struct world w = world_new(NULL, NULL, SHORT_MS);

	start_child(&w);
	assert_works(&w, &tls13);
	stop_child(&w);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	CU_ASSERT_EQUAL(shake(&w, &tls13_client).client, TLS_FAILURE_KEY);
	start_child(&w);
	enum tls_failure failure = TLS_FAILURE_KEY;
	for (int i = 0; i < 40 && failure; i++) {
		usleep(100000);
		failure = shake(&w, &tls13).server;
	}
	CU_ASSERT_EQUAL(failure, TLS_FAILURE_NONE);
	assert_works(&w, &tls13_client);
	world_free(&w);
}

static void a_late_answer_is_nobody_elses(void)
{
	struct world w = world_new(NULL, NULL, SHORT_MS);

	w.first_delay_ms = 2L * SHORT_MS;
	start_child(&w);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	usleep(1000000); /* the late answer lies there */
	assert_works(&w, &tls13);
	world_free(&w);
}

static void without_a_channel_nothing_is_signed(void)
{
	struct world w = world_new(NULL, NULL, TIMEOUT_MS);

	signer_free(w.signer);
	w.signer = signer_new(TIMEOUT_MS);
	CU_ASSERT_EQUAL(shake(&w, &tls13).server, TLS_FAILURE_KEY);
	world_free(&w);
}

TEST_MAIN("signer", TEST(every_key_signs_for_both_sides),
	  TEST(every_key_signs_for_tls12), TEST(every_scheme_signs),
	  TEST(tls12_is_signed_for_only_where_it_is_on),
	  TEST(a_dead_child_fails_the_handshake_and_the_next_one_works),
	  TEST(a_late_answer_is_nobody_elses),
	  TEST(without_a_channel_nothing_is_signed))
