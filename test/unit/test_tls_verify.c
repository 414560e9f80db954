/* Chains that are remembered, and what becomes of them. The rest is in test_tls.c. */
#include "base/metrics.h"
#include "base/tls.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <time.h>

#define NAME "gw.example.com"

static const struct metric table[TLS_MEMORY_N_METRICS] = {
	[TLS_MEMORY_HITS] = { "test_hits_total", NULL, METRIC_COUNTER, "Found." },
	[TLS_MEMORY_MISSES] = { "test_misses_total", NULL, METRIC_COUNTER, "Not." },
	[TLS_MEMORY_ENTRIES] = { "test_entries", NULL, METRIC_GAUGE, "Kept." },
	[TLS_MEMORY_EVICTIONS] = { "test_evictions_total", NULL, METRIC_COUNTER,
				   "Driven out." },
};

static int64_t clock_s;

static int64_t now(void)
{
	return clock_s;
}

/* A device below an intermediate, and a server with a memory. */
struct world {
	struct pki *pki;
	struct pki_leaf *server, *ca, *device;
	struct tls_settings settings; /* of the server */
	struct tls_context *tls;
	int version;
	int64_t hits, entries; /* before */
};

static void start(struct world *w)
{
	char why[256] = "";

	tls_context_free(w->tls);
	w->tls = tls_context_new(&w->settings, why, sizeof(why));
	if (!w->tls)
		printf("\n%s", why);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->tls);
}

static struct world world_new(void)
{
	static bool is_open;
	struct world w = { .pki = pki_new("Devices"), .version = TLS1_3_VERSION };

	if (!is_open)
		metrics_open(table, TLS_MEMORY_N_METRICS, 1);
	is_open = true;
	clock_s = time(NULL);
	w.server = pki_issue(
		w.pki, "server",
		&(struct pki_options){ .san = "DNS:" NAME, .eku = "serverAuth" });
	w.ca = pki_issue(w.pki, "intermediate", &(struct pki_options){ .is_ca = true });
	w.device =
		pki_issue(w.pki, "device",
			  &(struct pki_options){ .eku = "clientAuth", .issuer = w.ca });
	pki_write_cert(w.device->path, w.ca->cert);
	w.settings = (struct tls_settings){
		.role = TLS_SERVER,
		.chain_path = w.server->path,
		.key = w.server->key,
		.trust_path = w.pki->ca_path,
		.no_crl = true,
		.tls12 = true,
		.n_remembered = 4,
		.now_s = now,
	};
	start(&w);
	return w;
}

static void world_free(struct world *w)
{
	tls_context_free(w->tls);
	pki_free(w->pki);
}

/* What the server says to a client that shows these certificates, leaf first. */
static enum tls_failure show(struct world *w, X509 *const *certs, size_t n,
			     EVP_PKEY *key, struct tls_chain *out)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(client_ctx, 0); /* shows what it is told to */
	SSL *client = SSL_new(client_ctx), *server = tls_new(w->tls, NULL);
	enum tls_failure failure = TLS_FAILURE_NONE;
	BIO *a, *b;

	w->hits = metrics_sum(TLS_MEMORY_HITS);
	CU_ASSERT_FATAL(BIO_new_bio_pair(&a, 65536, &b, 65536));
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_connect_state(client);
	SSL_set_max_proto_version(client, w->version);
	SSL_use_certificate(client, certs[0]);
	SSL_use_PrivateKey(client, key);
	for (size_t i = 1; i < n; i++)
		SSL_add1_chain_cert(client, certs[i]);
	for (int turn = 0; turn < 8 && !failure; turn++) {
		ERR_clear_error();
		SSL_do_handshake(client);
		ERR_clear_error();
		int result = SSL_do_handshake(server);
		if (SSL_get_error(server, result) == SSL_ERROR_SSL)
			failure = tls_failure_of(server);
	}
	if (!failure)
		failure = tls_check_peer(server);
	if (failure)
		CU_ASSERT_PTR_NULL(tls_peer_chain(server));
	if (!failure && out)
		*out = *tls_peer_chain(server);
	if (!failure)
		CU_ASSERT_PTR_NULL(SSL_get0_verified_chain(server));
	w->hits = metrics_sum(TLS_MEMORY_HITS) - w->hits;
	w->entries = metrics_sum(TLS_MEMORY_ENTRIES);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	ERR_clear_error();
	return failure;
}

static enum tls_failure connect_device(struct world *w, struct tls_chain *out)
{
	X509 *const certs[] = { w->device->cert, w->ca->cert };

	return show(w, certs, 2, w->device->key, out);
}

static void expect_miss(struct world *w, enum tls_failure failure)
{
	CU_ASSERT_EQUAL(connect_device(w, NULL), failure);
	CU_ASSERT_EQUAL(w->hits, 0);
}

