#include "base/tls_library.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>

#include "test/unit/cert.h"
#include "test/unit/test.h"

/* The public half of @p key as a peer's certificate brings it, read with @p library. */
static EVP_PKEY *read_public(OSSL_LIB_CTX *library, EVP_PKEY *key)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	const uint8_t *p = der;

	CU_ASSERT_FATAL(n > 0);
	EVP_PKEY *read = d2i_PUBKEY_ex(NULL, &p, n, library, NULL);
	ERR_clear_error();
	OPENSSL_free(der);
	return read;
}

static void reads_keys_of_the_types_it_offers(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
			     EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };

	CU_ASSERT_PTR_NOT_NULL_FATAL(tls_library());
	CU_ASSERT_PTR_EQUAL(tls_library(), tls_library());
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		EVP_PKEY *read = read_public(tls_library(), keys[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(read);
		CU_ASSERT_EQUAL(EVP_PKEY_eq(read, keys[i]), 1);
		EVP_PKEY_free(read);
		EVP_PKEY_free(keys[i]);
	}
}

static void reads_no_others(void)
{
	static const char *const types[] = { "ED448", "X25519" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, types[i]);
		EVP_PKEY *read = read_public(NULL, key);

		CU_ASSERT_PTR_NOT_NULL(read);
		EVP_PKEY_free(read);
		CU_ASSERT_PTR_NULL(read_public(tls_library(), key));
		EVP_PKEY_free(key);
	}
}

/* ---- What it is made of ---- */

static void count(EVP_KEYMGMT *manager, void *arg)
{
	(void)manager;
	++*(int *)arg;
}

/* Each costs every handshake a little (doc/decisions/027-tls-library.md). */
static void holds_what_is_used_and_no_more(void)
{
	static const char *const ciphers[] = { "AES-128-GCM", "AES-256-GCM",
					       "ChaCha20-Poly1305" };
	int n_managers = 0;

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(tls_library(), ciphers[i], NULL);
		CU_ASSERT_PTR_NOT_NULL(cipher);
		EVP_CIPHER_free(cipher);
	}
	CU_ASSERT_PTR_NULL(EVP_CIPHER_fetch(tls_library(), "AES-128-CBC", NULL));
	CU_ASSERT_PTR_NULL(EVP_MD_fetch(tls_library(), "MD5", NULL));
	CU_ASSERT_PTR_NULL(EVP_MAC_fetch(tls_library(), "CMAC", NULL));
	CU_ASSERT_PTR_NULL(EVP_KDF_fetch(tls_library(), "SCRYPT", NULL));
	EVP_KEYMGMT_do_all_provided(tls_library(), count, &n_managers);
	CU_ASSERT_EQUAL(n_managers, 6);
	ERR_clear_error();
}

/* ---- Anchors ---- */

static const struct anchor {
	const char *type;
	const char *group; /* of EC */
	const char *digest;
	bool is_pss; /* signs so with a key that may also do otherwise */
} anchors[] = {
	{ "EC", "P-256", "SHA256", false }, { "EC", "P-384", "SHA384", false },
	{ "EC", "P-521", "SHA512", false }, { "RSA", NULL, "SHA256", false },
	{ "RSA", NULL, "SHA512", false },   { "RSA", NULL, "SHA224", false },
	{ "RSA", NULL, "SHA384", true },    { "RSA-PSS", NULL, "SHA256", false },
	{ "ED25519", NULL, NULL, false },   { "ED448", NULL, NULL, false },
};

static EVP_PKEY *anchor_key(const struct anchor *anchor)
{
	if (anchor->group)
		return cert_key(anchor->group);
	if (strncmp(anchor->type, "RSA", 3) != 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, anchor->type);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, anchor->type, NULL);
	EVP_PKEY *key = NULL;
	CU_ASSERT_FATAL(EVP_PKEY_keygen_init(context) == 1 &&
			EVP_PKEY_generate(context, &key) == 1);
	EVP_PKEY_CTX_free(context);
	return key;
}

/* As a peer shows it. */
static X509 *signed_by(const struct anchor *anchor, EVP_PKEY *anchor_key)
{
	EVP_PKEY *key = cert_key("P-256");
	X509 *made = cert_make(&(struct cert_spec){ .name = "device", .key = key });
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *context;
	uint8_t *der = NULL;

	CU_ASSERT_FATAL(EVP_DigestSignInit_ex(md, &context, anchor->digest, NULL, NULL,
					      anchor_key, NULL) == 1);
	if (anchor->is_pss)
		EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING);
	CU_ASSERT_FATAL(X509_sign_ctx(made, md) > 0);
	int n = i2d_X509(made, &der);
	const uint8_t *p = der;
	X509 *shown = X509_new_ex(tls_library(), NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d2i_X509(&shown, &p, n));
	OPENSSL_free(der);
	EVP_MD_CTX_free(md);
	X509_free(made);
	EVP_PKEY_free(key);
	return shown;
}

static void verifies_what_any_anchor_has_signed(void)
{
	EVP_PKEY *other = cert_key("P-256");

	for (size_t i = 0; i < sizeof(anchors) / sizeof(anchors[0]); i++) {
		EVP_PKEY *key = anchor_key(&anchors[i]);
		X509 *shown = signed_by(&anchors[i], key);

		CU_ASSERT_EQUAL(X509_verify(shown, key), 1);
		CU_ASSERT_NOT_EQUAL(X509_verify(shown, other), 1);
		X509_free(shown);
		EVP_PKEY_free(key);
	}
	EVP_PKEY_free(other);
	ERR_clear_error();
}

static void leaves_the_rest_of_the_process_as_it_was(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	uint8_t *der = NULL;
	int n = i2d_PrivateKey(key, &der);
	const uint8_t *p = der;

	CU_ASSERT_PTR_NOT_NULL_FATAL(tls_library());
	EVP_PKEY *read = d2i_AutoPrivateKey(NULL, &p, n);
	CU_ASSERT_PTR_NOT_NULL(read);
	EVP_PKEY_free(read);
	EVP_PKEY_free(key);
	OPENSSL_free(der);
}

TEST_MAIN("tls_library", TEST(reads_keys_of_the_types_it_offers), TEST(reads_no_others),
	  TEST(holds_what_is_used_and_no_more),
	  TEST(verifies_what_any_anchor_has_signed),
	  TEST(leaves_the_rest_of_the_process_as_it_was))
