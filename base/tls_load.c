#include "base/tls_load.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "base/pem.h"

/* Where a failure is told. */
struct why {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void because(struct why *why,
							  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, why->size, format, args);
	va_end(args);
}

/* The first reason that OpenSSL gave, for people. */
static const char *ssl_reason(void)
{
	unsigned long error = ERR_peek_error();
	const char *reason = ERR_reason_error_string(error);

	/* For a file that cannot be opened it is errno. */
	if (ERR_SYSTEM_ERROR(error))
		return strerror(ERR_GET_REASON(error));
	return reason ? reason : "unknown";
}

static void infos_free(STACK_OF(X509_INFO) *infos)
{
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
}

/* Everything in a PEM file; NULL with the reason. */
static STACK_OF(X509_INFO) *read_pem(const char *path, struct why *why)
{
	STACK_OF(X509_INFO) *infos = NULL;
	BIO *bio;

	ERR_clear_error();
	bio = BIO_new_file(files_path(path), "r");
	if (bio)
		infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
	if (!infos)
		because(why, "%s: cannot be read: %s", path, ssl_reason());
	BIO_free(bio);
	return infos;
}

static bool has_crl(X509 *ca, const STACK_OF(X509_INFO) *crls)
{
	for (int i = 0; i < sk_X509_INFO_num(crls); i++) {
		X509_CRL *crl = sk_X509_INFO_value(crls, i)->crl;

		if (crl &&
		    X509_NAME_cmp(X509_CRL_get_issuer(crl),
				  X509_get_subject_name(ca)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
			return true;
	}
	return false;
}

static bool have_crls(const STACK_OF(X509_INFO) *cas, const STACK_OF(X509_INFO) *crls,
		      const char *path, struct why *why)
{
	for (int i = 0; i < sk_X509_INFO_num(cas); i++) {
		X509 *ca = sk_X509_INFO_value(cas, i)->x509;
		char name[256];

		if (!ca || has_crl(ca, crls))
			continue;
		X509_NAME_oneline(X509_get_subject_name(ca), name, sizeof(name));
		because(why, "%s: no CRL signed by the CA %s; add it", path, name);
		return false;
	}
	return true;
}

/* Certificates and CRLs into the store; how many certificates, or -1. */
static int add_all(X509_STORE *store, const STACK_OF(X509_INFO) *infos,
		   const char *path, struct why *why)
{
	int n = 0;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		const X509_INFO *info = sk_X509_INFO_value(infos, i);

		if ((info->x509 && !X509_STORE_add_cert(store, info->x509)) ||
		    (info->crl && !X509_STORE_add_crl(store, info->crl))) {
			because(why, "%s: %s", path, ssl_reason());
			return -1;
		}
		n += info->x509 != NULL;
	}
	return n;
}

static bool load_crls(X509_STORE *store, const STACK_OF(X509_INFO) *cas,
		      const struct tls_settings *settings, struct why *why)
{
	STACK_OF(X509_INFO) *crls;
	bool is_loaded;
	int n_certs;

	if (!settings->crl_path) {
		because(why, "%s: no CRL file is named for it", settings->trust_path);
		return false;
	}
	crls = read_pem(settings->crl_path, why);
	if (!crls)
		return false;
	is_loaded = have_crls(cas, crls, settings->crl_path, why);
	if (is_loaded) {
		n_certs = add_all(store, crls, settings->crl_path, why);
		is_loaded = n_certs == 0;
		/* What is added is trusted, and this is no file of anchors. */
		if (n_certs > 0)
			because(why, "%s: holds a certificate, not only CRLs",
				settings->crl_path);
	}
	infos_free(crls);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return is_loaded;
}

bool tls_load_trust(SSL_CTX *ssl_ctx, const struct tls_settings *settings, bool *is_crl,
		    char *text, size_t size)
{
	struct why told = { text, size }, *why = &told;
	X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
	STACK_OF(X509_INFO) *cas = read_pem(settings->trust_path, why);
	bool is_loaded = false;
	int n_certs;

	if (is_crl)
		*is_crl = false;
	if (!cas)
		return false;
	n_certs = add_all(store, cas, settings->trust_path, why);
	if (n_certs == 0)
		because(why, "%s: holds no certificate%s", settings->trust_path,
			pem_mistake(settings->trust_path, PEM_CERTIFICATE));
	else if (n_certs > 0)
		is_loaded = settings->no_crl || load_crls(store, cas, settings, why);
	if (is_crl)
		*is_crl = n_certs > 0 && !is_loaded;
	infos_free(cas);
	return is_loaded;
}

bool tls_load_identity(SSL_CTX *ssl_ctx, const struct tls_settings *settings,
		       char *text, size_t size)
{
	struct why told = { text, size }, *why = &told;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ssl_ctx,
					       files_path(settings->chain_path)) != 1) {
		because(why, "%s: %s%s", settings->chain_path, ssl_reason(),
			pem_mistake(settings->chain_path, PEM_CERTIFICATE));
		return false;
	}
	if (settings->is_refused_expired &&
	    X509_cmp_current_time(
		    X509_get0_notAfter(SSL_CTX_get0_certificate(ssl_ctx))) < 0) {
		because(why, "%s: has expired", settings->chain_path);
		return false;
	}
	if (SSL_CTX_use_PrivateKey(ssl_ctx, settings->key) != 1 ||
	    SSL_CTX_check_private_key(ssl_ctx) != 1) {
		because(why, "%s: the private key does not belong to it: %s",
			settings->chain_path, ssl_reason());
		return false;
	}
	return true;
}
