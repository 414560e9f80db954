/*
 * The channel binding of base/tls.c against the formulas of RFC 5705 and RFC 8446, for
 * recorded handshakes (test/vectors/exporter.json) and for ones made now.
 */
#include "base/tls.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include "test/unit/cert.h"
#include "test/unit/test.h"
#include "test/unit/vector.h"

#define LABEL "EXPORTER-Channel-Binding"

/* What a handshake leaves to compute from. */
struct handshake {
	bool is_tls13;
	char digest[16];
	uint8_t secret[64]; /* exporter secret of TLS 1.3, or master secret */
	size_t secret_n;
	uint8_t client_random[32], server_random[32];
};

static void derive(const char *kdf_name, const OSSL_PARAM *params, uint8_t *out,
		   size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);

	CU_ASSERT_EQUAL_FATAL(EVP_KDF_derive(context, out, n, params), 1);
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
}

/* RFC 5705, 4: the context is there, so its length is, too. */
static void tls12_binding(const struct handshake *h, uint8_t out[SHA256_BYTES])
{
	uint8_t seed[sizeof(LABEL) - 1 + 64 + 2] = LABEL;

	memcpy(seed + sizeof(LABEL) - 1, h->client_random, 32);
	memcpy(seed + sizeof(LABEL) - 1 + 32, h->server_random, 32);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 (char *)(uintptr_t)h->digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET,
						  (void *)(uintptr_t)h->secret,
						  h->secret_n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed,
						  sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};
	derive("TLS1-PRF", params, out, SHA256_BYTES);
}

/* HKDF-Expand-Label of RFC 8446, 7.1. */
static void expand_label(const struct handshake *h, const uint8_t *secret,
			 const char *label, const uint8_t *data, size_t data_n,
			 uint8_t *out, size_t n)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 (char *)(uintptr_t)h->digest, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret, h->secret_n),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX,
						  (char[]){ "tls13 " }, 6),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_LABEL, (void *)(uintptr_t)label, strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA,
						  (void *)(uintptr_t)data, data_n),
		OSSL_PARAM_construct_end(),
	};
	derive("TLS13-KDF", params, out, n);
}

/* RFC 8446, 7.5. */
static void tls13_binding(const struct handshake *h, uint8_t out[SHA256_BYTES])
{
	uint8_t empty[EVP_MAX_MD_SIZE], derived[64];
	unsigned n;

	CU_ASSERT_EQUAL_FATAL(
		EVP_Digest("", 0, empty, &n, EVP_get_digestbyname(h->digest), NULL), 1);
	CU_ASSERT_EQUAL_FATAL(n, h->secret_n);
	expand_label(h, h->secret, LABEL, empty, n, derived, n);
	expand_label(h, derived, "exporter", empty, n, out, SHA256_BYTES);
}

static void binding_of(const struct handshake *h, uint8_t out[SHA256_BYTES])
{
	if (h->is_tls13)
		tls13_binding(h, out);
	else
		tls12_binding(h, out);
}

/* ---- Recorded handshakes ---- */

static void take(json_t *vector, const char *member, uint8_t *out, size_t *n,
		 struct arena *arena)
{
	struct slice bytes = vector_bytes(vector, member, arena);

	CU_ASSERT_FATAL(bytes.n <= 64);
	memcpy(out, bytes.p, bytes.n);
	*n = bytes.n;
}

static void read_vector(json_t *vector, struct handshake *h, struct arena *arena)
{
	size_t n;

	*h = (struct handshake){ .is_tls13 = strcmp(vector_text(vector, "version"),
						    "TLSv1.3") == 0 };
	snprintf(h->digest, sizeof(h->digest), "%s", vector_text(vector, "hash"));
	take(vector, h->is_tls13 ? "exporter_secret" : "master_secret", h->secret,
	     &h->secret_n, arena);
	if (h->is_tls13)
		return;
	take(vector, "client_random", h->client_random, &n, arena);
	CU_ASSERT_EQUAL_FATAL(n, 32);
	take(vector, "server_random", h->server_random, &n, arena);
	CU_ASSERT_EQUAL_FATAL(n, 32);
}

