/*
 * One authentication of (session, srv): asks the provisioning server, checks its
 * answer and its proof. The only way by which a session becomes authenticated.
 */
#ifndef GATEWAY_AUTHENTICATION_H
#define GATEWAY_AUTHENTICATION_H

#include "gateway/route.h"

struct authentication;

/**
 * @p reason REASON_NONE: @p information was checked against every claim, a proof in it
 * was verified; both are borrowed for the call. Any other reason: nothing is to be
 * believed and nothing forwarded; @p information is NULL. Standing blocked or unknown
 * comes as REASON_NONE, without a grant.
 */
typedef void authentication_fn(void *arg, enum auth_reason reason,
			       const struct auth_information *information,
			       const struct auth_claims *claims);

/**
 * Begin. A fresh nonce is drawn for each request that is sent.
 * @param claims  borrowed for the call: gw, sid, dev, cred, binding; srv and nonce are
 *                set by this module
 * @param fn      called exactly once, later, unless cancelled
 */
struct authentication *authentication_begin(struct loop *loop, struct route *route,
					    const struct auth_claims *claims,
					    bool wants_proof, int64_t deadline_ms,
					    authentication_fn *fn, void *arg);
/** @p fn will not come; a link that is in use goes. */
void authentication_cancel(struct authentication *authentication);

#endif
