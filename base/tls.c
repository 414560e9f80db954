#include "base/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/log.h"
#include "base/tls_library.h"
#include "base/tls_load.h"
#include "base/tls_slim.h"
#include "base/tls_verify.h"

#define SECURITY_LEVEL 2     /* keys of 112 bits and more, also of a peer */
#define CHAIN_BYTES    16384 /* of all certificates a peer may present */
#define CIPHERS_13                                       \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
/* In TLS 1.2 they are the curves of certificates, too: a P-384 one is refused there.
 * The key exchange on it takes sixteen times the CPU, and any stranger could ask for
 * it. */
#define GROUPS "X25519:P-256"
#define SIGNATURES                           \
	"ECDSA+SHA256:ed25519:ECDSA+SHA384:" \
	"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384"

struct tls_context {
	SSL_CTX *ssl_ctx;
	enum tls_role role;
	struct tls_slim *slim;
};

/* ---- Contexts ---- */

static bool set_protocol(SSL_CTX *ssl_ctx, const struct tls_settings *settings)
{
	SSL_CTX_set_security_level(ssl_ctx, SECURITY_LEVEL);
	/* Off means all three: a resumed session would not be verified again. */
	SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					     SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_num_tickets(ssl_ctx, 0) != 1)
		return false;
	SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS |
					  SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A record's header and body in one read; conn never trusts SSL_pending(). */
	SSL_CTX_set_read_ahead(ssl_ctx, 1);
	SSL_CTX_set_max_cert_list(ssl_ctx, CHAIN_BYTES);
	return SSL_CTX_set_min_proto_version(
		       ssl_ctx, settings->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(ssl_ctx, CIPHERS_13) &&
	       SSL_CTX_set_cipher_list(ssl_ctx, CIPHERS_12) &&
	       SSL_CTX_set1_groups_list(ssl_ctx, GROUPS) &&
	       SSL_CTX_set1_sigalgs_list(ssl_ctx, SIGNATURES);
}

struct tls_context *tls_context_new(const struct tls_settings *settings, char *why,
				    size_t why_size)
{
	struct tls_context *context = calloc(1, sizeof(*context));
	OSSL_LIB_CTX *library;

	BUG_ON(!context);
	ERR_clear_error();
	context->role = settings->role;
	context->slim = tls_slim_new();
	library = tls_library();
	if (library)
		context->ssl_ctx = SSL_CTX_new_ex(library, NULL,
						  settings->role == TLS_SERVER
							  ? TLS_server_method()
							  : TLS_client_method());
	if (!context->ssl_ctx || !set_protocol(context->ssl_ctx, settings)) {
		snprintf(why, why_size, "TLS cannot be set up: %s",
			 ERR_reason_error_string(ERR_peek_error()));
		goto fail;
	}
	if (!tls_load_identity(context->ssl_ctx, settings, why, why_size) ||
	    !tls_load_trust(context->ssl_ctx, settings, NULL, why, why_size))
		goto fail;
	if (tls_verify_install(context->ssl_ctx, settings))
		return context;
	snprintf(why, why_size, "TLS cannot be set up: out of memory");
fail:
	tls_context_free(context);
	ERR_clear_error();
	return NULL;
}

bool tls_check_trust(const char *trust_path, const char *crl_path, bool *is_crl,
		     char *why, size_t why_size)
{
	const struct tls_settings settings = { .trust_path = trust_path,
					       .crl_path = crl_path };
	SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_method());
	bool is_good;

	BUG_ON(!ssl_ctx);
	is_good = tls_load_trust(ssl_ctx, &settings, is_crl, why, why_size);
	SSL_CTX_free(ssl_ctx);
	ERR_clear_error();
	return is_good;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	SSL_CTX_free(context->ssl_ctx);
	tls_slim_free(context->slim);
	free(context);
}

const X509 *tls_context_leaf(const struct tls_context *context)
{
	return SSL_CTX_get0_certificate(context->ssl_ctx);
}

bool tls_stale_parse(const char *text, bool *accepts)
{
	bool is_warn = strcmp(text, "warn") == 0;

	if (!is_warn && strcmp(text, "refuse") != 0)
		return false;
	*accepts = is_warn;
	return true;
}

static bool is_address(const char *name)
{
	uint8_t address[16];

	return inet_pton(AF_INET, name, address) == 1 ||
	       inet_pton(AF_INET6, name, address) == 1;
}

