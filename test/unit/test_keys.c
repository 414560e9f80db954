#include "auth/auth.h"

#include <errno.h>

#include <openssl/rsa.h>

#include "base/secret.h"
#include "test/unit/cert.h"
#include "test/unit/directory.h"
#include "test/unit/test.h"

static struct directory directory;
static char why[512];

static EVP_PKEY *write_and_load(EVP_PKEY *key)
{
	const char *path = directory_file(&directory, "key.pem");

	cert_write_key(path, key);
	return keys_load(path, why, sizeof(why));
}

/* Of four primes, which are found a hundred times as fast as two. */
static EVP_PKEY *long_rsa_key(int bits)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;

	CU_ASSERT_EQUAL(EVP_PKEY_keygen_init(context), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_CTX_set_rsa_keygen_primes(context, 4), 1);
	CU_ASSERT_EQUAL(EVP_PKEY_generate(context, &key), 1);
	EVP_PKEY_CTX_free(context);
	return key;
}

static void accepted_keys_load(void)
{
	EVP_PKEY *keys[] = { cert_key("P-256"), cert_key("P-384"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
			     long_rsa_key(4096) };
	size_t n = sizeof(keys) / sizeof(keys[0]);

	directory_open(&directory);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		EVP_PKEY *loaded = write_and_load(keys[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(loaded);
		CU_ASSERT_EQUAL(EVP_PKEY_eq(keys[i], loaded), 1);
		CU_ASSERT_NOT_EQUAL(EVP_PKEY_eq(keys[(i + 1) % n], loaded), 1);
		EVP_PKEY_free(loaded);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		EVP_PKEY_free(keys[i]);
	directory_close(&directory);
}

static void weak_odd_or_slow_keys_do_not_load(void)
{
	EVP_PKEY *keys[] = { cert_key("P-521"), cert_key("secp256k1"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
			     EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024),
			     long_rsa_key(4100) };

	directory_open(&directory);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		CU_ASSERT_PTR_NULL(write_and_load(keys[i]));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "P-256"));
		EVP_PKEY_free(keys[i]);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "the key, RSA of 4100 bits, is none of"));
	directory_close(&directory);
}

static void a_certificate_is_told_from_a_key(void)
{
	directory_open(&directory);
	CU_ASSERT_PTR_NULL(
		keys_load(directory_write(&directory, "key.pem",
					  "-----BEGIN CERTIFICATE-----\n", 0600),
			  why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "are key and certificate swapped?"));
	CU_ASSERT_PTR_NULL(keys_load(directory_write(&directory, "key.pem", "x", 0600),
				     why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "openssl pkey -in FILE"));
	directory_close(&directory);
}

static void a_key_that_others_can_read_is_refused_with_the_remedy(void)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0660 };
	EVP_PKEY *key = cert_key("P-256"), *loaded;
	const char *path;

	directory_open(&directory);
	path = directory_file(&directory, "key.pem");
	cert_write_key(path, key);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		chmod(path, modes[i]);
		CU_ASSERT_PTR_NULL(keys_load(path, why, sizeof(why)));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "chmod 600"));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, path));
	}
	chmod(path, 0400);
	loaded = keys_load(path, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL(loaded);
	EVP_PKEY_free(loaded);
	EVP_PKEY_free(key);
	directory_close(&directory);
}

static void what_is_no_regular_file_is_refused_at_once(void)
{
	directory_open(&directory);
	CU_ASSERT_EQUAL(mkfifo(directory_file(&directory, "fifo"), 0600), 0);
	CU_ASSERT_PTR_NULL(keys_load(directory.file, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "regular file"));
	CU_ASSERT_PTR_NULL(keys_load(directory.path, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "regular file"));
	CU_ASSERT_PTR_NULL(keys_load("/dev/null", why, sizeof(why)));
	CU_ASSERT_PTR_NULL(
		keys_load(directory_file(&directory, "none"), why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, strerror(ENOENT)));
	directory_close(&directory);
}

static void another_users_key_is_refused(void)
{
	EVP_PKEY *key = cert_key("P-256");
	const char *path;

	directory_open(&directory);
	path = directory_file(&directory, "key.pem");
	cert_write_key(path, key);
	if (geteuid() == 0) { /* only root can give a file away */
		CU_ASSERT_EQUAL(chown(path, 65534, 65534), 0);
		CU_ASSERT_PTR_NULL(keys_load(path, why, sizeof(why)));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "chown"));
	}
	EVP_PKEY_free(key);
	directory_close(&directory);
}

