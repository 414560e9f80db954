#include "contrib/bench/devices.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define TYPE_ALLOCATION 35209900 /* first part of every IMEI */
#define SERIALS         1000000  /* of one type */
#define DAY_S           86400

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool is_added;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool add_extensions(X509 *certificate, X509 *issuer, unsigned serial)
{
	char name[64];

	snprintf(name, sizeof(name), "URI:urn:gsma:imei:%u-%06u-0", TYPE_ALLOCATION,
		 serial % SERIALS);
	return add_extension(certificate, issuer, NID_basic_constraints,
			     issuer == certificate ? "critical,CA:TRUE"
						   : "critical,CA:FALSE") &&
	       add_extension(certificate, issuer, NID_key_usage,
			     "critical,digitalSignature,keyCertSign") &&
	       add_extension(certificate, issuer, NID_ext_key_usage, "clientAuth") &&
	       add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, issuer, NID_authority_key_identifier,
			     "keyid") &&
	       add_extension(certificate, issuer, NID_subject_alt_name, name);
}

bool device_make(struct device *device, X509 *issuer, EVP_PKEY *issuer_key,
		 unsigned serial)
{
	X509 *certificate = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_NAME *subject = X509_NAME_new();
	char common_name[32];

	*device = (struct device){ certificate, key };
	snprintf(common_name, sizeof(common_name), "device %u", serial);
	const bool is_made =
		certificate && key && subject &&
		X509_set_version(certificate, X509_VERSION_3) == 1 &&
		ASN1_INTEGER_set(X509_get_serialNumber(certificate),
				 (long)serial + 1) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
		X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S) &&
		X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
					   (unsigned char *)common_name, -1, -1,
					   0) == 1 &&
		X509_set_subject_name(certificate, subject) == 1 &&
		X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer)
							 : subject) == 1 &&
		X509_set_pubkey(certificate, key) == 1 &&
		add_extensions(certificate, issuer ? issuer : certificate, serial) &&
		X509_sign(certificate, issuer_key ? issuer_key : key, EVP_sha256()) > 0;
	X509_NAME_free(subject);
	return is_made;
}

static X509 *read_certificate(const char *path)
{
	FILE *file = fopen(path, "r");
	X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return certificate;
}

static EVP_PKEY *read_key(const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (file)
		fclose(file);
	return key;
}

bool devices_make(struct devices *devices, size_t n, const char *issuer_path,
		  const char *issuer_key_path)
{
	X509 *issuer = read_certificate(issuer_path);
	EVP_PKEY *issuer_key = read_key(issuer_key_path);
	bool is_made;

	devices->items = calloc(n + 1, sizeof(*devices->items));
	devices->n = 0;
	is_made = issuer && issuer_key && devices->items;
	while (is_made && devices->n < n) {
		is_made = device_make(&devices->items[devices->n], issuer, issuer_key,
				      (unsigned)devices->n);
		devices->n++;
	}
	X509_free(issuer);
	EVP_PKEY_free(issuer_key);
	if (!is_made)
		fprintf(stderr, "bench: cannot make devices under %s\n", issuer_path);
	return is_made;
}

bool device_use(const struct device *device, SSL *ssl)
{
	return ssl && SSL_use_certificate(ssl, device->certificate) == 1 &&
	       SSL_use_PrivateKey(ssl, device->key) == 1;
}