/* Demand @p name of the certificate, and ask for it where the protocol allows. */
static bool expect_name(SSL *ssl, const char *name)
{
	if (is_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set1_host(ssl, name) == 1 &&
	       SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_new(struct tls_context *context, const char *server_name)
{
	SSL *ssl;

	/* A client that verifies no name verifies nothing. */
	BUG_ON(context->role == TLS_CLIENT && (!server_name || !*server_name));
	ERR_clear_error();
	ssl = SSL_new(context->ssl_ctx);
	if (!ssl)
		return NULL;
	if (context->role == TLS_SERVER) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_set_connect_state(ssl);
	if (expect_name(ssl, server_name))
		return ssl;
	SSL_free(ssl);
	return NULL;
}

/* ---- Failures ---- */

static const char *const failure_names[TLS_N_FAILURES] = {
	[TLS_FAILURE_NONE] = "none",
	[TLS_FAILURE_PROTOCOL] = "tls_protocol",
	[TLS_FAILURE_NO_CERTIFICATE] = "certificate_missing",
	[TLS_FAILURE_UNKNOWN_CA] = "certificate_unknown_ca",
	[TLS_FAILURE_EXPIRED] = "certificate_expired",
	[TLS_FAILURE_NOT_YET_VALID] = "certificate_not_yet_valid",
	[TLS_FAILURE_REVOKED] = "certificate_revoked",
	[TLS_FAILURE_CRL_STALE] = "crl_stale",
	[TLS_FAILURE_WRONG_PURPOSE] = "certificate_wrong_purpose",
	[TLS_FAILURE_WRONG_NAME] = "certificate_wrong_name",
	[TLS_FAILURE_CHAIN] = "certificate_chain",
	[TLS_FAILURE_WEAK] = "tls_weak",
	[TLS_FAILURE_ALERT] = "tls_alert",
	[TLS_FAILURE_KEY] = "key_unavailable",
};

/* What X509_verify_cert() said; all others are TLS_FAILURE_CHAIN. */
static const struct {
	long verdict;
	enum tls_failure failure;
} verdicts[] = {
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_CERT_UNTRUSTED, TLS_FAILURE_UNKNOWN_CA },
	{ X509_V_ERR_CERT_HAS_EXPIRED, TLS_FAILURE_EXPIRED },
	{ X509_V_ERR_CERT_NOT_YET_VALID, TLS_FAILURE_NOT_YET_VALID },
	{ X509_V_ERR_CERT_REVOKED, TLS_FAILURE_REVOKED },
	{ X509_V_ERR_CRL_HAS_EXPIRED, TLS_FAILURE_CRL_STALE },
	{ X509_V_ERR_CRL_NOT_YET_VALID, TLS_FAILURE_CRL_STALE },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, TLS_FAILURE_CRL_STALE },
	{ X509_V_ERR_INVALID_PURPOSE, TLS_FAILURE_WRONG_PURPOSE },
	{ X509_V_ERR_HOSTNAME_MISMATCH, TLS_FAILURE_WRONG_NAME },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, TLS_FAILURE_WRONG_NAME },
};

const char *tls_failure_name(enum tls_failure failure)
{
	return failure_names[failure];
}

static enum tls_failure failure_of_verdict(long verdict)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].verdict == verdict)
			return verdicts[i].failure;
	return TLS_FAILURE_CHAIN;
}

void tls_raise_key_failure(void)
{
	ERR_raise(ERR_LIB_USER, TLS_FAILURE_KEY);
}

/* RFC 8446, 6.2: alerts that say something of us, and not of a handshake that went
 * wrong on its way. */
static bool is_refusal(int alert)
{
	switch (alert) {
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED: return true;
	default: return false;
	}
}

/* Whoever is on the way may have made what comes in the clear, or damaged it: an alert
 * in place of ServerHello, and the size of any message but a chain of certificates,
 * which TLS 1.3 protects (RFC 8446, 4.4). */
static bool is_first_answer(const SSL *ssl)
{
	return SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO;
}

static bool is_chain(const SSL *ssl)
{
	const OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

	return state == TLS_ST_CR_CERT || state == TLS_ST_SR_CERT;
}

/* The first error of the queue is the cause; OpenSSL adds its own behind. */
enum tls_failure tls_failure_of(SSL *ssl)
{
	const unsigned long error = ERR_peek_error();
	const int reason = ERR_GET_REASON(error);

