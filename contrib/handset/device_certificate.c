#include "contrib/handset/device_certificate.h"

#include <openssl/x509v3.h>

#define TYPE_ALLOCATION 35209900
#define VALID_S         (365 * 86400L)
#define BACKDATED_S     3600 /* clocks of a test site may differ */

void device_certificate_dev(unsigned serial, char out[AUTH_DEV_CHARS + 1])
{
	snprintf(out, AUTH_DEV_CHARS + 1, "urn:gsma:imei:%u-%06u-0", TYPE_ALLOCATION,
		 serial);
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool add_extensions(X509 *certificate, X509 *issuer, unsigned serial)
{
	const bool is_authority = issuer == certificate;
	char dev[AUTH_DEV_CHARS + 1], san[sizeof(dev) + 4];

	device_certificate_dev(serial, dev);
	snprintf(san, sizeof(san), "URI:%s", dev);
	return add_extension(certificate, issuer, NID_basic_constraints,
			     is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	       add_extension(certificate, issuer, NID_key_usage,
			     is_authority ? "critical,digitalSignature,keyCertSign"
					  : "critical,digitalSignature") &&
	       add_extension(certificate, issuer, NID_ext_key_usage, "clientAuth") &&
	       add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, issuer, NID_authority_key_identifier,
			     "keyid") &&
	       add_extension(certificate, issuer, NID_subject_alt_name, san);
}

static bool name_subject(X509 *certificate, unsigned serial)
{
	char common_name[32];

	snprintf(common_name, sizeof(common_name), "device %u", serial);
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate),
					  NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)common_name, -1, -1,
					  0) == 1;
}

static bool fill(X509 *certificate, EVP_PKEY *key, X509 *issuer, unsigned serial)
{
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)serial + 1) ==
		       1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATED_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
	       name_subject(certificate, serial) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       add_extensions(certificate, issuer, serial);
}

bool device_certificate_make(struct device_certificate *out,
			     const struct device_certificate *authority,
			     unsigned serial)
{
	struct device_certificate made = { X509_new(), EVP_EC_gen("P-256") };

	if (!authority)
		authority = &made;
	*out = (struct device_certificate){ NULL, NULL };
	if (!made.certificate || !made.key ||
	    !fill(made.certificate, made.key, authority->certificate, serial) ||
	    X509_sign(made.certificate, authority->key, EVP_sha256()) <= 0) {
		device_certificate_free(&made);
		return false;
	}
	*out = made;
	return true;
}

void device_certificate_free(struct device_certificate *device)
{
	X509_free(device->certificate);
	EVP_PKEY_free(device->key);
	*device = (struct device_certificate){ NULL, NULL };
}