/* Every bit of every secret counts. */
static void check_bits(struct handshake *h, const uint8_t binding[SHA256_BYTES])
{
	uint8_t *const fields[] = { h->secret, h->client_random, h->server_random };
	const size_t sizes[] = { h->secret_n, 32, 32 };
	uint8_t out[SHA256_BYTES];

	for (size_t i = 0; i < (h->is_tls13 ? 1 : 3); i++) {
		for (size_t bit = 0; bit < sizes[i] * 8; bit++) {
			fields[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
			binding_of(h, out);
			CU_ASSERT_NOT_EQUAL(memcmp(out, binding, sizeof(out)), 0);
			fields[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void recorded_handshakes_hold(void)
{
	json_t *file = vector_load("exporter.json"), *vector;
	size_t i;

	CU_ASSERT_TRUE(json_array_size(file) >= 4);
	json_array_foreach (file, i, vector) {
		struct arena *arena = arena_new(1 << 16);
		struct handshake h;
		uint8_t out[SHA256_BYTES];
		struct slice binding = vector_bytes(vector, "binding", arena);

		read_vector(vector, &h, arena);
		binding_of(&h, out);
		CU_ASSERT_TRUE(slice_eq(slice_make(out, sizeof(out)), binding));
		check_bits(&h, (const uint8_t *)binding.p);
		arena_free(arena);
	}
	json_decref(file);
}

/* ---- Handshakes made now ---- */

static struct handshake noted;

/* RFC 9850: `LABEL CLIENT_RANDOM SECRET`, hex. */
static void on_key_log(const SSL *ssl, const char *line)
{
	struct slice rest = slice_of(line), label, random, secret;

	(void)ssl;
	CU_ASSERT_FATAL(slice_next(&rest, ' ', &label) &&
			slice_next(&rest, ' ', &random) &&
			slice_next(&rest, ' ', &secret));
	if (!slice_eq(label, SLICE("EXPORTER_SECRET")) &&
	    !slice_eq(label, SLICE("CLIENT_RANDOM")))
		return;
	noted.secret_n = secret.n / 2;
	CU_ASSERT_FATAL(noted.secret_n <= sizeof(noted.secret));
	CU_ASSERT_TRUE(hex_decode(secret, noted.secret, noted.secret_n));
	CU_ASSERT_TRUE(hex_decode(random, noted.client_random, 32));
}

static SSL *side_new(const SSL_METHOD *method, int version, const char *cipher,
		     EVP_PKEY *key, X509 *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	int ok = version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(ctx, cipher)
					   : SSL_CTX_set_cipher_list(ctx, cipher);
	CU_ASSERT_EQUAL(ok, 1);
	CU_ASSERT_EQUAL(SSL_CTX_use_certificate(ctx, cert), 1);
	CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey(ctx, key), 1);
	SSL_CTX_set_keylog_callback(ctx, on_key_log);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

static void shake(SSL *client, SSL *server)
{
	uint8_t before[SHA256_BYTES];
	BIO *one, *other;

	CU_ASSERT_EQUAL_FATAL(BIO_new_bio_pair(&one, 0, &other, 0), 1);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, other, other);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 8; i++) {
		/* OpenSSL would export already now. */
		CU_ASSERT_EQUAL(tls_channel_binding(server, before),
				SSL_is_init_finished(server) == 1);
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	CU_ASSERT_FATAL(SSL_is_init_finished(client) && SSL_is_init_finished(server));
}

static const struct {
	int version;
	const char *cipher, *digest;
} suites[] = {
	{ TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "sha256" },
	{ TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", "sha384" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "sha256" },
	{ TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", "sha384" },
};

static void bindings_follow_the_formulas(void)
{
	EVP_PKEY *key = cert_key("P-256");
	X509 *cert = cert_make(&(struct cert_spec){ .name = "both", .key = key });

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		uint8_t at_client[SHA256_BYTES], at_server[SHA256_BYTES],
			formula[SHA256_BYTES];
		SSL *client = side_new(TLS_client_method(), suites[i].version,
				       suites[i].cipher, key, cert);
		SSL *server = side_new(TLS_server_method(), suites[i].version,
				       suites[i].cipher, key, cert);

		noted = (struct handshake){ .is_tls13 = suites[i].version ==
							TLS1_3_VERSION };
		snprintf(noted.digest, sizeof(noted.digest), "%s", suites[i].digest);
		shake(client, server);
		SSL_get_server_random(client, noted.server_random, 32);
		binding_of(&noted, formula);
		CU_ASSERT_TRUE(tls_channel_binding(client, at_client));
		CU_ASSERT_TRUE(tls_channel_binding(server, at_server));
		CU_ASSERT_EQUAL(memcmp(at_client, formula, sizeof(formula)), 0);
		CU_ASSERT_EQUAL(memcmp(at_server, formula, sizeof(formula)), 0);
		SSL_free(client);
		SSL_free(server);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
}

TEST_MAIN("exporter", TEST(recorded_handshakes_hold),
	  TEST(bindings_follow_the_formulas))
