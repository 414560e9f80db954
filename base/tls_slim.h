/*
 * The slimming of finished TLS connections: of what OpenSSL keeps with each, more than
 * a third is of no use once the handshake is over and the peer is known: its
 * certificates, the session, a copy of our own settings. Each is put in the place of
 * one that is shared and empty, by public calls alone.
 * doc/decisions/024-slim-sessions.md
 */
#ifndef BASE_TLS_SLIM_H
#define BASE_TLS_SLIM_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_slim;

/** What connections share; never NULL. */
struct tls_slim *tls_slim_new(void);
/** NULL is nothing; connections keep what they need. */
void tls_slim_free(struct tls_slim *slim);
/**
 * @param ssl  a server's, finished
 * @return false: nothing has changed, for lack of memory or because the version of
 *         OpenSSL (which is logged once), of TLS or the cipher is none that is known
 */
bool tls_slim_down(struct tls_slim *slim, SSL *ssl);

#endif