	ERR_clear_error();
	if (ERR_GET_LIB(error) == ERR_LIB_USER)
		return TLS_FAILURE_KEY;
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return TLS_FAILURE_PROTOCOL;
	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return failure_of_verdict(SSL_get_verify_result(ssl));
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLS_FAILURE_NO_CERTIFICATE;
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		return is_chain(ssl) ? TLS_FAILURE_CHAIN : TLS_FAILURE_PROTOCOL;
	default:
		return is_refusal(reason - SSL_AD_REASON_OFFSET) &&
				       !is_first_answer(ssl)
			       ? TLS_FAILURE_ALERT
			       : TLS_FAILURE_PROTOCOL;
	}
}

/* ---- Finished connections ---- */

/* TLS 1.2 binds its keys to the handshake only with this extension; TLS 1.3 always
 * does, and OpenSSL answers 0 for it. */
static bool is_bound_to_handshake(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION ||
	       (SSL_version(ssl) == TLS1_2_VERSION && SSL_get_extms_support(ssl) == 1);
}

enum tls_failure tls_check_peer(SSL *ssl)
{
	const long verdict = SSL_get_verify_result(ssl);

	if (!SSL_is_init_finished(ssl))
		return TLS_FAILURE_PROTOCOL;
	if (!SSL_get0_peer_certificate(ssl))
		return TLS_FAILURE_NO_CERTIFICATE;
	if (verdict != X509_V_OK)
		return failure_of_verdict(verdict);
	return is_bound_to_handshake(ssl) ? TLS_FAILURE_NONE : TLS_FAILURE_WEAK;
}

bool tls_channel_binding(SSL *ssl, uint8_t out[SHA256_BYTES])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (!SSL_is_init_finished(ssl) || !is_bound_to_handshake(ssl))
		return false;
	ERR_clear_error();
	/* The context is present and empty, which TLS 1.2 tells from none. */
	return SSL_export_keying_material(ssl, out, SHA256_BYTES, label,
					  sizeof(label) - 1, (const uint8_t *)"", 0,
					  1) == 1;
}

bool tls_peer_hash(SSL *ssl, uint8_t out[SHA256_BYTES])
{
	const X509 *cert = SSL_get0_peer_certificate(ssl);
	unsigned n;

	ERR_clear_error();
	return cert && X509_digest(cert, EVP_sha256(), out, &n) == 1 &&
	       n == SHA256_BYTES;
}

const struct tls_chain *tls_peer_chain(SSL *ssl)
{
	return tls_check_peer(ssl) == TLS_FAILURE_NONE ? tls_verify_chain(ssl) : NULL;
}

void tls_forget_peer(struct tls_context *context, SSL *ssl)
{
	if (tls_slim_down(context->slim, ssl))
		tls_verify_forget(ssl);
}

bool tls_spki_hash(const X509 *cert, uint8_t out[SHA256_BYTES])
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	ERR_clear_error();
	if (n <= 0)
		return false;
	sha256(slice_make(der, (size_t)n), out);
	OPENSSL_free(der);
	return true;
}

/* NULL when there is none. */
static X509 *leaf_of_file(const char *path)
{
	BIO *bio = BIO_new_file(files_path(path), "r");
	X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return leaf;
}

bool tls_spki_hash_of_file(const char *path, uint8_t out[SHA256_BYTES])
{
	X509 *leaf = leaf_of_file(path);
	bool is_read = leaf && tls_spki_hash(leaf, out);

	X509_free(leaf);
	return is_read;
}

bool tls_file_is_for(const char *path, const char *name)
{
	X509 *leaf = leaf_of_file(path);
	bool is_for = leaf && (is_address(name) ? X509_check_ip_asc(leaf, name, 0) == 1
						: X509_check_host(leaf, name, 0,
								  TLS_VERIFY_NAME_FLAGS,
								  NULL) == 1);

	X509_free(leaf);
	ERR_clear_error();
	return is_for;
}

bool tls_file_serves(const char *path, enum tls_role role)
{
	X509 *leaf = leaf_of_file(path);
	uint32_t usage = role == TLS_SERVER ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
	bool serves = leaf && (X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) &&
		      (X509_get_extended_key_usage(leaf) & usage);

	X509_free(leaf);
	return serves;
}
