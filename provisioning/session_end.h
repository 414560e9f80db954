/*
 * POST /v1/sessions/{sid}/end: a gateway tells why a session of a verified device
 * ended. The database keeps one event for each sid.
 */
#ifndef PROVISIONING_SESSION_END_H
#define PROVISIONING_SESSION_END_H

#include "provisioning/api.h"

/** POST /v1/sessions/{sid}/end: route.fill and route.answer (route.h). */
bool session_end_fill(struct api_call *call, struct db_param *params, size_t *n);
void session_end_answer(struct api_call *call, const PGresult *result);

#endif
