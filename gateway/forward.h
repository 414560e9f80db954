/*
 * One request of an authenticated handset, forwarded to its provisioning server and
 * the answer brought back. The request is written anew from what was parsed, with
 * fields by allow-list; large bodies stream with back-pressure both ways, small ones
 * are held so that the landnet link waits for the server alone.
 */
#ifndef GATEWAY_FORWARD_H
#define GATEWAY_FORWARD_H

#include "gateway/route.h"

struct forward;

/**
 * How a forward ended. When the exchange with the handset is over, @p reason is
 * REASON_NONE if it was answered whole, else why it was cut: the handset went away
 * (REASON_CLIENT_FAILED) or the server did. Otherwise nothing was answered yet and the
 * exchange is the caller's again: the server could not be asked, or it spoke of the
 * session (REASON_GRANT_*, REASON_DEVICE_*, REASON_AUTHENTICATION_REFUSED).
 */
struct forward_end {
	enum auth_reason reason;
	bool is_over;
	unsigned status; /* that the handset was given; 0: none */
};
typedef void forward_fn(void *arg, const struct forward_end *end);

struct forward_settings {
	struct route *route;
	struct slice grant; /* base64url */
	bool is_long;       /* its body has not come whole, or its answer is large */
	int64_t pool_wait_ms;
	int64_t body_limit;
};

/**
 * Begin. Takes over the callbacks of @p device until @p fn is called, exactly once,
 * unless cancelled.
 */
struct forward *forward_begin(struct exchange *device,
			      const struct forward_settings *settings, forward_fn *fn,
			      void *arg);
/** Abort both sides; @p fn will not come. */
void forward_cancel(struct forward *forward);

#endif
