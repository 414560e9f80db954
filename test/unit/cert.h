/*
 * Keys and certificates for unit tests, made when they run. Failures end the test.
 */
#ifndef TEST_UNIT_CERT_H
#define TEST_UNIT_CERT_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "test/unit/test.h"

#define CERT_NAMES_MAX 4

struct cert_spec {
	const char *name;         /* CN */
	const char *organization; /* O, or NULL */
	EVP_PKEY *key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	bool is_ca;
	struct slice uris[CERT_NAMES_MAX]; /* SAN; up to the first without bytes */
	const char *dns;                   /* SAN, or NULL */
	int n_sans;            /* extensions with these names; 0 means one if any */
	const char *key_usage; /* as in openssl.cnf, or NULL */
	long from_s, to_s;     /* from now; both 0: an hour back, an hour ahead */
};

static inline EVP_PKEY *cert_key(const char *group)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group);

	CU_ASSERT_PTR_NOT_NULL_FATAL(key);
	return key;
}

static inline void cert_add_name(GENERAL_NAMES *names, int type, struct slice text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *string = ASN1_IA5STRING_new();

	CU_ASSERT_FATAL(ASN1_STRING_set(string, text.p, (int)text.n) == 1);
	GENERAL_NAME_set0_value(name, type, string);
	sk_GENERAL_NAME_push(names, name);
}

static inline void cert_add_sans(X509 *cert, const struct cert_spec *spec)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (int i = 0; i < CERT_NAMES_MAX && spec->uris[i].p; i++)
		cert_add_name(names, GEN_URI, spec->uris[i]);
	if (spec->dns)
		cert_add_name(names, GEN_DNS, slice_of(spec->dns));
	int n = sk_GENERAL_NAME_num(names) > 0 ? 1 : 0;
	for (n = spec->n_sans ? spec->n_sans : n; n > 0; n--)
		CU_ASSERT_FATAL(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
						  X509V3_ADD_APPEND) == 1);
	GENERAL_NAMES_free(names);
}

static inline void cert_add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CU_ASSERT_FATAL(extension && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *cert_make(const struct cert_spec *spec)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	bool is_dated = spec->from_s || spec->to_s;

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), is_dated ? spec->from_s : -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), is_dated ? spec->to_s : 3600);
	if (spec->organization)
		X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
					   (const unsigned char *)spec->organization,
					   -1, -1, 0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
				   (const unsigned char *)spec->name, -1, -1, 0);
	X509_set_issuer_name(cert, spec->issuer ? X509_get_subject_name(spec->issuer)
						: subject);
	X509_set_pubkey(cert, spec->key);
	cert_add_extension(cert, NID_basic_constraints,
			   spec->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (spec->key_usage)
		cert_add_extension(cert, NID_key_usage, spec->key_usage);
	cert_add_sans(cert, spec);
	EVP_PKEY *signer = spec->issuer_key ? spec->issuer_key : spec->key;
	CU_ASSERT_FATAL(X509_sign(cert, signer, EVP_sha256()) > 0);
	return cert;
}

/** Write certificates as one PEM file. */
static inline void cert_write(const char *path, X509 *const *certs, size_t n)
{
	BIO *bio = BIO_new_file(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(bio);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_FATAL(PEM_write_bio_X509(bio, certs[i]) == 1);
	BIO_free(bio);
}

/** Write a key as a PEM file of mode 0600. */
static inline void cert_write_key(const char *path, const EVP_PKEY *key)
{
	mode_t mask = umask(077);
	BIO *bio = BIO_new_file(path, "w");

	umask(mask);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bio);
	CU_ASSERT_FATAL(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
						      NULL) == 1);
	BIO_free(bio);
}

#endif
