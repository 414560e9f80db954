/*
 * HTTPS POST to servers of others: libcurl's multi interface on our loop. The server's
 * certificate and name are verified, redirects are not followed, the answer's body is
 * dropped. Knows nothing of what is posted.
 */
#ifndef PROVISIONING_POSTER_H
#define PROVISIONING_POSTER_H

#include "base/loop.h"

struct poster;

struct post_settings {
	const char *url;          /* https:// */
	struct slice trust;       /* PEM anchors, the bytes */
	const char *content_type; /* "application/json" */
	int64_t timeout_ms;       /* of one post, connecting included */
};

/** @p status 0: no answer, @p why says why; else why is "" */
typedef void post_fn(void *arg, unsigned status, const char *why);

/** Settings are borrowed. There is one for the life of the process. */
struct poster *poster_new(struct loop *loop, const struct post_settings *settings);
/**
 * Begin a post.
 *
 * @param body  copied
 * @param key   value of Idempotency-Key, without quotes; at most 200 characters
 * @param fn    called exactly once, later
 */
void poster_post(struct poster *poster, struct slice body, const char *key, post_fn *fn,
		 void *arg);

#endif
