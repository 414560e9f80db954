/*
 * What a handset is told when something fails: one row for each reason. Whatever
 * fails before its authentication information has come looks alike outside (F16).
 */
#ifndef GATEWAY_REFUSAL_H
#define GATEWAY_REFUSAL_H

#include "auth/auth.h"
#include "base/exchange.h"

/**
 * Answer @p exchange for @p reason; an unlisted reason is 403 authentication_failed.
 * @param spread_s  a 503 is told to come again after 1..spread_s seconds, by chance; of
 *                  1..5 for all reasons but REASON_ADMISSION_LIMITED
 * @return the status that it was answered with
 */
unsigned refusal_answer(struct exchange *exchange, enum auth_reason reason,
			int64_t spread_s);
/** Whether the session ends with it. */
bool refusal_is_final(enum auth_reason reason);
/** Whether the server of the session is told of an end for this reason: the device's or
 * our side failed, not the server's. */
bool refusal_is_reported(enum auth_reason reason);

#endif
