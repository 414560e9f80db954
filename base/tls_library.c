#include "base/tls_library.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/slice.h"

#define NAME "provbox-tls"

/* By the first of its names. */
static const struct slice key_types[] = { SLICE("EC"), SLICE("RSA"), SLICE("ED25519") };
#define N_KEY_TYPES  (sizeof(key_types) / sizeof(key_types[0]))
#define MAX_DECODERS (4 * N_KEY_TYPES) /* one of each, as far as is known */

static OSSL_PROVIDER *whole; /* the default provider, which does all the work */
static OSSL_ALGORITHM decoders[MAX_DECODERS + 1];

static bool is_of_public_keys(const char *properties)
{
	return strstr(properties, "input=der") &&
	       strstr(properties, "structure=SubjectPublicKeyInfo");
}

static bool is_decoder_kept(const OSSL_ALGORITHM *decoder)
{
	struct slice names = slice_of(decoder->algorithm_names), name;

	if (!slice_next(&names, ':', &name))
		return false;
	for (size_t i = 0; i < N_KEY_TYPES; i++)
		if (slice_eq_nocase(name, key_types[i]))
			return is_of_public_keys(decoder->property_definition);
	return false;
}

static const OSSL_ALGORITHM *provider_query(void *provider, int operation,
					    int *no_cache)
{
	const OSSL_ALGORITHM *all =
		OSSL_PROVIDER_query_operation(whole, operation, no_cache);
	size_t n = 0;

	(void)provider;
	if (operation != OSSL_OP_DECODER)
		return all;
	for (; all && all->algorithm_names && n < MAX_DECODERS; all++)
		if (is_decoder_kept(all))
			decoders[n++] = *all;
	decoders[n] = (OSSL_ALGORITHM){ 0 };
	return decoders;
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
