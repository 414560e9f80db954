#include "auth/auth.h"
#include "base/time.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "auth/signing.h"
#include "base/files.h"
#include "base/log.h"

/* Locked memory for the secret numbers of keys, between guard pages; over what
 * KEYRING_KEYS_MAX keys of RSA-4096 take with what signing needs. */
#define SECURE_BYTES     (256 * 1024)
#define SECURE_MIN_BYTES 16
#define QUIET_MS         1000 /* between two lines about refusals */

struct held_key {
	EVP_PKEY *key;
	const char *type;           /* of its algorithm; the key's */
	char group[32];             /* "": has none */
	uint8_t spki[SHA256_BYTES]; /* what names it */
	enum tls_role role;
	bool is_tls12;
	/* Ready to sign by the scheme that was asked for last, NULL: by none. Finding
	 * the algorithms costs a sixth of a signature. */
	EVP_MD_CTX *ready;
	const struct signing_scheme *ready_for;
};

struct keyring {
	struct held_key keys[KEYRING_KEYS_MAX];
	size_t n;
	int64_t quiet_until_ms;
};

/* ---- Loading ---- */

static X509 *read_leaf(const char *path)
{
	BIO *bio = BIO_new_file(files_path(path), "r");
	X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return leaf;
}

static bool load_key(struct held_key *held, const struct keyring_key *from, char *why,
		     size_t why_size)
{
	X509 *leaf = NULL;
	bool is_loaded = false;

	held->role = from->role;
	held->is_tls12 = from->tls12;
	held->key = keys_load(from->key_path, why, why_size);
	if (!held->key)
		return false;
	held->type = EVP_PKEY_get0_type_name(held->key);
	(void)EVP_PKEY_get_group_name(held->key, held->group, sizeof(held->group),
				      NULL);
	leaf = read_leaf(from->chain_path);
	if (!leaf)
		snprintf(why, why_size, "%s: holds no certificate in PEM form",
			 from->chain_path);
	else if (X509_check_private_key(leaf, held->key) != 1)
		snprintf(why, why_size, "%s: the private key %s does not belong to it",
			 from->chain_path, from->key_path);
	else
		is_loaded = tls_spki_hash(leaf, held->spki);
	X509_free(leaf);
	ERR_clear_error();
	return is_loaded;
}

struct keyring *keyring_load(const struct keyring_key *keys, size_t n,
			     const char **name, char *why, size_t why_size)
{
	struct keyring *keyring = calloc(1, sizeof(*keyring));

	BUG_ON(!keyring || n > KEYRING_KEYS_MAX);
	/* Where memory may not be locked, keys are held like anything else. */
	(void)CRYPTO_secure_malloc_init(SECURE_BYTES, SECURE_MIN_BYTES);
	for (; keyring->n < n; keyring->n++)
		if (!load_key(&keyring->keys[keyring->n], &keys[keyring->n], why,
			      why_size)) {
			*name = keys[keyring->n].name;
			keyring->n++; /* it may hold a key */
			keyring_free(keyring);
			return NULL;
		}
	return keyring;
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	for (size_t i = 0; i < keyring->n; i++) {
		EVP_MD_CTX_free(keyring->keys[i].ready);
		EVP_PKEY_free(keyring->keys[i].key); /* wipes */
	}
	free(keyring);
}

/* ---- Signing ---- */

static struct held_key *find_key(struct keyring *keyring,
				 const uint8_t spki[SHA256_BYTES])
{
	for (size_t i = 0; i < keyring->n; i++)
		if (memcmp(keyring->keys[i].spki, spki, SHA256_BYTES) == 0)
			return &keyring->keys[i];
	return NULL;
}

/* Whether the key can sign by the scheme where the input says that it is used. */
static bool is_fitting(const struct held_key *held, const struct signing_scheme *scheme,
		       enum signing_form form)
{
	if (strcmp(held->type, scheme->key_type) != 0)
		return false;
	if (form == SIGNING_FORM_TLS12)
		return held->is_tls12;
	if (form != SIGNING_FORM_TLS13 || !scheme->is_tls13)
		return false;
	return !scheme->group || strcmp(held->group, scheme->group) == 0;
}

/* Returns NULL when the key cannot. */
static EVP_MD_CTX *context_new(EVP_PKEY *key, const struct signing_scheme *scheme)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *context; /* of md */

	BUG_ON(!md);
	if (EVP_DigestSignInit_ex(md, &context, scheme->digest, NULL, NULL, key,
				  NULL) == 1 &&
	    (!scheme->is_pss ||
	     (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
	      EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1)))
		return md;
	EVP_MD_CTX_free(md);
	return NULL;
}

static void make_ready(struct held_key *held, const struct signing_scheme *scheme)
{
	if (held->ready && held->ready_for == scheme)
		return;
	EVP_MD_CTX_free(held->ready);
	held->ready = context_new(held->key, scheme);
	held->ready_for = scheme;
}

static ssize_t sign(struct held_key *held, const struct signing_question *question,
		    uint8_t *out, size_t cap)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t n = cap;

	BUG_ON(!md);
	make_ready(held, question->scheme);
	bool is_signed = held->ready && EVP_MD_CTX_copy_ex(md, held->ready) == 1;
	/* It signs once, so that OpenSSL need not sign with another copy. */
	EVP_MD_CTX_set_flags(md, EVP_MD_CTX_FLAG_FINALISE);
	is_signed = is_signed &&
		    EVP_DigestSign(md, out, &n, (const uint8_t *)question->input.p,
				   question->input.n) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return is_signed ? (ssize_t)n : -1;
}

/* Nobody honest is refused; one who is not shall not fill the log. */
static ssize_t refuse(struct keyring *keyring, const char *why)
{
	int64_t now_ms = time_monotonic_ms();

	if (now_ms >= keyring->quiet_until_ms) {
		keyring->quiet_until_ms = now_ms + QUIET_MS;
		log_warn("signature_refused", log_str("why", why));
	}
	return -1;
}

ssize_t keyring_answer(void *arg, struct slice question, uint8_t *answer, size_t cap)
{
	struct keyring *keyring = arg;
	struct signing_question asked;

	if (!signing_question_decode(question, &asked))
		return refuse(keyring, "malformed");
	struct held_key *held = find_key(keyring, asked.spki);
	if (!held)
		return refuse(keyring, "not_our_key");
	enum signing_form form = signing_form_of(asked.input, held->role);
	if (form == SIGNING_FORM_NONE)
		return refuse(keyring, "no_handshake");
	if (!is_fitting(held, asked.scheme, form))
		return refuse(keyring, "wrong_scheme");
	return sign(held, &asked, answer, cap);
}
