/*
 * The manifest of a catalogue (doc/catalogue.md): features and terms that name files
 * beside it. Reading one maps every content file and computes its digest.
 */
#ifndef PROVCTL_MANIFEST_H
#define PROVCTL_MANIFEST_H

#include <jansson.h>

#include "base/codec.h"

#define MANIFEST_FEATURES_MAX 1000

struct manifest_content {
	const char *path;
	struct slice bytes; /* mapped */
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
