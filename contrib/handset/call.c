#include "contrib/handset/call.h"

const char *call_target(const struct handset *handset, const char *rest,
			char out[CALL_TARGET_CHARS])
{
	snprintf(out, CALL_TARGET_CHARS, "/v1/requests/%s%s", handset->journal.id,
		 rest);
	return out;
}

void call_get(struct handset *handset, const char *target, session_answer_fn *on_answer)
{
	struct session_call call = { .method = HTTP_GET,
				     .target = target,
				     .on_answer = on_answer,
				     .arg = handset };

	session_call(handset->session, &call);
}

void call_delete(struct handset *handset, const char *target,
		 session_answer_fn *on_answer)
{
	struct session_call call = { .method = HTTP_DELETE,
				     .target = target,
				     .on_answer = on_answer,
				     .arg = handset };

	session_call(handset->session, &call);
}

static void send_json(struct handset *handset, enum http_method method,
		      const char *target, struct slice json,
		      session_answer_fn *on_answer)
{
	struct http_field type = { SLICE("Content-Type"), SLICE("application/json") };
	struct session_call call = { .method = method,
				     .target = target,
				     .fields = &type,
				     .n_fields = 1,
				     .body = json,
				     .on_answer = on_answer,
				     .arg = handset };

	session_call(handset->session, &call);
}

void call_put(struct handset *handset, const char *target, struct slice json,
	      session_answer_fn *on_answer)
{
	send_json(handset, HTTP_PUT, target, json, on_answer);
}

void call_post(struct handset *handset, const char *target, struct slice json,
	       session_answer_fn *on_answer)
{
	send_json(handset, HTTP_POST, target, json, on_answer);
}

bool call_is_refused(const struct session_answer *answer)
{
	return !answer->failure && answer->status >= 400 && answer->status < 500;
}

void call_fail(struct handset *handset, const struct session_answer *answer)
{
	if (answer->failure)
		handset_fail(handset, answer->failure);
	else
		handset_fail(handset,
			     answer->reason ? answer->reason : "status_unexpected");
}
