/*
 * A key in another process, as OpenSSL wants to see it: a provider with the three types
 * of keys that we accept, which can say everything of the public half and sign one
 * message at a time. The public half itself is a key of the default provider; here is
 * only what lies between. Parameters and order of calls: provider-keymgmt(7),
 * provider-signature(7).
 */
#include "auth/signer.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define NAME        "provbox-signer"
#define PROPERTY    "provider=" NAME
#define PARAM_OWNER "provbox-owner"

/* A row of OSSL_DISPATCH. */
#define ENTRY(id, function)                      \
	{                                        \
		(id), (void (*)(void))(function) \
	}
#define END_OF_ENTRIES  \
	{               \
		0, NULL \
	}

/* ---- Keys ---- */

/* Where the private half is. */
struct owner {
	struct signer *signer;
	uint8_t spki[SHA256_BYTES];
};

struct remote_key {
	const char *type;
	EVP_PKEY *public;   /* of the default provider; NULL: not imported yet */
	struct owner owner; /* no signer: it is here to be compared */
};

static void *key_new(const char *type)
{
	struct remote_key *key = calloc(1, sizeof(*key));

	if (key)
		key->type = type;
	return key;
}

static void *ec_new(void *provider)
{
	(void)provider;
	return key_new("EC");
}

static void *ed25519_new(void *provider)
{
	(void)provider;
	return key_new("ED25519");
}

static void *rsa_new(void *provider)
{
	(void)provider;
	return key_new("RSA");
}

static void key_free(void *data)
{
	struct remote_key *key = data;

	if (!key)
		return;
	EVP_PKEY_free(key->public);
	free(key);
}

static int key_has(const void *data, int selection)
{
	const struct remote_key *key = data;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return key->owner.signer != NULL;
	return key->public != NULL;
}

static int key_match(const void *one, const void *other, int selection)
{
	const struct remote_key *a = one, *b = other;

	(void)selection; /* there is nothing but the public half to compare */
	return a->public && b->public && EVP_PKEY_eq(a->public, b->public) == 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_ptr(PARAM_OWNER, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int key_import(void *data, int selection, const OSSL_PARAM *params)
{
	struct remote_key *key = data;
	const OSSL_PARAM *owner = OSSL_PARAM_locate_const(params, PARAM_OWNER);
	EVP_PKEY_CTX *context = NULL;
	const void *given = NULL;
	size_t n;

	(void)selection; /* a private half is passed over */
	if (owner &&
	    (!OSSL_PARAM_get_octet_ptr(owner, &given, &n) || n != sizeof(key->owner)))
		return 0;
	context = EVP_PKEY_CTX_new_from_name(NULL, key->type, "provider=default");
	bool is_imported = context && EVP_PKEY_fromdata_init(context) == 1 &&
			   EVP_PKEY_fromdata(context, &key->public, EVP_PKEY_PUBLIC_KEY,
					     (OSSL_PARAM *)params) == 1;
	EVP_PKEY_CTX_free(context);
	if (is_imported && given)
		memcpy(&key->owner, given, sizeof(key->owner));
	return is_imported;
}

static int key_get_params(void *data, OSSL_PARAM *params)
{
	const struct remote_key *key = data;

	return key->public && EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return types;
}

static const char *ec_operation(int operation)
{
	(void)operation; /* signing is the only one */
	return "ECDSA";
}

#define KEY_ENTRIES(new_function)                                        \
	ENTRY(OSSL_FUNC_KEYMGMT_NEW, new_function),                      \
		ENTRY(OSSL_FUNC_KEYMGMT_FREE, key_free),                 \
		ENTRY(OSSL_FUNC_KEYMGMT_HAS, key_has),                   \
		ENTRY(OSSL_FUNC_KEYMGMT_MATCH, key_match),               \
		ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, key_import),             \
		ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types), \
		ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),     \
		ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH ec_entries[] = {
	KEY_ENTRIES(ec_new),
	ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	END_OF_ENTRIES,
};
static const OSSL_DISPATCH ed25519_entries[] = { KEY_ENTRIES(ed25519_new),
						 END_OF_ENTRIES };
static const OSSL_DISPATCH rsa_entries[] = { KEY_ENTRIES(rsa_new), END_OF_ENTRIES };
static const OSSL_ALGORITHM key_types[] = {
	{ "EC:id-ecPublicKey", PROPERTY, ec_entries, "EC key elsewhere" },
	{ "ED25519", PROPERTY, ed25519_entries, "Ed25519 key elsewhere" },
	{ "RSA:rsaEncryption", PROPERTY, rsa_entries, "RSA key elsewhere" },
	{ NULL, NULL, NULL, NULL },
};

/* ---- Signatures ---- */

struct signature {
	struct remote_key *key; /* libcrypto keeps it while it is used */
	char digest[32];
	bool is_pss;
};

