/*
 * The ends of certificates and revocation lists: read from the files that a daemon is
 * configured with, told in time to those who must renew them. The supervisor reads
 * them when a generation begins to serve, and speaks of them then and every hour.
 */
#ifndef BASE_EXPIRY_H
#define BASE_EXPIRY_H

#include "base/codec.h"

#define EXPIRY_FILES_MAX   32
#define EXPIRY_KEY_BYTES   288
#define EXPIRY_INTERVAL_MS 3600000
#define EXPIRY_NEVER       INT64_MAX

/** Which files a daemon wants to be watched. */
struct expiry_plan {
	struct expiry_file {
		char key[EXPIRY_KEY_BYTES]; /* of the configuration */
		const char *path;           /* borrowed, PEM */
	} files[EXPIRY_FILES_MAX];
	size_t n;
	int64_t warning_ms; /* how long before the end it is told */
};

/** Watch one more, if there is room. A path that is watched already, NULL or "" is
 * passed over. @p key is cut. */
void expiry_add(struct expiry_plan *plan, const char *key, const char *path);
/**
 * When the first thing in a file ends: of certificates each counts, of the revocation
 * lists of one issuer the one that ends last.
 * @return Unix seconds, EXPIRY_NEVER when nothing in it has an end
 * Cost: blocking file I/O.
 */
int64_t expiry_read(const char *path);
/**
 * Log a file that is past its end (ERROR ev=expired) or near it (WARN ev=expiring).
 * @return whether there was something to say
 */
bool expiry_tell(const struct expiry_file *file, int64_t end_s, int64_t now_s,
		 int64_t warning_ms);

#endif
