/*
 * The part of OpenSSL that TLS contexts work with: of its default provider what they
 * use, and of its decoders those of public keys that a peer's certificate may hold.
 * OpenSSL 3.0 builds a decoder anew for each certificate that it reads, out of all
 * decoders and key managers there are, and copies the list of everything there is to
 * find these; of more than two hundred that is most of what a handshake can be spared.
 * For tls*.c and for what a context is to work with.
 */
#ifndef BASE_TLS_LIBRARY_H
#define BASE_TLS_LIBRARY_H

#include <openssl/types.h>

/**
 * Made by the first call, for the life of the process and of what it forks; later calls
 * ask the system for nothing.
 *
 * Certificates read with it have keys of the types EC, RSA and Ed25519, or no key at
 * all and then fail their verification: the types of all signatures that tls.c offers,
 * which hold for the certificates of a chain, too (RFC 8446, 4.2.3). Anchors are none
 * of what a peer shows and may have RSA-PSS and Ed448 keys, too.
 * @return NULL without memory
 */
OSSL_LIB_CTX *tls_library(void);

#endif
