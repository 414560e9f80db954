/*
 * HTTPS POST to a server of others. Its certificate and name are verified, redirects
 * are not followed, no proxy is used. Knows nothing of what is posted.
 */
#ifndef PROVISIONING_POSTER_H
#define PROVISIONING_POSTER_H

#include "provisioning/service.h"
#include "provisioning/transfer.h"

struct poster;

struct post_settings {
	const struct service *service;
	const char *content_type;  /* "application/json" */
	size_t answer_limit_bytes; /* of a body that is kept; 0: it is dropped */
};

struct post_answer {
	unsigned status;   /* 0: there was none, why says why */
	const char *why;   /* else "" */
	const char *type;  /* its Content-Type; "" */
	struct slice body; /* what was kept of it */
};

/** @param answer  borrowed for the call */
typedef void post_fn(void *arg, const struct post_answer *answer);

/** What comes of a post by the status of the answer. */
enum post_verdict {
	POST_DONE,    /* brought */
	POST_FAILED,  /* now; the same may be taken later */
	POST_REFUSED, /* and would be each time: a person must look */
};
/**
 * Read a status: 2xx is done. 3xx, which would bring it to where nobody configured it,
 * and 4xx are refusals, but for those that speak of time: 408, 425, 429.
 *
 * @param status  of the response, 0: there was none
 * Source: RFC 9110, 15; RFC 8470, 5.2; RFC 6585, 4; doc/billing.md
 */
enum post_verdict post_judge(unsigned status);

/** All are borrowed. There is one for each service, for the life of the process. */
struct poster *poster_new(struct transfers *transfers,
			  const struct post_settings *settings);
/**
 * Begin a post. An answer that is longer than the limit is none.
 *
 * @param body  copied
 * @param key   value of Idempotency-Key, without quotes; at most 200 characters
 * @param fn    called exactly once, later
 */
void poster_post(struct poster *poster, struct slice body, const char *key, post_fn *fn,
		 void *arg);

#endif