static void texts_that_are_no_key_are_refused(void)
{
	static const char *const texts[] = {
		"",
		"junk\n",
		"-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n",
	};

	directory_open(&directory);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *path =
			directory_write(&directory, "key.pem", texts[i], 0600);
		CU_ASSERT_PTR_NULL(keys_load(path, why, sizeof(why)));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "PEM"));
	}
	directory_close(&directory);
}

static void an_encrypted_key_is_refused_without_asking(void)
{
	EVP_PKEY *key = cert_key("P-256");
	BIO *bio;

	directory_open(&directory);
	directory_write(&directory, "key.pem", "", 0600);
	bio = BIO_new_file(directory.file, "w");
	CU_ASSERT_EQUAL(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(),
						      "secret", 6, NULL, NULL),
			1);
	BIO_free(bio);
	CU_ASSERT_PTR_NULL(keys_load(directory.file, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "unencrypted"));
	EVP_PKEY_free(key);
	directory_close(&directory);
}

static void a_secret_has_a_limit(void)
{
	struct secret secret;

	directory_open(&directory);
	directory_write(&directory, "secret", "0123456789", 0600);
	CU_ASSERT_TRUE(secret_read(directory.file, 10, &secret, why, sizeof(why)));
	CU_ASSERT_EQUAL(secret.n, 10);
	CU_ASSERT_STRING_EQUAL(secret.p, "0123456789");
	secret_free(&secret);
	CU_ASSERT_FALSE(secret_read(directory.file, 9, &secret, why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "9 bytes"));
	secret_free(&secret);
	directory_close(&directory);
}

/* With a line that names the key and the remedy, and without a word otherwise. */
static bool is_refused(const char *path)
{
	char *errors;
	size_t size;
	FILE *out = open_memstream(&errors, &size);
	bool is_refused = !keys_check_demo("landnet_trust", path, out);

	fclose(out);
	if (is_refused)
		CU_ASSERT(strncmp(errors, "landnet_trust: ", 15) == 0 &&
			  strstr(errors, "demo = yes"));
	CU_ASSERT_EQUAL(size > 0, is_refused);
	free(errors);
	return is_refused;
}

static bool is_demo(const char *const *organizations, size_t n)
{
	X509 *certs[3];
	EVP_PKEY *key = cert_key("P-256");
	const char *path = directory_file(&directory, "trust.pem");

	for (size_t i = 0; i < n; i++)
		certs[i] =
			cert_make(&(struct cert_spec){ .name = "root",
						       .organization = organizations[i],
						       .key = key,
						       .is_ca = true });
	cert_write(path, certs, n);
	for (size_t i = 0; i < n; i++)
		X509_free(certs[i]);
	EVP_PKEY_free(key);
	return is_refused(path);
}

#define IS_DEMO(...)                                  \
	is_demo((const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void a_demonstration_anchor_is_found(void)
{
	const char *mark = "Provbox demo, not for production";

	directory_open(&directory);
	CU_ASSERT_TRUE(IS_DEMO(mark));
	CU_ASSERT_TRUE(IS_DEMO(NULL, "Example Telecom", mark));
	CU_ASSERT_FALSE(IS_DEMO(NULL));
	CU_ASSERT_FALSE(IS_DEMO("Example Telecom", NULL));
	CU_ASSERT_FALSE(IS_DEMO("Provbox demo, not for productio"));
	CU_ASSERT_FALSE(is_refused(directory_file(&directory, "none")));
	CU_ASSERT_FALSE(is_refused(NULL));
	directory_close(&directory);
}

TEST_MAIN("keys", TEST(accepted_keys_load), TEST(weak_odd_or_slow_keys_do_not_load),
	  TEST(a_certificate_is_told_from_a_key),
	  TEST(a_key_that_others_can_read_is_refused_with_the_remedy),
	  TEST(what_is_no_regular_file_is_refused_at_once),
	  TEST(another_users_key_is_refused), TEST(texts_that_are_no_key_are_refused),
	  TEST(an_encrypted_key_is_refused_without_asking), TEST(a_secret_has_a_limit),
	  TEST(a_demonstration_anchor_is_found))
