#include "base/tls_verify.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"

#define CHAIN_DEPTH (TLS_CHAIN_CAS - 1) /* intermediates between leaf and anchor */
#define PRESENTED   (TLS_CHAIN_CAS + 1) /* certificates of a chain that is remembered */
/* Of RSA alone are there longer keys. OpenSSL takes 16,384 bits, and sixteen times the
 * CPU to verify with them; under 2,048 its security level refuses. */
#define KEY_BITS_MAX 4096

/* Lives as long as its SSL_CTX, which handshakes under way hold. */
struct verifier {
	enum tls_role role;
	bool accepts_stale_crl;
	int64_t (*now_s)(void);
	struct tls_memory *memory; /* NULL: none */
	/* When a revocation list begins or ends: what was right before may not be
	 * right after it. */
	int64_t *edges_s;
	size_t n_edges;
};

static int verifier_index, chain_index; /* of ex_data */

/* ---- Time ---- */

static int64_t wall_clock(void)
{
	return time_now_ms() / 1000;
}

/* What cannot be read is @p otherwise. */
static int64_t seconds_of(const ASN1_TIME *time, int64_t otherwise)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : otherwise;
}

static int64_t min_s(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max_s(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void add_edges(struct verifier *verifier, X509_STORE *store)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	int n = sk_X509_OBJECT_num(objects);

	verifier->edges_s = calloc(2 * (size_t)n + 1, sizeof(*verifier->edges_s));
	BUG_ON(!verifier->edges_s);
	for (int i = 0; i < n; i++) {
		X509_CRL *crl =
			X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		if (!crl)
			continue;
		verifier->edges_s[verifier->n_edges++] =
			seconds_of(X509_CRL_get0_lastUpdate(crl), 0);
		verifier->edges_s[verifier->n_edges++] =
			seconds_of(X509_CRL_get0_nextUpdate(crl), INT64_MAX);
	}
}

/* ---- By OpenSSL ---- */

/*
 * Runs after OpenSSL's own purpose check, which lets a leaf without an extended key
 * usage pass: here it must name the role.
 */
static int has_purpose(X509_STORE_CTX *store_ctx, uint32_t usage)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(store_ctx);

	if (X509_STORE_CTX_get_error_depth(store_ctx) != 0)
		return 1;
	if ((X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) &&
	    (X509_get_extended_key_usage(cert) & usage))
		return 1;
	X509_STORE_CTX_set_error(store_ctx, X509_V_ERR_INVALID_PURPOSE);
	return 0;
}

static const struct verifier *verifier_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), verifier_index);
}

static SSL *connection_of(X509_STORE_CTX *store_ctx)
{
	return X509_STORE_CTX_get_ex_data(store_ctx,
					  SSL_get_ex_data_X509_STORE_CTX_idx());
}

/* F20: what an old list revokes is still revoked, where the operator wants that. */
static int verify_one(int ok, X509_STORE_CTX *store_ctx)
{
	const struct verifier *verifier = verifier_of(connection_of(store_ctx));

	if (!ok && verifier->accepts_stale_crl &&
	    X509_STORE_CTX_get_error(store_ctx) == X509_V_ERR_CRL_HAS_EXPIRED) {
		X509_STORE_CTX_set_error(store_ctx, X509_V_OK);
		return 1;
	}
	return ok &&
	       has_purpose(store_ctx, verifier->role == TLS_SERVER ? XKU_SSL_CLIENT
								   : XKU_SSL_SERVER);
}

/* One of our own, with all that libssl has put into @p asked. */
static X509_STORE_CTX *copy_store_ctx(X509_STORE_CTX *asked, int64_t now_s)
{
	X509_STORE_CTX *own = X509_STORE_CTX_new();
	SSL *ssl = connection_of(asked);

	if (own &&
	    X509_STORE_CTX_init(own, X509_STORE_CTX_get0_store(asked),
				X509_STORE_CTX_get0_cert(asked),
				X509_STORE_CTX_get0_untrusted(asked)) == 1 &&
	    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(own),
				   X509_STORE_CTX_get0_param(asked)) == 1 &&
	    X509_STORE_CTX_set_ex_data(own, SSL_get_ex_data_X509_STORE_CTX_idx(),
				       ssl) == 1) {
		X509_STORE_CTX_set_verify_cb(own, verify_one);
		X509_STORE_CTX_set_time(own, 0, now_s);
		return own;
	}
	X509_STORE_CTX_free(own);
	return NULL;
}