static void *signature_new(void *provider, const char *properties)
{
	(void)provider, (void)properties;
	return calloc(1, sizeof(struct signature));
}

static int signature_set_params(void *data, const OSSL_PARAM *params)
{
	struct signature *signature = data;
	const OSSL_PARAM *mode =
		OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	const OSSL_PARAM *salt =
		OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	const char *text = NULL;
	int padding;

	if (mode) {
		if (!OSSL_PARAM_get_int(mode, &padding) ||
		    (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING))
			return 0;
		signature->is_pss = padding == RSA_PKCS1_PSS_PADDING;
	}
	/* As long as the digest, and no other (RFC 8446, 4.2.3). */
	return !salt || (OSSL_PARAM_get_utf8_string_ptr(salt, &text) &&
			 strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0);
}

static const OSSL_PARAM *signature_settable(void *data, void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data, (void)provider;
	return types;
}

static int signature_begin(void *data, const char *digest, void *key,
			   const OSSL_PARAM *params)
{
	struct signature *signature = data;
	int n = snprintf(signature->digest, sizeof(signature->digest), "%s",
			 digest ? digest : "");

	signature->key = key;
	/* libssl asks here which digests there are; the padding comes later. */
	return key && n >= 0 && (size_t)n < sizeof(signature->digest) &&
	       signing_scheme_find(signature->key->type, signature->digest, false) &&
	       (!params || signature_set_params(signature, params));
}

static int signature_sign(void *data, unsigned char *out, size_t *n, size_t cap,
			  const unsigned char *input, size_t input_n)
{
	const struct signature *signature = data;
	const struct remote_key *key = signature->key;
	struct signing_question question = {
		.scheme = signing_scheme_find(key->type, signature->digest,
					      signature->is_pss),
		.input = slice_make(input, input_n),
	};

	if (!out) {
		*n = (size_t)EVP_PKEY_get_size(key->public);
		return 1;
	}
	memcpy(question.spki, key->owner.spki, sizeof(question.spki));
	ssize_t size = -1;
	if (question.scheme && key->owner.signer)
		size = signer_sign(key->owner.signer, &question, out, cap);
	if (size < 0) {
		tls_raise_key_failure();
		return 0;
	}
	*n = (size_t)size;
	return 1;
}

static const OSSL_DISPATCH signature_entries[] = {
	ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
	ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, free),
	ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_begin),
	ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_sign),
	ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set_params),
	ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
	END_OF_ENTRIES,
};
static const OSSL_ALGORITHM signatures[] = {
	{ "ECDSA", PROPERTY, signature_entries, "signature elsewhere" },
	{ "ED25519", PROPERTY, signature_entries, "signature elsewhere" },
	{ "RSA:rsaEncryption", PROPERTY, signature_entries, "signature elsewhere" },
	{ NULL, NULL, NULL, NULL },
};

/* ---- The provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation,
					    int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT: return key_types;
	case OSSL_OP_SIGNATURE: return signatures;
	default: return NULL;
	}
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
			 const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH entries[] = {
		ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
		END_OF_ENTRIES,
	};

	(void)core;
	*provider = (void *)handle; /* it has no state, but must have something */
	*out = entries;
	return 1;
}

/* Once for the process, in a library of its own: where there are two providers for a
 * type of keys, OpenSSL 3.0 may remember the one that was asked for last as the one for
 * all. */
static OSSL_LIB_CTX *provider_library(void)
{
	static OSSL_LIB_CTX *library;
	OSSL_LIB_CTX *made;

	if (library)
		return library;
	made = OSSL_LIB_CTX_new();
	if (made && OSSL_PROVIDER_add_builtin(made, NAME, provider_init) == 1 &&
	    OSSL_PROVIDER_load(made, NAME))
		library = made;
	else
		OSSL_LIB_CTX_free(made);
	return library;
}

EVP_PKEY *signer_provider_key(struct signer *signer, const EVP_PKEY *public,
			      const uint8_t spki[SHA256_BYTES])
{
	struct owner owner = { .signer = signer };
	void *pointer = &owner;
	OSSL_PARAM extra[] = {
		OSSL_PARAM_octet_ptr(PARAM_OWNER, &pointer, sizeof(owner)),
		OSSL_PARAM_END,
	};
	OSSL_PARAM *params = NULL, *all = NULL;
	EVP_PKEY_CTX *context = NULL;
	EVP_PKEY *key = NULL;

	memcpy(owner.spki, spki, sizeof(owner.spki));
	OSSL_LIB_CTX *library = provider_library();
	if (!library || EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &params) != 1 ||
	    !(all = OSSL_PARAM_merge(params, extra)))
		goto done;
	context = EVP_PKEY_CTX_new_from_name(library, EVP_PKEY_get0_type_name(public),
					     PROPERTY);
	if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, all) != 1)
		key = NULL;
done:
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(all); /* borrows what is in the other two */
	OSSL_PARAM_free(params);
	return key;
}
