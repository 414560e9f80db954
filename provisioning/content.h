/*
 * GET /v1/content/{sha256}: whole or one range, streamed row by row of 256 KiB. The
 * next row is asked for when the connection has room for it, so that a slow handset
 * holds one row of memory and no database connection.
 */
#ifndef PROVISIONING_CONTENT_H
#define PROVISIONING_CONTENT_H

#include "provisioning/api.h"

/** Bytes of a row; all but the last are full (doc/database.md). */
#define CONTENT_CHUNK_BYTES 262144

/** GET /v1/content/{sha256}: route.fill and route.answer (route.h); the answer goes on
 * by itself. */
bool content_fill(struct api_call *call, struct db_param *params, size_t *n);
void content_answer(struct api_call *call, const PGresult *result);

#endif
