/*
 * The check of a peer's chain, for tls.c alone: by OpenSSL, on a store context of our
 * own, so that the session keeps no verified chain; or by memory, where there is one.
 * What it learns of the chain stays with the connection.
 */
#ifndef BASE_TLS_VERIFY_H
#define BASE_TLS_VERIFY_H

#include "base/tls.h"

/** How a client compares a server's name with its certificate: by SAN alone. */
#define TLS_VERIFY_NAME_FLAGS \
	(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

/**
 * Have @p ssl_ctx verify as the settings say; after tls_load_trust(), whose revocation
 * lists say how long a chain may be remembered.
 * @return false without memory
 */
bool tls_verify_install(SSL_CTX *ssl_ctx, const struct tls_settings *settings)
	__attribute__((warn_unused_result));
/** The chain of a connection whose peer was verified, or NULL; borrowed. */
const struct tls_chain *tls_verify_chain(SSL *ssl);
/** Let go of it. */
void tls_verify_forget(SSL *ssl);

#endif
