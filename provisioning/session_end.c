#include "provisioning/session_end.h"

bool session_end_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	enum auth_reason reason;
	char why[128];
	uint8_t sid[AUTH_SID_BYTES];
	enum auth_fault fault =
		auth_end_decode(call->body, &call->claims, &reason, why, sizeof(why));
	if (fault == AUTH_FAULT_VERSION) {
		api_refuse(call, API_VERSION_UNSUPPORTED, NULL);
		return false;
	}
	if (fault != AUTH_FAULT_NONE) {
		api_refuse(call, API_BODY_INVALID, why);
		return false;
	}
	if (base64url_decode(call->match.args[0], sid, sizeof(sid)) != sizeof(sid) ||
	    memcmp(sid, call->claims.sid, sizeof(sid)) != 0) {
		api_refuse(call, API_BODY_INVALID,
			   "member `sid`: not that of the path");
		return false;
	}
	if (!authority_covers(call->peer->gateway->devices, call->claims.dev)) {
		api_refuse(call, API_GATEWAY_NOT_FOR_DEVICE, NULL);
		return false;
	}
	params[(*n)++] = db_bytes(call->claims.sid, AUTH_SID_BYTES);
	params[(*n)++] = db_text(call->claims.dev);
	params[(*n)++] = db_text(AUTH_METHOD);
	params[(*n)++] = db_bytes(call->claims.cred, SHA256_BYTES);
	params[(*n)++] = db_bytes(call->peer->gw, SHA256_BYTES);
	params[(*n)++] = db_text(auth_reason_name(reason));
	call->reason = slice_of(auth_reason_name(reason));
	return true;
}

/* Stored now or before: the gateway may forget it. */
void session_end_answer(struct api_call *call, const PGresult *result)
{
	(void)result;
	api_reply(call, 204, NULL, 0, slice_make(NULL, 0));
}
