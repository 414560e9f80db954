/*
 * One request of a session and its answer. Decides: authenticate, forward, answer,
 * refuse. Forwards only for a device and a server that both were authenticated.
 */
#ifndef GATEWAY_TRANSACTION_H
#define GATEWAY_TRANSACTION_H

#include "gateway/session.h"

/**
 * Answer @p exchange, at once or later. Sets session->transaction until that is done,
 * and session->route; one request of a session at a time.
 */
void transaction_begin(struct session *session, struct exchange *exchange);
/** Whether the server is being asked who the device is. */
bool transaction_is_authenticating(const struct transaction *transaction);
/** Stop it; its exchange is not answered and has no owner any more. */
void transaction_cancel(struct transaction *transaction);

#endif
