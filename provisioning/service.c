#include "provisioning/service.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/pem.h>

#include "auth/auth.h"
#include "base/config.h"
#include "base/files.h"
#include "base/log.h"
#include "base/tls.h"
#include "provisioning/transfer.h"

#define TOKEN_CHARS 4096

static bool holds_certificate(const char *path)
{
	uint8_t unused[SHA256_BYTES];
	return path && tls_spki_hash_of_file(path, unused);
}

bool service_check(const struct service_config *config, const char *name, FILE *errors)
{
	bool is_good = true;
	if (!*config->url)
		return true;
	if (!holds_certificate(config->trust)) {
		fprintf(errors, "%s_trust: %s; name the PEM anchors of the server\n",
			name, config->trust ? "holds no certificate" : "is missing");
		is_good = false;
	}
	if (!config->certificate != !config->key) {
		fprintf(errors, "%s_%s: is missing; a certificate has a key\n", name,
			config->key ? "certificate" : "key");
		is_good = false;
	} else if (config->certificate && !holds_certificate(config->certificate)) {
		fprintf(errors, "%s_certificate: holds no certificate\n", name);
		is_good = false;
	}
	return is_good;
}

/* ---- Loading ---- */

static void wipe(struct slice text)
{
	if (text.p)
		OPENSSL_cleanse((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
}

static struct service *fail(struct service *service, const char *name, const char *key,
			    const char *why)
{
	char whole[64];
	snprintf(whole, sizeof(whole), "%s_%s", name, key);
	config_log_error(whole, why);
	wipe(service->trust);
	wipe(service->certificate);
	wipe(service->key);
	free(service);
	return NULL;
}

/* A whole small file as a string, kept for the life of the process. */
static bool read_file(const char *path, struct slice *out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(files_path(path), "r");
	ssize_t n = file ? getdelim(&text, &size, '\0', file) : -1;
	if (file)
		fclose(file);
	if (n < 0) {
		free(text);
		return false;
	}
	*out = slice_make(text, (size_t)n);
	return true;
}

/* The key is ours to use, and that of the certificate. */
static bool check_key(const struct service_config *config, char *why, size_t why_size)
{
	BIO *bio = BIO_new_file(files_path(config->certificate), "r");
	X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = keys_load(config->key, why, why_size);
	bool is_good = key && leaf && X509_check_private_key(leaf, key) == 1;
	if (key && !is_good)
		snprintf(why, why_size, "%s: is not the key of the certificate",
			 config->key);
	EVP_PKEY_free(key);
	X509_free(leaf);
	BIO_free(bio);
	return is_good;
}

/* RFC 6750, 2.1: what may stand in the field, on one line of the file. */
static char *read_token(const char *path)
{
	static const char characters[] = "abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";
	struct slice text;
	char *line = NULL;
	if (!read_file(path, &text))
		return NULL;
	struct slice token = slice_trim(text);
	while (token.n > 0 &&
	       (token.p[token.n - 1] == '\n' || token.p[token.n - 1] == '\r'))
		token.n--;
	if (token.n > 0 && token.n <= TOKEN_CHARS &&
	    strspn(token.p, characters) >= token.n &&
	    asprintf(&line, "Authorization: Bearer %.*s", (int)token.n, token.p) < 0)
		line = NULL;
	wipe(text);
	return line;
}

struct service *service_load(const struct service_config *config, const char *name)
{
	struct service *service = calloc(1, sizeof(*service));
	char why[512];
	BUG_ON(!service);
	service->url = config->url;
	service->timeout_ms = config->timeout_ms;
	if (!read_file(config->trust, &service->trust))
		return fail(service, name, "trust", strerror(errno));
	if (config->certificate) {
		if (!read_file(config->certificate, &service->certificate))
			return fail(service, name, "certificate", strerror(errno));
		if (!check_key(config, why, sizeof(why)))
			return fail(service, name, "key", why);
		if (!read_file(config->key, &service->key))
			return fail(service, name, "key", strerror(errno));
	}
	if (config->token_file) {
		service->authorization = read_token(config->token_file);
		if (!service->authorization)
			return fail(service, name, "token_file",
				    "holds no bearer token on a line of its own");
	}
	return service;
}

bool service_load_any(const struct service_config *config, const char *name,
		      void **service)
{
	*service = *config->url ? service_load(config, name) : NULL;
	return !*config->url || *service;
}

/* ---- In a call ---- */

static struct curl_blob blob(struct slice pem)
{
	return (struct curl_blob){ .data = (void *)(uintptr_t)pem.p,
				   .len = pem.n,
				   .flags = CURL_BLOB_NOCOPY };
}

void service_demand(const struct service *service, CURL *easy)
{
	struct curl_blob trust = blob(service->trust), key = blob(service->key),
			 certificate = blob(service->certificate);
	TRANSFER_SET(easy, PROTOCOLS_STR, "https");
	TRANSFER_SET(easy, FOLLOWLOCATION, 0L);
	TRANSFER_SET(easy, NOSIGNAL, 1L);
	TRANSFER_SET(easy, PROXY, "");
	TRANSFER_SET(easy, USERAGENT, "provbox-server");
	TRANSFER_SET(easy, CAINFO, NULL); /* none but ours */
	TRANSFER_SET(easy, CAPATH, NULL);
	TRANSFER_SET(easy, CAINFO_BLOB, &trust);
	TRANSFER_SET(easy, SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	if (service->certificate.p) {
		TRANSFER_SET(easy, SSLCERT_BLOB, &certificate);
		TRANSFER_SET(easy, SSLKEY_BLOB, &key);
	}
}
