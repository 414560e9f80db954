/*
 * The calls of a device that are one statement each: read the body strictly, hand its
 * parts to the database, answer with the row. What may happen to a request is decided
 * there.
 */
#ifndef PROVISIONING_DEVICE_API_H
#define PROVISIONING_DEVICE_API_H

#include "provisioning/api.h"

/* What each statement asks for, as route.fill (provisioning/route.h). */

/** GET /v1/device, GET /v1/catalogue: nothing but who asks. */
bool device_api_fill(struct api_call *call, struct db_param *params, size_t *n);
/** GET .../terms, DELETE /v1/requests/{uuid}: the request's id. */
bool device_api_fill_id(struct api_call *call, struct db_param *params, size_t *n);
/** PUT /v1/requests/{uuid}: id, SHA-256 of the body, the body. */
bool device_api_fill_request(struct api_call *call, struct db_param *params, size_t *n);
/** PUT .../answer: id, answer, SHA-256 of the terms; session, gateway and credential as
 * proof. */
bool device_api_fill_answer(struct api_call *call, struct db_param *params, size_t *n);
/** PUT .../items/{item}/result: id, item, result, version and reason or null. */
bool device_api_fill_result(struct api_call *call, struct db_param *params, size_t *n);
/** POST .../retransmission: id, item, attempt, reason. */
bool device_api_fill_retransmission(struct api_call *call, struct db_param *params,
				    size_t *n);

/** Answer with the row as it is. */
void device_api_answer(struct api_call *call, const PGresult *result);
/** The same for a row that was read, with one more field or NULL. */
void device_api_reply(struct api_call *call, const struct api_row *row,
		      const struct http_field *field);

#endif
