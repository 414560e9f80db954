#include "contrib/handset/load_fleet.h"

#include <errno.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/progress.h"
#include "contrib/handset/complain.h"
#include "contrib/handset/device_certificate.h"
#include "contrib/handset/factory.h"
#include "contrib/handset/storage.h"
#include "contrib/handset/words.h"

#define FOLDER      "devices"
#define IMPORT_FILE "devices.csv"

void load_fleet_identity(unsigned serial, struct load_identity *out)
{
	device_certificate_dev(serial, out->dev);
	snprintf(out->number, sizeof(out->number), "+999%09u", serial);
	snprintf(out->key_file, sizeof(out->key_file), FOLDER "/%06u.key", serial);
	snprintf(out->chain_file, sizeof(out->chain_file), FOLDER "/%06u.crt", serial);
}

/* ---- Certificates ---- */

/* For a test, so not forced to disk, which a real device's key deserves. */
static bool write_file(const char *path, BIO *bio, mode_t mode)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	return storage_put(path, slice_make(p, (size_t)n), mode) ||
	       complain(path, strerror(errno));
}

static bool write_device(const struct load_identity *identity,
			 const struct device_certificate *device)
{
	BIO *secret = BIO_new(BIO_s_secmem()), *bio = BIO_new(BIO_s_mem());
	bool ok = secret && bio &&
		  PEM_write_bio_PrivateKey(secret, device->key, NULL, NULL, 0, NULL,
					   NULL) &&
		  PEM_write_bio_X509(bio, device->certificate) &&
		  write_file(identity->key_file, secret, 0600) &&
		  write_file(identity->chain_file, bio, 0644);

	BIO_free(secret);
	BIO_free(bio);
	return ok;
}

static bool make_device(const struct device_certificate *authority, unsigned serial)
{
	struct load_identity identity;
	struct device_certificate device;

	load_fleet_identity(serial, &identity);
	if (!device_certificate_make(&device, authority, serial))
		return complain(identity.dev, "its certificate could not be made");
	bool ok = write_device(&identity, &device);
	device_certificate_free(&device);
	return ok;
}

static bool load_authority(const struct options *options,
			   struct device_certificate *out)
{
	char why[256];
	FILE *file = fopen(options->authority, "r");

	*out = (struct device_certificate){ 0 };
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

static bool make_devices(const struct device_certificate *authority, unsigned first,
			 unsigned n)
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
	struct device_certificate authority = { 0 };
	unsigned first = (unsigned)options->first, n = (unsigned)options->count;

	if (options->first + options->count - 1 > DEVICE_SERIAL_MAX) {
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
	device_certificate_free(&authority);
	return ok ? 0 : outcome_exit_status(OUTCOME_FAILED);
}
