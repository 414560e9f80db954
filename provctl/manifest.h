/*
 * The manifest of a catalogue (doc/catalogue.md): features and terms that name files
 * beside it, or say where content lies elsewhere. Reading one computes the digest of
 * every content file, block by block.
 */
#ifndef PROVCTL_MANIFEST_H
#define PROVCTL_MANIFEST_H

#include <jansson.h>

#include "base/codec.h"

#define MANIFEST_FEATURES_MAX 1000

struct manifest_content {
	const char *path; /* NULL: it lies elsewhere, and is not ours to upload */
	uint64_t size;
	uint8_t sha256[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	const char *media_type;
};

struct manifest {
	json_t *json; /* what catalogue_begin() takes: digests and texts, no file names
		       */
	struct manifest_content *contents; /* one for each feature */
	size_t n_contents;
};

/**
 * Read a manifest, or manifest.json of a folder.
 *
 * @param path  borrowed
 * @param out   closed by the caller, also after a failure
 * @return false after a complaint that names the file and the place
 */
bool manifest_open(struct arena *arena, const char *path, struct manifest *out);
void manifest_close(struct manifest *manifest);

#endif
