/*
 * Fetching content by its digest into storage, going on where an earlier attempt was
 * cut (RFC 9110, 14.2), and checking what came against the digest that was promised.
 */
#ifndef CONTRIB_HANDSET_DOWNLOAD_H
#define CONTRIB_HANDSET_DOWNLOAD_H

#include "contrib/handset/session.h"
#include "contrib/handset/storage.h"

struct download;

/**
 * @param reason  NULL: the whole file is there and has its digest; otherwise
 *                "download_failed", "digest_mismatch", "storage_full" or what the
 *                server or the session said
 */
typedef void download_fn(void *arg, const char *reason);

/**
 * Fetch, or find that it is there already.
 *
 * @param session  borrowed until the end
 * @param size     bytes that were promised; more are never written
 * @param retries  further attempts after a cut, each of which goes on where it was
 * @param fn       called exactly once, not from within this call
 */
struct download *download_begin(struct loop *loop, struct session *session,
				const uint8_t sha256[SHA256_BYTES], int64_t size,
				int64_t retries, download_fn *fn, void *arg);
/** @p fn is not called; what was received stays. After the session was freed. */
void download_free(struct download *download);
/** Where content of that digest lies. */
void download_path(const uint8_t sha256[SHA256_BYTES], char out[STORAGE_PATH_BYTES]);
/** It is installed: the file is no longer needed. */
void download_forget(const uint8_t sha256[SHA256_BYTES]);

#endif
