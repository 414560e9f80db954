/*
 * The two calls of a gateway for itself: POST /v1/authentication, which reads the
 * standing, makes a grant and has the zone prove this server (security of the landnet:
 * doc/landnet.md), and POST /v1/sessions/{sid}/end, which stores why a session ended.
 */
#ifndef PROVISIONING_AUTHENTICATION_H
#define PROVISIONING_AUTHENTICATION_H

#include "provisioning/api.h"

bool authentication_fill(struct api_call *call, struct db_param *params, size_t *n);
void authentication_answer(struct api_call *call, const PGresult *result);
bool session_end_fill(struct api_call *call, struct db_param *params, size_t *n);
void session_end_answer(struct api_call *call, const PGresult *result);

#endif
