/*
 * TLS contexts and the checks of a peer. Mutual authentication always: a server
 * context demands a client certificate, a client context verifies the server's
 * name. TLS 1.3, or 1.2 with extended master secret and ECDHE AEAD. No tickets, no
 * session cache, no renegotiation. Keys come in as EVP_PKEY: this module never
 * reads one. Knows no identities: what a certificate says is the caller's matter.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <openssl/ssl.h>

#include "base/codec.h"
#include "base/tls_memory.h"

enum tls_role {
	TLS_SERVER,
	TLS_CLIENT
};

struct tls_settings {
	enum tls_role role;
	const char *chain_path; /* PEM: leaf, then intermediates */
	EVP_PKEY *key;          /* borrowed; the context takes its own reference */
	const char *trust_path; /* PEM trust anchors of the peer */
	const char *crl_path;   /* PEM, one CRL for every CA; NULL only with no_crl */
	bool no_crl; /* the peer's CA has no CRL (airnet gateway seen from a device) */
	bool tls12;  /* also accept TLS 1.2 */
	bool is_refused_expired; /* our own certificate; else the peer refuses it */
	bool accepts_stale_crl; /* past its nextUpdate: what it revokes stays revoked */
	size_t n_remembered;    /* TLS_SERVER: verified chains to remember; 0: none */
	size_t memory_metric;   /* first of TLS_MEMORY_N_METRICS; unused without */
	int64_t (*now_s)(void); /* Unix seconds, for tests; NULL: the wall clock */
};

/** What a configuration says of a list past its end: "refuse", or "warn" to accept it.
 * @return false for anything else; *accepts is then untouched */
bool tls_stale_parse(const char *text, bool *accepts)
	__attribute__((warn_unused_result));

struct tls_context;

/**
 * Load and check everything once. A CRL must be there for every CA of trust_path
 * unless no_crl; the key must match the leaf.
 * @param why  text of the first failure, with the file's name
 * @return a context with one reference, or NULL
 */
struct tls_context *tls_context_new(const struct tls_settings *settings, char *why,
				    size_t why_size);
/**
 * Whether trust anchors and their revocation lists are there, as tls_context_new()
 * would load them; needs no key.
 * @param is_crl  set to whether it is the revocation lists that are wrong
 * @return false with the first thing that is wrong, which begins with the file's name
 */
bool tls_check_trust(const char *trust_path, const char *crl_path, bool *is_crl,
		     char *why, size_t why_size) __attribute__((warn_unused_result));
/** Let go; handshakes under way keep what they need. NULL is nothing. */
void tls_context_free(struct tls_context *context);
/**
 * New handshake state. For a client, @p server_name (DNS name or numeric address)
 * is sent as SNI where it is a name, and demanded of the certificate's SAN.
 * @return freed by SSL_free(), or NULL without memory or with a name that is none
 */
SSL *tls_new(struct tls_context *context, const char *server_name);

/** Why a handshake failed, as far as can be told. */
enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_PROTOCOL, /* no TLS, no common version or cipher, garbage */
	TLS_FAILURE_NO_CERTIFICATE,
	TLS_FAILURE_UNKNOWN_CA,
	TLS_FAILURE_EXPIRED,
	TLS_FAILURE_NOT_YET_VALID,
	TLS_FAILURE_REVOKED,
	TLS_FAILURE_CRL_STALE,
	TLS_FAILURE_WRONG_PURPOSE,
	TLS_FAILURE_WRONG_NAME,
	TLS_FAILURE_CHAIN, /* too long, bad signature, other */
	TLS_FAILURE_WEAK,  /* TLS 1.2 without extended master secret */
	TLS_FAILURE_ALERT, /* the peer refused us */
	TLS_FAILURE_KEY,   /* our key could not sign */
	TLS_N_FAILURES,
};
/** A key that is not in this process says so while it signs: TLS_FAILURE_KEY. */
void tls_raise_key_failure(void);
/** Lower_snake_case name: "certificate_revoked". */
const char *tls_failure_name(enum tls_failure failure);
/** Classify after SSL_do_handshake failed with SSL_ERROR_SSL; empties the error queue.
 */
enum tls_failure tls_failure_of(SSL *ssl);
/**
 * Last checks when SSL_is_init_finished(): a peer certificate is there, verify
 * result is OK, extended master secret in TLS 1.2.
 * @return TLS_FAILURE_NONE, or why nothing may be read from it or written to it
 */
enum tls_failure tls_check_peer(SSL *ssl);

/**
 * Channel binding `tls-exporter` of a finished connection (RFC 9266).
 * @return false before the handshake has finished or without extended master secret
 */
bool tls_channel_binding(SSL *ssl, uint8_t out[SHA256_BYTES])
	__attribute__((warn_unused_result));
/** Who vouches for the peer, in a verified connection, else NULL; borrowed. There is
 * no other trace of its chain: OpenSSL's is let go. */
const struct tls_chain *tls_peer_chain(SSL *ssl);
/** SHA-256 of the peer's leaf certificate, DER. */
bool tls_peer_hash(SSL *ssl, uint8_t out[SHA256_BYTES])
	__attribute__((warn_unused_result));
/**
 * Let a finished server connection forget its handshake, when all that is above has
 * been asked: it takes half the memory from then on. Whatever is asked of its peer
 * afterwards is answered as if there were none; bytes, key updates and the end of the
 * connection go on as before.
 */
void tls_forget_peer(struct tls_context *context, SSL *ssl);
/** SHA-256 of a certificate's SubjectPublicKeyInfo, DER. */
bool tls_spki_hash(const X509 *cert, uint8_t out[SHA256_BYTES])
	__attribute__((warn_unused_result));
/** The same of the first certificate of a PEM file; false when there is none to read.
 */
bool tls_spki_hash_of_file(const char *path, uint8_t out[SHA256_BYTES])
	__attribute__((warn_unused_result));
/** Whether the first certificate of a PEM file is for @p name, a DNS name or numeric
 * address, as a client of tls_new() demands it. False, too, when there is none to read.
 */
bool tls_file_is_for(const char *path, const char *name)
	__attribute__((warn_unused_result));
/** Whether a peer of tls_new() takes the first certificate of a PEM file from who has
 * that role: by its extended key usage. False, too, when there is none to read. */
bool tls_file_serves(const char *path, enum tls_role role)
	__attribute__((warn_unused_result));
/** Our own leaf certificate; borrowed. */
const X509 *tls_context_leaf(const struct tls_context *context);

#endif
