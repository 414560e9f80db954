#include "auth/auth.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/files.h"
#include "base/pem.h"
#include "base/secret.h"

#define KEY_FILE_BYTES (64 * 1024)
#define RSA_BITS_MIN   2048
/* As of peers (base/tls_verify.c): one of 15,360 signs six times a second. */
#define RSA_BITS_MAX 4096
#define DEMO_MARK    "Provbox demo, not for production"

/* security: never ask at a terminal. */
static int refuse_passphrase(char *buffer, int size, int is_writing, void *arg)
{
	(void)buffer, (void)size, (void)is_writing, (void)arg;
	return -1;
}

/* P-256 first of all: it signs 13 times as often per second as RSA-2048. */
static bool is_accepted(const EVP_PKEY *key)
{
	char group[32] = "";

	if (EVP_PKEY_is_a(key, "EC"))
		return EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
		       (strcmp(group, "prime256v1") == 0 ||
			strcmp(group, "secp384r1") == 0);
	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
		       EVP_PKEY_get_bits(key) <= RSA_BITS_MAX;
	return EVP_PKEY_is_a(key, "ED25519") == 1;
}

static EVP_PKEY *parse_key(const struct secret *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, NULL)
		    : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

EVP_PKEY *keys_load(const char *path, char *why, size_t why_size)
{
	struct secret pem;
	EVP_PKEY *key = NULL;

	if (!secret_read(path, KEY_FILE_BYTES, &pem, why, why_size))
		goto done;
	key = parse_key(&pem);
	if (!key) {
		const char *mistake = pem_mistake(path, PEM_KEY);
		snprintf(why, why_size, "%s: no unencrypted private key in PEM form%s",
			 path,
			 *mistake ? mistake
				  : "; an encrypted one is opened with: openssl pkey "
				    "-in FILE -out NEW");
	} else if (!is_accepted(key)) {
		snprintf(why, why_size,
			 "%s: the key, %s of %d bits, is none of EC P-256, EC P-384, "
			 "Ed25519, and RSA of %d to %d bits; have a certificate made "
			 "for another",
			 path, EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key),
			 RSA_BITS_MIN, RSA_BITS_MAX);
		EVP_PKEY_free(key);
		key = NULL;
	}
done:
	secret_free(&pem);
	return key;
}

static bool is_marked(const X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1;

	while ((at = X509_NAME_get_index_by_NID(subject, NID_organizationName, at)) >=
	       0) {
		unsigned char *text = NULL;
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
		int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
		bool is_mark = n >= 0 &&
			       slice_eq(slice_make(text, (size_t)n), SLICE(DEMO_MARK));
		OPENSSL_free(text);
		if (is_mark)
			return true;
	}
	return false;
}

static bool are_demo(const char *trust_path)
{
	BIO *bio = BIO_new_file(files_path(trust_path), "r");
	X509 *certificate = NULL;
	bool is_demo = false;

	while (bio && !is_demo &&
	       (certificate = PEM_read_bio_X509(bio, NULL, refuse_passphrase, NULL))) {
		is_demo = is_marked(certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error();
	return is_demo;
}

bool keys_check_demo(const char *key, const char *trust_path, FILE *errors)
{
	if (!trust_path || !are_demo(trust_path))
		return true;
	fprintf(errors,
		"%s: %s is marked for demonstration; use anchors of your own or set "
		"demo = yes\n",
		key, trust_path);
	return false;
}
