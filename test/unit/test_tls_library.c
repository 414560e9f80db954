#include "base/tls_library.h"

#include <openssl/err.h>
#include <openssl/evp.h>

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
	  TEST(leaves_the_rest_of_the_process_as_it_was))
