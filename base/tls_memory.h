/*
 * Chains that were verified before, so that a peer that comes again costs no signature
 * checks but that of its own key. A memory belongs to one context: to its listener, its
 * purpose, its anchors and its revocation lists, and goes with them. What is in it has
 * been verified; it dies before anything that was looked at then could be seen
 * otherwise. Single-threaded, bounded, knows neither OpenSSL nor connections.
 */
#ifndef BASE_TLS_MEMORY_H
#define BASE_TLS_MEMORY_H

#include "base/codec.h"

#define TLS_CHAIN_CAS 4 /* three intermediates and an anchor */

/** Who vouches for a verified certificate: the SHA-256 of each CA's
 * SubjectPublicKeyInfo, from the issuer of the leaf to the anchor. */
struct tls_chain {
	uint8_t cas[TLS_CHAIN_CAS][SHA256_BYTES];
	size_t n_cas;
};

/** Rows in a row in the daemon's table of metrics. */
enum tls_memory_metric {
	TLS_MEMORY_HITS,
	TLS_MEMORY_MISSES,
	TLS_MEMORY_ENTRIES,
	TLS_MEMORY_EVICTIONS,
	TLS_MEMORY_N_METRICS,
};

struct tls_memory;

/**
 * @param limit         entries; at least one
 * @param first_metric  of TLS_MEMORY_N_METRICS
 * @return freed by tls_memory_free(); never NULL
 */
struct tls_memory *tls_memory_new(size_t limit, size_t first_metric);
/** NULL is nothing. */
void tls_memory_free(struct tls_memory *memory);
/**
 * Find what tls_memory_keep() kept under this key.
 * A clock that has gone back since the last call empties the memory first.
 * @param now_s  wall clock, read for this call
 * @return whether it is there and valid now; only then *out is set
 * Cost: O(1), no allocation. Source: reference/security.md, F19.
 */
bool tls_memory_find(struct tls_memory *memory, const uint8_t key[SHA256_BYTES],
		     int64_t now_s, struct tls_chain *out)
	__attribute__((warn_unused_result));
/**
 * Keep a chain that was verified at @p now_s, for an hour at most. When there is no
 * room, the anchor with most entries loses the one that was longest not asked for: no
 * CA can drive out another's.
 * @param from_s,until_s  valid from the first to before the second, Unix seconds
 */
void tls_memory_keep(struct tls_memory *memory, const uint8_t key[SHA256_BYTES],
		     const struct tls_chain *chain, int64_t from_s, int64_t until_s,
		     int64_t now_s);

#endif
