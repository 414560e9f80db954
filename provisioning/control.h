/*
 * GET /v1/control: the control stream (doc/landnet.md). A gateway hears on it which
 * devices' grants are worth nothing any more, and, by heartbeats, that it has heard of
 * all of them. While streams are open a worker reads the changes from the database, in
 * one query for all; without streams it asks for nothing.
 */
#ifndef PROVISIONING_CONTROL_H
#define PROVISIONING_CONTROL_H

#include "provisioning/api.h"

struct control;

/** Never NULL; lives as long as the process. */
struct control *control_new(struct landnet *landnet);
/** End all streams, and take no more. */
void control_stop(struct control *control);

/** GET /v1/control: route.fill and route.answer (route.h); the answer has no end. */
bool control_fill(struct api_call *call, struct db_param *params, size_t *n);
void control_answer(struct api_call *call, const PGresult *result);

#endif