/* ---- What was learnt ---- */

/* A verified chain, and the time in which it is one. */
struct verdict {
	struct tls_chain chain;
	int64_t from_s, until_s;
};

static bool read_verdict(const struct verifier *verifier, const STACK_OF(X509) *certs,
			 int64_t now_s, struct verdict *out)
{
	int n = sk_X509_num(certs);

	*out = (struct verdict){ .from_s = 0, .until_s = INT64_MAX };
	for (int i = 0; i < n; i++) {
		const X509 *cert = sk_X509_value(certs, i);
		struct tls_chain *chain = &out->chain;

		out->from_s = max_s(out->from_s,
				    seconds_of(X509_get0_notBefore(cert), INT64_MAX));
		out->until_s =
			min_s(out->until_s, seconds_of(X509_get0_notAfter(cert), 0));
		if (i == 0)
			continue;
		if (chain->n_cas == TLS_CHAIN_CAS ||
		    !tls_spki_hash(cert, chain->cas[chain->n_cas++]))
			return false;
	}
	for (size_t i = 0; i < verifier->n_edges; i++)
		if (verifier->edges_s[i] > now_s)
			out->until_s = min_s(out->until_s, verifier->edges_s[i]);
	return true;
}

/*
 * Whether the peer has shown the chain that was verified and nothing more: who may add
 * what he likes could have one chain remembered a million times.
 */
static bool is_shown_exactly(const STACK_OF(X509) *presented,
			     const STACK_OF(X509) *verified)
{
	if (sk_X509_num(presented) > sk_X509_num(verified))
		return false;
	for (int i = 0; i < sk_X509_num(presented); i++)
		if (X509_cmp(sk_X509_value(presented, i), sk_X509_value(verified, i)))
			return false;
	return true;
}

/* Every certificate that the peer has shown, in order. */
static bool key_of(const STACK_OF(X509) *presented, uint8_t key[SHA256_BYTES])
{
	uint8_t digests[PRESENTED][SHA256_BYTES];
	int n = sk_X509_num(presented);

	if (n < 1 || n > PRESENTED)
		return false;
	for (int i = 0; i < n; i++)
		if (X509_digest(sk_X509_value(presented, i), EVP_sha256(), digests[i],
				NULL) != 1)
			return false;
	sha256(slice_make(digests, (size_t)n * SHA256_BYTES), key);
	return true;
}

static bool attach_chain(SSL *ssl, const struct tls_chain *chain)
{
	struct tls_chain *copy = SSL_get_ex_data(ssl, chain_index);

	if (!copy) {
		copy = malloc(sizeof(*copy));
		BUG_ON(!copy);
		if (SSL_set_ex_data(ssl, chain_index, copy) != 1) {
			free(copy);
			return false;
		}
	}
	*copy = *chain;
	return true;
}

const struct tls_chain *tls_verify_chain(SSL *ssl)
{
	return SSL_get_ex_data(ssl, chain_index);
}

void tls_verify_forget(SSL *ssl)
{
	free(SSL_get_ex_data(ssl, chain_index));
	(void)SSL_set_ex_data(ssl, chain_index, NULL);
}

/* ---- The verification ---- */