static void expect_hit(struct world *w)
{
	CU_ASSERT_EQUAL(connect_device(w, NULL), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w->hits, 1);
}

static void remembers_with_either_version(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < 2; i++) {
		struct world w = world_new();
		struct tls_chain first, second;
		uint8_t ca[SHA256_BYTES], anchor[SHA256_BYTES];

		w.version = versions[i];
		CU_ASSERT_EQUAL(connect_device(&w, &first), TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(w.hits, 0);
		CU_ASSERT_EQUAL(w.entries, 1);
		CU_ASSERT_EQUAL(connect_device(&w, &second), TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(w.hits, 1);
		CU_ASSERT(tls_spki_hash(w.ca->cert, ca));
		CU_ASSERT(tls_spki_hash(w.pki->ca, anchor));
		CU_ASSERT_EQUAL(first.n_cas, 2);
		CU_ASSERT_EQUAL(memcmp(first.cas[0], ca, SHA256_BYTES), 0);
		CU_ASSERT_EQUAL(memcmp(first.cas[1], anchor, SHA256_BYTES), 0);
		CU_ASSERT_EQUAL(memcmp(&first, &second, sizeof(first)), 0);
		world_free(&w);
	}
}

/* What a thief of a certificate has: its public key, beside a private one of his own.
 */
static EVP_PKEY *forge_key(EVP_PKEY *victim)
{
	EVP_PKEY *own = EVP_EC_gen("P-256"), *forged = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	uint8_t point[65];
	BIGNUM *scalar = NULL;
	size_t n = 0;

	CU_ASSERT_FATAL(EVP_PKEY_get_octet_string_param(victim, OSSL_PKEY_PARAM_PUB_KEY,
							point, sizeof(point), &n));
	CU_ASSERT_FATAL(EVP_PKEY_get_bn_param(own, OSSL_PKEY_PARAM_PRIV_KEY, &scalar));
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
					0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	CU_ASSERT_FATAL(EVP_PKEY_fromdata_init(ctx) == 1 &&
			EVP_PKEY_fromdata(ctx, &forged, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(scalar);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
	return forged;
}

static void demands_the_key_each_time(void)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < 2; i++) {
		struct world w = world_new();
		EVP_PKEY *forged = forge_key(w.device->key);
		X509 *const certs[] = { w.device->cert, w.ca->cert };

		w.version = versions[i];
		expect_miss(&w, TLS_FAILURE_NONE);
		CU_ASSERT_EQUAL(show(&w, certs, 2, forged, NULL), TLS_FAILURE_PROTOCOL);
		CU_ASSERT_EQUAL(w.hits, 1);
		expect_hit(&w);
		EVP_PKEY_free(forged);
		world_free(&w);
	}
}

static void refuses_another_intermediate(void)
{
	struct world w = world_new();
	struct pki_options twin = { .is_ca = true, .from_s = -7200, .to_s = -3600 };

	/* The same name and key, but expired. */
	EVP_PKEY_up_ref(w.ca->key);
	twin.key = w.ca->key;
	struct pki_leaf *expired = pki_issue(w.pki, "intermediate", &twin);
	X509 *const certs[] = { w.device->cert, expired->cert };
	X509 *const more[] = { w.device->cert, w.ca->cert, expired->cert };
	X509 *const beyond[] = { w.device->cert, w.ca->cert, w.pki->ca, expired->cert };
	X509 *const none[] = { w.device->cert };

	expect_miss(&w, TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(show(&w, certs, 2, w.device->key, NULL), TLS_FAILURE_EXPIRED);
	CU_ASSERT_EQUAL(show(&w, none, 1, w.device->key, NULL), TLS_FAILURE_UNKNOWN_CA);
	/* What is shown beside the chain makes no entries. */
	CU_ASSERT_EQUAL(show(&w, more, 3, w.device->key, NULL), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w.hits, 0);
	CU_ASSERT_EQUAL(w.entries, 1);
	CU_ASSERT_EQUAL(show(&w, beyond, 4, w.device->key, NULL), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w.hits, 0);
	CU_ASSERT_EQUAL(w.entries, 1);
	expect_hit(&w);
	world_free(&w);
}

static void refuses_rsa_keys_that_are_too_short_or_too_long(void)
{
	static const struct {
		size_t bits;
		enum tls_failure failure;
	} rows[] = { { 1024, TLS_FAILURE_CHAIN },
		     { 2048, TLS_FAILURE_NONE },
		     { 4096, TLS_FAILURE_NONE },
		     { 4104, TLS_FAILURE_CHAIN } };
	struct world w = world_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pki_options options = {
			.eku = "clientAuth",
			.issuer = w.ca,
			.key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", rows[i].bits)
		};
		struct pki_leaf *device = pki_issue(w.pki, "rsa", &options);
		X509 *const certs[] = { device->cert, w.ca->cert };

		CU_ASSERT_EQUAL(show(&w, certs, 2, device->key, NULL), rows[i].failure);
	}
	world_free(&w);
}

static void remembers_no_failure(void)
{
	struct world w = world_new();
	X509 *const none[] = { w.device->cert };

	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(show(&w, none, 1, w.device->key, NULL),
				TLS_FAILURE_UNKNOWN_CA);
		CU_ASSERT_EQUAL(w.hits, 0);
		CU_ASSERT_EQUAL(w.entries, 0);
	}
	world_free(&w);
}

