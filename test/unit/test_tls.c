#include "base/tls.h"

#include "test/unit/tls_pair.h"

/* ---- Good ones ---- */

static void expect_bound(struct pair *pair)
{
	uint8_t here[SHA256_BYTES], there[SHA256_BYTES];

	CU_ASSERT_EQUAL(pair->server_failure, TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(pair->client_failure, TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(tls_check_peer(pair->server), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(tls_check_peer(pair->client), TLS_FAILURE_NONE);
	CU_ASSERT(tls_channel_binding(pair->server, here));
	CU_ASSERT(tls_channel_binding(pair->client, there));
	CU_ASSERT(memcmp(here, there, SHA256_BYTES) == 0);
}

static void connects_with_either_version(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);
	struct pair pair = shake(&server, &client, "gw.example.com");

	expect_bound(&pair);
	CU_ASSERT_EQUAL(SSL_version(pair.client), TLS1_3_VERSION);
	CU_ASSERT_STRING_EQUAL(
		SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name),
		"gw.example.com");
	pair_free(&pair);

	struct tls_context *s = context_new(&server), *c = context_new(&client);
	SSL *old = tls_new(c, "127.0.0.1");

	SSL_set_max_proto_version(old, TLS1_2_VERSION);
	pair = pair_new(tls_new(s, NULL), old);
	expect_bound(&pair);
	CU_ASSERT_EQUAL(SSL_version(pair.client), TLS1_2_VERSION);
	pair_free(&pair);

	server.tls12 = false;
	tls_context_free(s);
	s = context_new(&server);
	old = tls_new(c, "127.0.0.1");
	SSL_set_max_proto_version(old, TLS1_2_VERSION);
	pair = pair_new(tls_new(s, NULL), old);
	CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_PROTOCOL);
	CU_ASSERT_EQUAL(pair.client_failure, TLS_FAILURE_PROTOCOL);
	pair_free(&pair);
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

static void gives_no_binding_before_the_end(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);
	struct tls_context *s = context_new(&server), *c = context_new(&client);
	uint8_t binding[SHA256_BYTES];
	SSL *a = tls_new(s, NULL), *b = tls_new(c, "gw.example.com");
	BIO *x, *y;

	CU_ASSERT_FATAL(BIO_new_bio_pair(&x, 65536, &y, 65536));
	SSL_set_bio(a, x, x);
	SSL_set_bio(b, y, y);
	CU_ASSERT_EQUAL(step(b), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(step(a), TLS_FAILURE_NONE);
	CU_ASSERT_FALSE(tls_channel_binding(a, binding));
	CU_ASSERT_EQUAL(tls_check_peer(a), TLS_FAILURE_PROTOCOL);
	SSL_free(a);
	SSL_free(b);
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

static void refuses_tls12_without_extended_master_secret(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);
	struct tls_context *s = context_new(&server), *c = context_new(&client);
	uint8_t binding[SHA256_BYTES];
	SSL *old = tls_new(c, "gw.example.com");

	SSL_set_max_proto_version(old, TLS1_2_VERSION);
	SSL_set_options(old, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	struct pair pair = pair_new(tls_new(s, NULL), old);
	CU_ASSERT(SSL_is_init_finished(pair.server));
	CU_ASSERT_EQUAL(tls_check_peer(pair.server), TLS_FAILURE_WEAK);
	CU_ASSERT_EQUAL(tls_check_peer(pair.client), TLS_FAILURE_WEAK);
	CU_ASSERT_FALSE(tls_channel_binding(pair.server, binding));
	pair_free(&pair);
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

static void resumes_nothing(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);
	struct tls_context *s = context_new(&server), *c = context_new(&client);
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < 2; i++) {
		SSL *first = tls_new(c, "gw.example.com"), *second;
		SSL_SESSION *session;

		SSL_set_max_proto_version(first, versions[i]);
		SSL_clear_options(first, SSL_OP_NO_TICKET);
		struct pair pair = pair_new(tls_new(s, NULL), first);
		CU_ASSERT_EQUAL(tls_check_peer(pair.client), TLS_FAILURE_NONE);
		session = SSL_get1_session(first);
		CU_ASSERT_FALSE(SSL_SESSION_has_ticket(session));
		pair_free(&pair);

		second = tls_new(c, "gw.example.com");
		SSL_set_max_proto_version(second, versions[i]);
		SSL_clear_options(second, SSL_OP_NO_TICKET);
		SSL_set_session(second, session);
		pair = pair_new(tls_new(s, NULL), second);
		CU_ASSERT_EQUAL(tls_check_peer(pair.client), TLS_FAILURE_NONE);
		CU_ASSERT_FALSE(SSL_session_reused(pair.client));
		CU_ASSERT_FALSE(SSL_session_reused(pair.server));
		pair_free(&pair);
		SSL_SESSION_free(session);
	}
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

static void hashes_what_the_peer_showed(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);
	struct tls_context *s = context_new(&server), *c = context_new(&client);
	struct pair pair = pair_new(tls_new(s, NULL), tls_new(c, "gw.example.com"));
	uint8_t seen[SHA256_BYTES], want[SHA256_BYTES];
	unsigned char *der = NULL;
	int n = i2d_X509(w.device->cert, &der);

	CU_ASSERT(tls_peer_hash(pair.server, seen));
	sha256(slice_make(der, (size_t)n), want);
	CU_ASSERT(memcmp(seen, want, SHA256_BYTES) == 0);
	OPENSSL_free(der);

	der = NULL;
	n = i2d_PUBKEY(w.server->key, &der);
	sha256(slice_make(der, (size_t)n), want);
	CU_ASSERT(tls_spki_hash(tls_context_leaf(s), seen));
	CU_ASSERT(memcmp(seen, want, SHA256_BYTES) == 0);
	OPENSSL_free(der);
	pair_free(&pair);
	tls_context_free(s);
	tls_context_free(c);
	world_free(&w);
}

/* ---- Bad ones ---- */

static void refuses_bad_clients(void)
{
	struct world w = world_new();
	const struct {
		const struct pki_leaf *leaf;
		enum tls_failure failure;
	} cases[] = {
		{ w.expired, TLS_FAILURE_EXPIRED },
		{ w.early, TLS_FAILURE_NOT_YET_VALID },
		{ w.revoked, TLS_FAILURE_REVOKED },
		{ w.no_usage, TLS_FAILURE_WRONG_PURPOSE },
		{ w.any_usage, TLS_FAILURE_WRONG_PURPOSE },
		{ w.server, TLS_FAILURE_WRONG_PURPOSE },
		{ w.stranger, TLS_FAILURE_UNKNOWN_CA },
	};
	const struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_settings client =
			settings_of(TLS_CLIENT, w.airnet, cases[i].leaf);
		struct pair pair = shake(&server, &client, "gw.example.com");

		if (pair.server_failure != cases[i].failure)
			printf("\n%s: %s", cases[i].leaf->path,
			       tls_failure_name(pair.server_failure));
		CU_ASSERT_EQUAL(pair.server_failure, cases[i].failure);
		CU_ASSERT_NOT_EQUAL(tls_check_peer(pair.server), TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(pair.client_failure, TLS_FAILURE_ALERT);
		pair_free(&pair);
	}
	world_free(&w);
}

static void refuses_a_client_without_certificate(void)
{
	struct world w = world_new();
	const struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_context *s = context_new(&server);
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *bare = SSL_CTX_new(TLS_client_method());
		SSL *client = SSL_new(bare);

		SSL_set_connect_state(client);
		SSL_set_max_proto_version(client, versions[i]);
		struct pair pair = pair_new(tls_new(s, NULL), client);
		CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_NO_CERTIFICATE);
		CU_ASSERT_NOT_EQUAL(tls_check_peer(pair.server), TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(pair.client_failure, TLS_FAILURE_ALERT);
		pair_free(&pair);
		SSL_CTX_free(bare);
	}
	tls_context_free(s);
	world_free(&w);
}

