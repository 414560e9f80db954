/*
 * Calls of the device API that a handset makes about its own request. Knows paths and
 * headers, not what the answers mean.
 */
#ifndef CONTRIB_HANDSET_CALL_H
#define CONTRIB_HANDSET_CALL_H

#include "contrib/handset/handset.h"
#include "contrib/handset/session.h"

#define CALL_TARGET_CHARS 192
#define CALL_OK           200
#define CALL_CREATED      201
#define CALL_NOT_CHANGED  304

/** Send a call; @p json is its body, or empty. */
void call_json(struct session *session, enum http_method method, const char *target,
	       struct slice json, session_answer_fn *on_answer, void *arg);
/** /v1/requests/{the open request} and @p rest. @return @p out */
const char *call_target(const struct handset *handset, const char *rest,
			char out[CALL_TARGET_CHARS]);
/** @p on_answer gets the handset as its argument. */
void call_get(struct handset *handset, const char *target,
	      session_answer_fn *on_answer);
void call_delete(struct handset *handset, const char *target,
		 session_answer_fn *on_answer);
void call_put(struct handset *handset, const char *target, struct slice json,
	      session_answer_fn *on_answer);
void call_post(struct handset *handset, const char *target, struct slice json,
	       session_answer_fn *on_answer);
/** The server says that what was asked cannot be done (4xx). */
bool call_is_refused(const struct session_answer *answer);
/** End the run for an answer that is neither what was asked for nor understood. */
void call_fail(struct handset *handset, const struct session_answer *answer);

#endif
