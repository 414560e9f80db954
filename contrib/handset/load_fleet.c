#include "contrib/handset/load_fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "contrib/handset/factory.h"
#include "contrib/handset/storage.h"
#include "contrib/handset/words.h"

#define TYPE_ALLOCATION 35209900 /* of every identifier, and no real device's */
#define FOLDER          "devices"
#define IMPORT_FILE     "devices.csv"
#define VALID_S         (365 * 86400L)
#define BACKDATED_S     3600 /* clocks of a test site may differ */

void load_fleet_identity(unsigned serial, struct load_identity *out)
{
	snprintf(out->dev, sizeof(out->dev), "urn:gsma:imei:%u-%06u-0", TYPE_ALLOCATION,
		 serial);
	snprintf(out->number, sizeof(out->number), "+999%09u", serial);
	snprintf(out->key_file, sizeof(out->key_file), FOLDER "/%06u.key", serial);
	snprintf(out->chain_file, sizeof(out->chain_file), FOLDER "/%06u.crt", serial);
}

static bool complain(const char *what, const char *why)
{
	fprintf(stderr, "handset: %s: %s\n", what, why);
	return false;
}

/* ---- Certificates ---- */

struct issuer {
	X509 *certificate;
	EVP_PKEY *key;
};

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool fill(X509 *certificate, const struct issuer *authority, EVP_PKEY *key,
		 unsigned serial, const char *dev)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	char san[AUTH_DEV_CHARS + 8];

	snprintf(san, sizeof(san), "URI:%s", dev);
	return X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)serial + 1) ==
		       1 &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATED_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
	       X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)"load test", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(certificate,
				    X509_get_subject_name(authority->certificate)) ==
		       1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       add_extension(certificate, authority->certificate, NID_basic_constraints,
			     "critical,CA:FALSE") &&
	       add_extension(certificate, authority->certificate, NID_key_usage,
			     "critical,digitalSignature") &&
	       add_extension(certificate, authority->certificate, NID_ext_key_usage,
			     "clientAuth") &&
	       add_extension(certificate, authority->certificate,
			     NID_authority_key_identifier, "keyid") &&
	       add_extension(certificate, authority->certificate, NID_subject_alt_name,
			     san) &&
	       X509_sign(certificate, authority->key, EVP_sha256()) > 0;
}

/* For a test, so without the fsync() that a real device's key deserves. */
static bool write_file(const char *path, BIO *bio, mode_t mode)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool ok = fd >= 0 && write(fd, p, (size_t)n) == n;

	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	return ok || complain(path, strerror(errno));
}

static bool write_device(const struct load_identity *identity, X509 *certificate,
			 EVP_PKEY *key)
{
	BIO *secret = BIO_new(BIO_s_secmem()), *bio = BIO_new(BIO_s_mem());
	bool ok = secret && bio &&
		  PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) &&
		  PEM_write_bio_X509(bio, certificate) &&
		  write_file(identity->key_file, secret, 0600) &&
		  write_file(identity->chain_file, bio, 0644);

	BIO_free(secret);
	BIO_free(bio);
	return ok;
}

static bool make_device(const struct issuer *authority, unsigned serial)
{
	struct load_identity identity;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	load_fleet_identity(serial, &identity);
	bool ok = (key && certificate &&
		   fill(certificate, authority, key, serial, identity.dev)) ||
		  complain(identity.dev, "its certificate could not be made");
	ok = ok && write_device(&identity, certificate, key);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return ok;
}

static bool load_authority(const struct options *options, struct issuer *out)
{
	char why[256];
	FILE *file = fopen(options->authority, "r");

	*out = (struct issuer){ 0 };
	if (!file)
		return complain(options->authority, strerror(errno));
	out->certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	if (!out->certificate)
		return complain(options->authority, "holds no certificate");
	out->key = keys_load(options->authority_key, why, sizeof(why));
	if (!out->key) {
		fprintf(stderr, "handset: %s\n", why);
		return false;
	}
	return X509_check_private_key(out->certificate, out->key) == 1 ||
	       complain(options->authority_key, "is not the key of --authority");
}

/* ---- The fleet ---- */

static bool write_import_file(unsigned first, unsigned n)
{
	FILE *file = fopen(IMPORT_FILE, "w");

	if (!file)
		return complain(IMPORT_FILE, strerror(errno));
	fprintf(file, "dev,msisdn,model,given_name,family_name,postcode\n");
	for (unsigned i = first; i < first + n; i++) {
		struct load_identity identity;
		load_fleet_identity(i, &identity);
		fprintf(file, "%s,%s,Load,%s,%s,%s\n", identity.dev, identity.number,
			LOAD_FLEET_GIVEN_NAME, LOAD_FLEET_FAMILY_NAME,
			LOAD_FLEET_POSTCODE);
	}
	return (fflush(file) == 0 && !ferror(file) && fclose(file) == 0) ||
	       complain(IMPORT_FILE, strerror(errno));
}

static bool make_devices(const struct issuer *authority, unsigned first, unsigned n)
{
	struct progress progress;

	progress_begin(&progress, "devices made", n);
	for (unsigned i = 0; i < n; i++) {
		struct load_identity identity;
		load_fleet_identity(first + i, &identity);
		if (access(identity.chain_file, F_OK) != 0 &&
		    !make_device(authority, first + i))
			return false;
		progress_tell(&progress, i + 1);
	}
	return true;
}

static bool enter(const struct options *options)
{
	char why[256];

	if (mkdir(options->dir, 0700) != 0 && errno != EEXIST)
		return complain(options->dir, strerror(errno));
	if (!storage_open(options->dir, why, sizeof(why)))
		return complain(options->dir, why);
	if (mkdir(FOLDER, 0700) != 0 && errno != EEXIST)
		return complain(FOLDER, strerror(errno));
	return true;
}

int load_fleet_make(const struct options *options)
{
	struct options common = *options;
	struct load_identity identity;
	struct issuer authority = { 0 };
	unsigned first = (unsigned)options->first, n = (unsigned)options->count;

	if (options->first + options->count - 1 > LOAD_FLEET_MAX) {
		complain("--first and --count", "there are no serials over 999999");
		return outcome_exit_status(OUTCOME_USAGE);
	}
	load_fleet_identity(first, &identity);
	common.dev = identity.dev;
	common.number = identity.number;
	common.model = "Load";
	bool ok = enter(options) && factory_write_config(&common) &&
		  load_authority(options, &authority) &&
		  make_devices(&authority, first, n) && write_import_file(first, n);
	if (ok)
		printf("Now let the operator know them: provctl device import "
		       "%s/" IMPORT_FILE "\n",
		       options->dir);
	X509_free(authority.certificate);
	EVP_PKEY_free(authority.key);
	return ok ? 0 : outcome_exit_status(OUTCOME_FAILED);
}