static void refuses_bad_servers(void)
{
	struct world w = world_new();
	const struct {
		const struct pki_leaf *leaf;
		const struct pki *trust;
		const char *name;
		enum tls_failure failure;
	} cases[] = {
		{ w.server, w.airnet, "gw.example.org", TLS_FAILURE_WRONG_NAME },
		{ w.server, w.airnet, "127.0.0.2", TLS_FAILURE_WRONG_NAME },
		{ w.named_by_cn, w.airnet, "gw.example.com", TLS_FAILURE_WRONG_NAME },
		{ w.wrong_server, w.airnet, "gw.example.com",
		  TLS_FAILURE_WRONG_PURPOSE },
		{ w.server, w.other, "gw.example.com", TLS_FAILURE_UNKNOWN_CA },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_settings server =
			settings_of(TLS_SERVER, w.airnet, cases[i].leaf);
		struct tls_settings client =
			settings_of(TLS_CLIENT, cases[i].trust, w.device);
		struct pair pair = shake(&server, &client, cases[i].name);

		CU_ASSERT_EQUAL(pair.client_failure, cases[i].failure);
		CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_ALERT);
		pair_free(&pair);
	}
	world_free(&w);
}

/* Before anybody connects. */
static void tells_whom_a_certificate_is_for(void)
{
	struct world w = world_new();

	CU_ASSERT_TRUE(tls_file_is_for(w.server->path, "gw.example.com"));
	CU_ASSERT_TRUE(tls_file_is_for(w.server->path, "127.0.0.1"));
	CU_ASSERT_FALSE(tls_file_is_for(w.server->path, "gw.example.org"));
	CU_ASSERT_FALSE(tls_file_is_for(w.server->path, "127.0.0.2"));
	CU_ASSERT_FALSE(tls_file_is_for(w.named_by_cn->path, "gw.example.com"));
	CU_ASSERT_FALSE(tls_file_is_for("/nowhere.pem", "gw.example.com"));
	world_free(&w);
}

