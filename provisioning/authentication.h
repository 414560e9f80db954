/*
 * POST /v1/authentication: read the standing of a device, make a grant, and have the
 * zone prove this server to gateway and device (doc/landnet.md).
 */
#ifndef PROVISIONING_AUTHENTICATION_H
#define PROVISIONING_AUTHENTICATION_H

#include "provisioning/api.h"

/** POST /v1/authentication: who it is of, as route.fill and route.answer (route.h). */
bool authentication_fill(struct api_call *call, struct db_param *params, size_t *n);
void authentication_answer(struct api_call *call, const PGresult *result);

#endif
