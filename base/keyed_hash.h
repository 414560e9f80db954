/*
 * A hash for tables that strangers fill: SipHash-2-4 under a random key, so that nobody
 * can choose names that fall together.
 */
#ifndef BASE_KEYED_HASH_H
#define BASE_KEYED_HASH_H

#include "base/slice.h"

#define KEYED_HASH_KEY_BYTES 16

/**
 * Hash @p bytes, which may be none.
 * Cost: O(n), no allocation; 20 ns for 32 bytes.
 * Source: Aumasson, Bernstein: SipHash, 2012; with its test vectors.
 */
uint64_t keyed_hash(const uint8_t key[KEYED_HASH_KEY_BYTES], struct slice bytes);

#endif
