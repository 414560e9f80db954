/*
 * GET /v1/requests/{uuid} with `Prefer: wait=N` (RFC 7240, 4.3): an answer that would
 * be 304 is held back and asked for again, until the request has changed or N seconds,
 * at most WAIT_MAX_S, are over.
 */
#ifndef PROVISIONING_WAIT_H
#define PROVISIONING_WAIT_H

#include "provisioning/api.h"

#define WAIT_MAX_S 5

/** GET /v1/requests/{uuid}, with Prefer: wait=N: route.fill and route.answer (route.h).
 */
bool wait_fill(struct api_call *call, struct db_param *params, size_t *n);
void wait_answer(struct api_call *call, const PGresult *result);

#endif
