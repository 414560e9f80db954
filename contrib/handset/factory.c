#include "contrib/handset/factory.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "contrib/handset/complain.h"
#include "contrib/handset/deliver.h"
#include "contrib/handset/handset_config.h"
#include "contrib/handset/storage.h"
#include "contrib/handset/words.h"

#define PROGRAM_LIMIT (64 * 1024 * 1024) /* bytes */

/* ---- Key and certificate request ---- */

/* Whatever a PEM writer put into memory becomes a file. */
static bool write_pem(const char *path, BIO *bio, mode_t mode)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	if (n > 0 && storage_write(path, slice_make(p, (size_t)n), mode))
		return true;
	return complain(path, strerror(errno));
}

static bool write_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	bool ok = bio &&
		  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) &&
		  write_pem(HANDSET_KEY_FILE, bio, 0600);

	BIO_free(bio);
	return ok;
}

static bool add_san(X509_REQ *request, const char *dev)
{
	char text[AUTH_DEV_CHARS + 8];
	STACK_OF(X509_EXTENSION) *extensions = NULL;
	X509_EXTENSION *san;
	bool ok;

	snprintf(text, sizeof(text), "URI:%s", dev);
	san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	ok = san && X509v3_add_ext(&extensions, san, -1) &&
	     X509_REQ_add_extensions(request, extensions);
	X509_EXTENSION_free(san);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	return ok;
}

static bool write_request(EVP_PKEY *key, const char *dev)
{
	X509_REQ *request = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	X509_NAME *name = request ? X509_REQ_get_subject_name(request) : NULL;
	bool ok = bio && name &&
		  X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					     (const unsigned char *)"handset", -1, -1,
					     0) &&
		  X509_REQ_set_pubkey(request, key) && add_san(request, dev) &&
		  X509_REQ_sign(request, key, EVP_sha256()) &&
		  PEM_write_bio_X509_REQ(bio, request) &&
		  write_pem(HANDSET_CSR_FILE, bio, 0644);

	X509_REQ_free(request);
	BIO_free(bio);
	return ok;
}

static bool make_key(const char *dev)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	bool ok = key && write_key(key) && write_request(key, dev);

	EVP_PKEY_free(key);
	return ok || complain("key", "could not be made");
}

/* ---- Configuration ---- */

bool factory_write_config(const struct options *options)
{
	const struct {
		const char *key, *value;
	} lines[] = {
		{ "device", options->dev },
		{ "number", options->number },
		{ "model", options->model },
		{ "firmware", options->firmware },
		{ "language", options->language },
		{ "gateway", options->gateway },
		{ "gateway_name", options->gateway_name },
		{ "provisioning_uri", options->uri },
		{ "airnet_root", options->airnet_root },
		{ "proof_root", options->proof_root },
		{ "radio", options->radio },
		{ "care_number", options->care_number },
		{ "care_uri", options->care_uri },
	};
	struct evbuffer *text = evbuffer_new();
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!lines[i].value)
			continue;
		if (strpbrk(lines[i].value, "\"\\$\n"))
			ok = complain(lines[i].key, "has a quote, backslash or dollar");
		evbuffer_add_printf(text, "%s = \"%s\"\n", lines[i].key,
				    lines[i].value);
	}
	if (ok && !storage_write(HANDSET_CONFIG_FILE,
				 slice_make(evbuffer_pullup(text, -1),
					    evbuffer_get_length(text)),
				 0644))
		ok = complain(HANDSET_CONFIG_FILE, strerror(errno));
	evbuffer_free(text);
	return ok;
}

/* ---- Residents ---- */

static bool write_resident(const char *resident)
{
	struct slice path = slice_of(resident), id;
	char folder[STORAGE_PATH_BYTES], program[STORAGE_PATH_BYTES];
	char here[64];
	struct slice bytes;
	bool ok;

	if (!slice_next(&path, '=', &id) || !install_id_is_valid(id) || path.n == 0)
		return complain(resident, "is not ID=PROGRAM");
	snprintf(here, sizeof(here), "%.*s", (int)id.n, id.p);
	if (!storage_path(folder, "resident/%s", here) ||
	    !storage_path(program, DELIVER_RESIDENT_FORMAT, here))
		return complain(here, strerror(errno));
	bytes = storage_read(path.p, PROGRAM_LIMIT);
	ok = bytes.p && mkdir(folder, 0700) == 0 && storage_write(program, bytes, 0700);
	free((void *)bytes.p);
	return ok || complain(path.p, strerror(errno));
}

int factory_make(const struct options *options)
{
	int failed = outcome_exit_status(OUTCOME_FAILED);
	char canonical[AUTH_DEV_CHARS + 1], why[256];

	if (!identity_canonical(slice_of(options->dev), canonical) ||
	    strcmp(canonical, options->dev) != 0) {
		complain(options->dev, "is no canonical equipment identifier such as "
				       "urn:gsma:imei:35209900-176148-0");
		return outcome_exit_status(OUTCOME_USAGE);
	}
	if (!handset_config_is_number(options->number)) {
		complain(options->number, "is no number, write + and 3 to 15 digits");
		return outcome_exit_status(OUTCOME_USAGE);
	}
	if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
		complain(options->dir, strerror(errno));
		return failed;
	}
	if (!storage_open(options->dir, why, sizeof(why))) {
		complain(options->dir, why);
		return failed;
	}
	if (access(HANDSET_KEY_FILE, F_OK) == 0) {
		complain(options->dir, "is a handset already; name another --dir");
		return failed;
	}
	for (size_t i = 0; options->residents[i]; i++)
		if (!write_resident(options->residents[i]))
			return failed;
	return factory_write_config(options) && make_key(options->dev) ? 0 : failed;
}