static void sees_what_has_expired_meanwhile(void)
{
	struct world w = world_new();

	expect_miss(&w, TLS_FAILURE_NONE);
	clock_s += 3500;
	expect_hit(&w);
	clock_s += 200; /* certificates of the tests live for an hour */
	expect_miss(&w, TLS_FAILURE_EXPIRED);
	CU_ASSERT_EQUAL(w.entries, 0);
	world_free(&w);
}

static void verifies_anew_after_the_clock_went_back(void)
{
	struct world w = world_new();

	expect_miss(&w, TLS_FAILURE_NONE);
	clock_s -= 60;
	expect_miss(&w, TLS_FAILURE_NONE);
	expect_hit(&w);
	clock_s -= 2 * 3600; /* before anything was issued */
	expect_miss(&w, TLS_FAILURE_NOT_YET_VALID);
	world_free(&w);
}

/* With lists: leaves directly below the root, which has one. */
static void use_crl(struct world *w, long valid_s)
{
	w->device =
		pki_issue(w->pki, "flat", &(struct pki_options){ .eku = "clientAuth" });
	pki_write_crl(w->pki, valid_s);
	w->settings.no_crl = false;
	w->settings.crl_path = w->pki->crl_path;
	start(w);
}

static enum tls_failure connect_flat(struct world *w)
{
	return show(w, &w->device->cert, 1, w->device->key, NULL);
}

static void forgets_when_a_revocation_list_ends(void)
{
	struct world w = world_new();

	use_crl(&w, 600);
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_NONE);
	clock_s += 590;
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w.hits, 1);
	clock_s += 20;
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_CRL_STALE);
	CU_ASSERT_EQUAL(w.hits, 0);
	world_free(&w);
}

static void goes_on_with_a_stale_list_where_told_to(void)
{
	struct world w = world_new();

	w.settings.accepts_stale_crl = true;
	use_crl(&w, -1);
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w.hits, 1);
	/* What it revokes is revoked. */
	w.device->is_revoked = true;
	pki_write_crl(w.pki, -1);
	start(&w);
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_REVOKED);
	/* Nothing else is let through with it. */
	w.device = pki_issue(w.pki, "no_usage", &(struct pki_options){ .eku = NULL });
	CU_ASSERT_EQUAL(connect_flat(&w), TLS_FAILURE_WRONG_PURPOSE);
	world_free(&w);
}

static void shares_nothing_with_another_context(void)
{
	struct world w = world_new();
	struct pki *other = pki_new("Other");
	struct tls_context *first = w.tls;

	expect_miss(&w, TLS_FAILURE_NONE);
	expect_hit(&w);
	w.tls = NULL;
	start(&w); /* the same settings: another listener, or the next generation */
	expect_miss(&w, TLS_FAILURE_NONE);
	w.settings.trust_path = other->ca_path;
	start(&w);
	expect_miss(&w, TLS_FAILURE_UNKNOWN_CA);
	tls_context_free(first);
	pki_free(other);
	world_free(&w);
}

static void remembers_nothing_when_told_so(void)
{
	struct world w = world_new();

	w.settings.n_remembered = 0;
	start(&w);
	expect_miss(&w, TLS_FAILURE_NONE);
	expect_miss(&w, TLS_FAILURE_NONE);
	CU_ASSERT_EQUAL(w.entries, 0);
	world_free(&w);
}

TEST_MAIN("tls_verify", TEST(remembers_with_either_version),
	  TEST(demands_the_key_each_time), TEST(refuses_another_intermediate),
	  TEST(refuses_rsa_keys_that_are_too_short_or_too_long),
	  TEST(remembers_no_failure), TEST(sees_what_has_expired_meanwhile),
	  TEST(verifies_anew_after_the_clock_went_back),
	  TEST(forgets_when_a_revocation_list_ends),
	  TEST(goes_on_with_a_stale_list_where_told_to),
	  TEST(shares_nothing_with_another_context),
	  TEST(remembers_nothing_when_told_so))
