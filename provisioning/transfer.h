/*
 * libcurl's multi interface on our loop: whoever has set up an easy handle gives it
 * away and hears once how it ended. Knows no protocol and no server; what must be
 * demanded of a server is set where the handle is made (poster.c).
 */
#ifndef PROVISIONING_TRANSFER_H
#define PROVISIONING_TRANSFER_H

#include <curl/curl.h>

#include "base/loop.h"

struct transfers;

/**
 * @param easy  borrowed for the call, to ask with curl_easy_getinfo()
 * @param why   why it failed, in libcurl's words; "" when it did not
 */
typedef void transfer_fn(void *arg, CURL *easy, const char *why);

/** There is one for the life of the process. */
struct transfers *transfers_new(struct loop *loop);
/**
 * Begin a transfer.
 *
 * @param easy  taken; all options but ERRORBUFFER and PRIVATE are the caller's
 * @param fn    called exactly once, later
 */
void transfers_begin(struct transfers *transfers, CURL *easy, transfer_fn *fn,
		     void *arg);
/**
 * Nothing more that the server says is of interest: who reads it meets its end at once.
 *
 * For libcurl's own callbacks, where it would wait for an answer without coming back to
 * the loop.
 *
 * @param easy  of a transfer that is under way, and will end by this
 */
void transfer_stop_reading(CURL *easy);

/* An option that this libcurl does not take could be a check left out. */
#define TRANSFER_SET(easy, option, value) \
	BUG_ON(curl_easy_setopt(easy, CURLOPT_##option, value) != CURLE_OK)

#endif
