#include "base/tls_library.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/slice.h"

#define NAME "provbox-tls"

#define MAX_NAMES 6
#define MAX_FOUND (2 * MAX_NAMES) /* one of each name, as far as is known */

/* What is handed on of an operation, each by the first of its names: what tls.c offers,
 * and what the certificates of a chain may be signed with. Of operations that are not
 * here, everything. */
static struct kept {
	int operation;
	struct slice names[MAX_NAMES];
	OSSL_ALGORITHM found[MAX_FOUND + 1]; /* ends with one without names */
} kept[] = {
	{ .operation = OSSL_OP_CIPHER,
	  .names = { SLICE("AES-128-GCM"), SLICE("AES-256-GCM"),
		     SLICE("ChaCha20-Poly1305") } },
	/* SHA-1: of a certificate, to compare it. */
	{ .operation = OSSL_OP_DIGEST,
	  .names = { SLICE("SHA1"), SLICE("SHA2-224"), SLICE("SHA2-256"),
		     SLICE("SHA2-384"), SLICE("SHA2-512") } },
	{ .operation = OSSL_OP_MAC, .names = { SLICE("HMAC") } },
	{ .operation = OSSL_OP_KDF,
	  .names = { SLICE("TLS13-KDF"), SLICE("TLS1-PRF") } },
	/* RSA-PSS, Ed448: an anchor may have signed with one. */
	{ .operation = OSSL_OP_KEYMGMT,
	  .names = { SLICE("EC"), SLICE("RSA"), SLICE("ED25519"), SLICE("X25519"),
		     SLICE("RSA-PSS"), SLICE("ED448") } },
	{ .operation = OSSL_OP_DECODER,
	  .names = { SLICE("EC"), SLICE("RSA"), SLICE("ED25519") } },
};
#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

static OSSL_PROVIDER *whole; /* the default provider, which does all the work */

static bool is_of_public_keys(const char *properties)
{
	return strstr(properties, "input=der") &&
	       strstr(properties, "structure=SubjectPublicKeyInfo");
}

static bool is_kept(const struct kept *row, const OSSL_ALGORITHM *algorithm)
{
	struct slice names = slice_of(algorithm->algorithm_names), name;

	if (!slice_next(&names, ':', &name))
		return false;
	for (size_t i = 0; i < MAX_NAMES && row->names[i].n > 0; i++)
		if (slice_eq_nocase(name, row->names[i]))
			return row->operation != OSSL_OP_DECODER ||
			       is_of_public_keys(algorithm->property_definition);
	return false;
}

static struct kept *kept_of(int operation)
{
	for (size_t i = 0; i < N_KEPT; i++)
		if (kept[i].operation == operation)
			return &kept[i];
	return NULL;
}

/* Once, not at each of the three questions of a handshake. */
static void find(struct kept *row, const OSSL_ALGORITHM *all)
{
	size_t n = 0;

	if (row->found[0].algorithm_names)
		return;
	for (; all && all->algorithm_names; all++) {
		if (!is_kept(row, all))
			continue;
		BUG_ON(n == MAX_FOUND);
		row->found[n++] = *all;
	}
}

static const OSSL_ALGORITHM *provider_query(void *provider, int operation,
					    int *no_cache)
{
	const OSSL_ALGORITHM *all =
		OSSL_PROVIDER_query_operation(whole, operation, no_cache);
	struct kept *row = kept_of(operation);

	(void)provider;
	if (!row)
		return all;
	find(row, all);
	return row->found;
}

/* The groups of TLS are there. */
static int provider_capabilities(void *provider, const char *capability,
				 OSSL_CALLBACK *callback, void *arg)
{
	(void)provider;
	return OSSL_PROVIDER_get_capabilities(whole, capability, callback, arg);
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
			 const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH entries[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))provider_query },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES,
		  (void (*)(void))provider_capabilities },
		{ 0, NULL },
	};

	(void)handle, (void)core;
	/* Its functions are called with what they know. */
	*provider = OSSL_PROVIDER_get0_provider_ctx(whole);
	*out = entries;
	return 1;
}

static OSSL_LIB_CTX *library;
static OSSL_PROVIDER *ours; /* in it */

/* Before the default provider goes, whose random numbers it draws on. */
static void on_exit_of_process(void)
{
	OSSL_PROVIDER_unload(ours);
	OSSL_LIB_CTX_free(library);
}

OSSL_LIB_CTX *tls_library(void)
{
	OSSL_LIB_CTX *made;
	unsigned char byte;

	if (library)
		return library;
	if (!whole)
		whole = OSSL_PROVIDER_load(NULL, "default");
	made = whole ? OSSL_LIB_CTX_new() : NULL;
	/* Its random numbers are seeded now, before a process is confined. */
	if (made && OSSL_PROVIDER_add_builtin(made, NAME, provider_init) == 1 &&
	    (ours = OSSL_PROVIDER_load(made, NAME)) &&
	    RAND_bytes_ex(made, &byte, 1, 0) == 1 &&
	    RAND_priv_bytes_ex(made, &byte, 1, 0) == 1 &&
	    atexit(on_exit_of_process) == 0)
		library = made;
	else
		OSSL_LIB_CTX_free(made);
	return library;
}
