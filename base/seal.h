/*
 * Short texts sealed for a place: AES-256-GCM under a key that only writer and reader
 * have, with associated data that name the place, so that a sealed text opens nowhere
 * else. Knows nothing of what is sealed.
 */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include <sys/types.h>

#include "base/slice.h"

/** Bytes that sealing adds: key id, nonce, tag. */
#define SEAL_OVERHEAD (8 + 12 + 16)

struct seal_keys;

/**
 * Read one or two keys (base/keyfile.h): the first seals, all open.
 *
 * @return the keys, or NULL with @p why, which names file, line and remedy
 */
struct seal_keys *seal_keys_load(const char *path, char *why, size_t why_size);
/** Wipes them; NULL is nothing. */
void seal_keys_free(struct seal_keys *keys);

/**
 * Seal @p plain for the place that @p place names.
 *
 * @param out  plain.n + SEAL_OVERHEAD bytes: key id, nonce, text, tag
 * Cost: O(n). A key may seal 2^32 texts (NIST SP 800-38D, 8.3: random nonces).
 */
void seal_close(const struct seal_keys *keys, struct slice place, struct slice plain,
		void *out);

/**
 * Open what was sealed for @p place.
 *
 * @param out  sealed.n bytes; wiped where the result is -1
 * @return length of the text; -1: another place, an unknown key, or changed bytes
 */
ssize_t seal_open(const struct seal_keys *keys, struct slice place, struct slice sealed,
		  void *out) __attribute__((warn_unused_result));

#endif
