/*
 * Certificates, trust anchors and revocation lists from PEM files into an SSL_CTX.
 * For tls.c alone. Blocking file I/O; leaves the error queue to the caller.
 */
#ifndef BASE_TLS_LOAD_H
#define BASE_TLS_LOAD_H

#include "base/tls.h"

/** Our chain and key, which must match. @return false with why */
bool tls_load_identity(SSL_CTX *ssl_ctx, const struct tls_settings *settings, char *why,
		       size_t why_size) __attribute__((warn_unused_result));
/** The peer's anchors, each with its CRL unless no_crl.
 * @param is_crl  set to whether the CRLs are what fails; NULL: does not matter
 * @return false with why */
bool tls_load_trust(SSL_CTX *ssl_ctx, const struct tls_settings *settings, bool *is_crl,
		    char *why, size_t why_size) __attribute__((warn_unused_result));

#endif
