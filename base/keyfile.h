/*
 * A file of symmetric keys that change one after the other: lines `KID KEY` of 16 and
 * 64 hex digits, one or two of them. The first key is used, both are known. To change
 * it, put the new one before the old one, for those who only know first. Knows nothing
 * of what the keys are for.
 */
#ifndef BASE_KEYFILE_H
#define BASE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYFILE_KID_BYTES 8
#define KEYFILE_KEY_BYTES 32
#define KEYFILE_KEYS_MAX  2

struct keyfile_key {
	uint8_t kid[KEYFILE_KID_BYTES];
	uint8_t bytes[KEYFILE_KEY_BYTES];
};

struct keyfile {
	struct keyfile_key keys[KEYFILE_KEYS_MAX];
	size_t n;
};

/**
 * Read the file, which only its owner can read (secret_read()). Empty lines and lines
 * that begin with # are passed over.
 *
 * @param out  to be wiped with keyfile_wipe(); after a failure it is wiped
 * @return false with @p why, which names file, line and remedy, and holds no key
 */
bool keyfile_load(const char *path, struct keyfile *out, char *why, size_t why_size)
	__attribute__((warn_unused_result));
/** @param kid  KEYFILE_KID_BYTES. @return borrowed; NULL: no such key */
const struct keyfile_key *keyfile_find(const struct keyfile *file, const void *kid);
void keyfile_wipe(struct keyfile *file);

#endif