static bool verify_anew(const struct verifier *verifier, X509_STORE_CTX *asked,
			const uint8_t *key, int64_t now_s)
{
	X509_STORE_CTX *own = copy_store_ctx(asked, now_s);
	struct verdict verdict;

	if (!own) {
		X509_STORE_CTX_set_error(asked, X509_V_ERR_OUT_OF_MEM);
		return false;
	}
	bool is_good = X509_verify_cert(own) == 1;
	X509_STORE_CTX_set_error(asked, X509_STORE_CTX_get_error(own));
	X509_STORE_CTX_set_error_depth(asked, X509_STORE_CTX_get_error_depth(own));
	if (is_good) {
		const STACK_OF(X509) *certs = X509_STORE_CTX_get0_chain(own);
		is_good = read_verdict(verifier, certs, now_s, &verdict) &&
			  attach_chain(connection_of(asked), &verdict.chain);
		if (!is_good)
			X509_STORE_CTX_set_error(asked, X509_V_ERR_CERT_CHAIN_TOO_LONG);
		else if (key && verdict.chain.n_cas > 0 &&
			 is_shown_exactly(X509_STORE_CTX_get0_untrusted(asked), certs))
			tls_memory_keep(verifier->memory, key, &verdict.chain,
					verdict.from_s, verdict.until_s, now_s);
	}
	X509_STORE_CTX_free(own);
	return is_good;
}

static bool are_keys_bearable(const STACK_OF(X509) *presented)
{
	for (int i = 0; i < sk_X509_num(presented); i++) {
		EVP_PKEY *key = X509_get0_pubkey(sk_X509_value(presented, i));
		if (key && EVP_PKEY_get_bits(key) > KEY_BITS_MAX)
			return false;
	}
	return true;
}

static int verify(X509_STORE_CTX *asked, void *arg)
{
	const struct verifier *verifier = arg;
	const int64_t now_s = verifier->now_s();
	uint8_t key[SHA256_BYTES];
	struct tls_chain chain;

	if (!are_keys_bearable(X509_STORE_CTX_get0_untrusted(asked))) {
		X509_STORE_CTX_set_error(asked, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	if (!verifier->memory || !key_of(X509_STORE_CTX_get0_untrusted(asked), key))
		return verify_anew(verifier, asked, NULL, now_s);
	if (!tls_memory_find(verifier->memory, key, now_s, &chain))
		return verify_anew(verifier, asked, key, now_s);
	X509_STORE_CTX_set_error(asked, X509_V_OK);
	if (attach_chain(connection_of(asked), &chain))
		return 1;
	X509_STORE_CTX_set_error(asked, X509_V_ERR_OUT_OF_MEM);
	return 0;
}

/* ---- Contexts ---- */

static void free_verifier(void *parent, void *item, CRYPTO_EX_DATA *data, int index,
			  long argl, void *argp)
{
	struct verifier *verifier = item;

	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	if (!verifier)
		return;
	tls_memory_free(verifier->memory);
	free(verifier->edges_s);
	free(verifier);
}

static void free_chain(void *parent, void *item, CRYPTO_EX_DATA *data, int index,
		       long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	free(item);
}

static bool have_indices(void)
{
	if (verifier_index == 0)
		verifier_index =
			SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_verifier);
	if (chain_index == 0)
		chain_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_chain);
	return verifier_index > 0 && chain_index > 0;
}

bool tls_verify_install(SSL_CTX *ssl_ctx, const struct tls_settings *settings)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);
	struct verifier *verifier = calloc(1, sizeof(*verifier));

	/* The name is no part of what is remembered. */
	BUG_ON(!verifier || (settings->role == TLS_CLIENT && settings->n_remembered));
	verifier->role = settings->role;
	verifier->accepts_stale_crl = settings->accepts_stale_crl;
	verifier->now_s = settings->now_s ? settings->now_s : wall_clock;
	if (settings->n_remembered)
		verifier->memory =
			tls_memory_new(settings->n_remembered, settings->memory_metric);
	add_edges(verifier, SSL_CTX_get_cert_store(ssl_ctx));
	if (!have_indices() ||
	    SSL_CTX_set_ex_data(ssl_ctx, verifier_index, verifier) != 1) {
		free_verifier(NULL, verifier, NULL, 0, 0, NULL);
		return false;
	}
	SSL_CTX_set_verify_depth(ssl_ctx, CHAIN_DEPTH);
	SSL_CTX_set_verify(ssl_ctx,
			   settings->role == TLS_SERVER
				   ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
				   : SSL_VERIFY_PEER,
			   NULL);
	SSL_CTX_set_cert_verify_callback(ssl_ctx, verify, verifier);
	if (settings->role == TLS_CLIENT)
		X509_VERIFY_PARAM_set_hostflags(param, TLS_VERIFY_NAME_FLAGS);
	return true;
}
