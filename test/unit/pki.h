/*
 * A certificate authority for one test: makes certificates, revokes them, and writes
 * everything as PEM files into a directory of its own. Nothing of it is kept.
 *
 *	struct pki *pki = pki_new("Airnet");
 *	struct pki_leaf leaf = pki_issue(pki, "handset", &(struct pki_options){ ... });
 *	pki_write_crl(pki, 3600);
 */
#ifndef TEST_UNIT_PKI_H
#define TEST_UNIT_PKI_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/unit/test.h"

#define PKI_LEAVES 24

struct pki_leaf {
	X509 *cert;
	EVP_PKEY *key;
	char *path; /* PEM of the certificate */
	bool is_revoked;
};

struct pki {
	char dir[32];
	char *ca_path, *crl_path;
	X509 *ca;
	EVP_PKEY *key;
	struct pki_leaf leaves[PKI_LEAVES];
	size_t n_leaves;
};

struct pki_options {
	const char *san;   /* as in "DNS:example.com,IP:127.0.0.1"; NULL: none */
	const char *eku;   /* as in "clientAuth"; NULL: none */
	long from_s, to_s; /* from now; 0, 0: valid for an hour */
	const struct pki_leaf *issuer; /* an intermediate; NULL: the CA itself */
	bool is_ca;
	EVP_PKEY *key; /* taken; NULL: a new one of P-256 */
};

static inline void pki_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
	CU_ASSERT_PTR_NOT_NULL_FATAL(extension);
	CU_ASSERT_FATAL(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

/* An unsigned certificate, of a new P-256 key unless there is one. */
static inline X509 *pki_draft(const char *name, long serial, EVP_PKEY **key)
{
	X509 *cert = X509_new();

	if (!*key)
		*key = EVP_EC_gen("P-256");
	CU_ASSERT_FATAL(cert && *key);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_pubkey(cert, *key);
	return cert;
}

/* Make the file, or append to it. */
static inline void pki_write_cert(const char *path, X509 *cert)
{
	FILE *file = fopen(path, "a");

	CU_ASSERT_FATAL(file && PEM_write_X509(file, cert) == 1);
	fclose(file);
}

static inline char *pki_path(const struct pki *pki, const char *name)
{
	char *path;

	CU_ASSERT_FATAL(asprintf(&path, "%s/%s.pem", pki->dir, name) > 0);
	return path;
}

static inline struct pki *pki_new(const char *name)
{
	struct pki *pki = calloc(1, sizeof(*pki));

	CU_ASSERT_PTR_NOT_NULL_FATAL(pki);
	snprintf(pki->dir, sizeof(pki->dir), "/tmp/provbox-pki-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(pki->dir));
	pki->ca_path = pki_path(pki, "ca");
	pki->crl_path = pki_path(pki, "crl");
	pki->ca = pki_draft(name, 1, &pki->key);
	X509_set_issuer_name(pki->ca, X509_get_subject_name(pki->ca));
	X509_gmtime_adj(X509_getm_notBefore(pki->ca), -86400);
	X509_gmtime_adj(X509_getm_notAfter(pki->ca), 86400);
	pki_extend(pki->ca, pki->ca, NID_basic_constraints, "critical,CA:TRUE");
	pki_extend(pki->ca, pki->ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	CU_ASSERT_FATAL(X509_sign(pki->ca, pki->key, EVP_sha256()) > 0);
	pki_write_cert(pki->ca_path, pki->ca);
	return pki;
}

/** Borrowed for the life of @p pki. */
static inline struct pki_leaf *pki_issue(struct pki *pki, const char *name,
					 const struct pki_options *options)
{
	struct pki_leaf *leaf = &pki->leaves[pki->n_leaves++];
	X509 *issuer = options->issuer ? options->issuer->cert : pki->ca;

	CU_ASSERT_FATAL(pki->n_leaves <= PKI_LEAVES);
	leaf->path = pki_path(pki, name);
	leaf->key = options->key;
	leaf->cert = pki_draft(name, (long)pki->n_leaves + 1, &leaf->key);
	X509_set_issuer_name(leaf->cert, X509_get_subject_name(issuer));
	X509_gmtime_adj(X509_getm_notBefore(leaf->cert),
			options->to_s ? options->from_s : -3600);
	X509_gmtime_adj(X509_getm_notAfter(leaf->cert),
			options->to_s ? options->to_s : 3600);
	if (options->is_ca)
		pki_extend(leaf->cert, issuer, NID_basic_constraints,
			   "critical,CA:TRUE");
	if (options->san)
		pki_extend(leaf->cert, issuer, NID_subject_alt_name, options->san);
	if (options->eku)
		pki_extend(leaf->cert, issuer, NID_ext_key_usage, options->eku);
	CU_ASSERT_FATAL(X509_sign(leaf->cert,
				  options->issuer ? options->issuer->key : pki->key,
				  EVP_sha256()) > 0);
	pki_write_cert(leaf->path, leaf->cert);
	return leaf;
}

/** Write the CRL of all leaves that are revoked; it ends @p valid_s from now. */
static inline void pki_write_crl(struct pki *pki, long valid_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *now = X509_gmtime_adj(NULL, -60),
		  *end = X509_gmtime_adj(NULL, valid_s);
	FILE *file = fopen(pki->crl_path, "w");

	CU_ASSERT_FATAL(crl && now && end && file);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki->ca));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, end);
	for (size_t i = 0; i < pki->n_leaves; i++) {
		X509_REVOKED *entry;

		if (!pki->leaves[i].is_revoked)
			continue;
		entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(
			entry, X509_get_serialNumber(pki->leaves[i].cert));
		X509_REVOKED_set_revocationDate(entry, now);
		X509_CRL_add0_revoked(crl, entry);
	}
	CU_ASSERT_FATAL(X509_CRL_sign(crl, pki->key, EVP_sha256()) > 0);
	CU_ASSERT_FATAL(PEM_write_X509_CRL(file, crl) == 1);
	fclose(file);
	ASN1_TIME_free(now);
	ASN1_TIME_free(end);
	X509_CRL_free(crl);
}

/** Remove the files and free everything. */
static inline void pki_free(struct pki *pki)
{
	for (size_t i = 0; i < pki->n_leaves; i++) {
		unlink(pki->leaves[i].path);
		free(pki->leaves[i].path);
		X509_free(pki->leaves[i].cert);
		EVP_PKEY_free(pki->leaves[i].key);
	}
	unlink(pki->ca_path);
	unlink(pki->crl_path);
	free(pki->ca_path);
	free(pki->crl_path);
	rmdir(pki->dir);
	X509_free(pki->ca);
	EVP_PKEY_free(pki->key);
	free(pki);
}

#endif
