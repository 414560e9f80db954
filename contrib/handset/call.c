#include "contrib/handset/call.h"

const char *call_target(const struct handset *handset, const char *rest,
			char out[CALL_TARGET_CHARS])
{
	snprintf(out, CALL_TARGET_CHARS, "/v1/requests/%s%s", handset->journal.id,
		 rest);
	return out;
}

void call_json(struct session *session, enum http_method method, const char *target,
	       struct slice json, session_answer_fn *on_answer, void *arg)
{
	struct http_field type = { SLICE("Content-Type"), SLICE("application/json") };
	struct session_call call = { .method = method,
				     .target = target,
				     .fields = &type,
				     .n_fields = json.n > 0,
				     .body = json,
				     .on_answer = on_answer,
				     .arg = arg };

	session_call(session, &call);
}

void call_get(struct handset *handset, const char *target, session_answer_fn *on_answer)
{
	call_json(handset->session, HTTP_GET, target, (struct slice){ NULL, 0 },
		  on_answer, handset);
}

void call_delete(struct handset *handset, const char *target,
		 session_answer_fn *on_answer)
{
	call_json(handset->session, HTTP_DELETE, target, (struct slice){ NULL, 0 },
		  on_answer, handset);
}

void call_put(struct handset *handset, const char *target, struct slice json,
	      session_answer_fn *on_answer)
{
	call_json(handset->session, HTTP_PUT, target, json, on_answer, handset);
}

void call_post(struct handset *handset, const char *target, struct slice json,
	       session_answer_fn *on_answer)
{
	call_json(handset->session, HTTP_POST, target, json, on_answer, handset);
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