/* A device below n intermediates, which it shows in order. */
static struct pair shake_below(struct world *w, int n, bool no_crl)
{
	struct pki_options options = { .is_ca = true };
	struct pki_leaf *links[8] = { NULL }, *leaf;
	char name[48];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "intermediate-%d-%d", n, i);
		links[i] = pki_issue(w->airnet, name, &options);
		options.issuer = links[i];
	}
	options.is_ca = false;
	options.eku = "clientAuth";
	snprintf(name, sizeof(name), "below-%d", n);
	leaf = pki_issue(w->airnet, name, &options);
	for (int i = n; i > 0; i--)
		pki_write_cert(leaf->path, links[i - 1]->cert);

	struct tls_settings server = settings_of(TLS_SERVER, w->airnet, w->server);
	struct tls_settings client = settings_of(TLS_CLIENT, w->airnet, leaf);
	server.no_crl = no_crl;
	return shake(&server, &client, "gw.example.com");
}

static void limits_the_chain(void)
{
	struct world w = world_new();
	struct pair pair = shake_below(&w, 3, true);

	CU_ASSERT_EQUAL(tls_check_peer(pair.server), TLS_FAILURE_NONE);
	pair_free(&pair);
	pair = shake_below(&w, 4, true);
	CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_CHAIN);
	pair_free(&pair);
	world_free(&w);
}

static void demands_a_crl_of_an_intermediate_too(void)
{
	struct world w = world_new();
	struct pair pair = shake_below(&w, 1, false);

	CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_CRL_STALE);
	pair_free(&pair);
	world_free(&w);
}

static void refuses_a_stale_crl(void)
{
	struct world w = world_new();
	struct tls_settings server = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings client = settings_of(TLS_CLIENT, w.airnet, w.device);

	pki_write_crl(w.airnet, -1);
	client.no_crl = true;
	struct pair pair = shake(&server, &client, "gw.example.com");
	CU_ASSERT_EQUAL(pair.server_failure, TLS_FAILURE_CRL_STALE);
	pair_free(&pair);
	world_free(&w);
}

static void names_every_failure(void)
{
	for (int i = 0; i < TLS_N_FAILURES; i++)
		CU_ASSERT_PTR_NOT_NULL(tls_failure_name((enum tls_failure)i));
}

TEST_MAIN("tls", TEST(connects_with_either_version),
	  TEST(gives_no_binding_before_the_end),
	  TEST(refuses_tls12_without_extended_master_secret), TEST(resumes_nothing),
	  TEST(hashes_what_the_peer_showed), TEST(refuses_bad_clients),
	  TEST(refuses_a_client_without_certificate), TEST(refuses_bad_servers),
	  TEST(limits_the_chain), TEST(demands_a_crl_of_an_intermediate_too),
	  TEST(refuses_a_stale_crl), TEST(names_every_failure),
	  TEST(tells_whom_a_certificate_is_for))
