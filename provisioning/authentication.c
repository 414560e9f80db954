#include "provisioning/authentication.h"

#include "base/log.h"
#include "base/time.h"
#include "provisioning/server_metrics.h"

struct authentication {
	bool wants_proof;
	struct auth_information information;
	uint32_t question; /* to the zone; 0: none */
};

/* What the gateway cannot say for itself: who it is, and who we are. */
static void set_own_claims(struct api_call *call)
{
	const struct landnet *landnet = call->peer->landnet;
	memcpy(call->claims.gw, call->peer->gw, sizeof(call->claims.gw));
	memcpy(call->claims.srv, landnet->srv, sizeof(landnet->srv));
}

bool authentication_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	struct authentication *own = api_alloc(call, sizeof(*own));
	char why[128];
	call->own = own;
	switch (auth_request_decode(call->body, &call->claims, &own->wants_proof, why,
				    sizeof(why))) {
	case AUTH_FAULT_NONE: break;
	case AUTH_FAULT_FORM: api_refuse(call, API_BODY_INVALID, why); return false;
	case AUTH_FAULT_METHOD:
		api_refuse(call, API_METHOD_NOT_PERMITTED, NULL);
		return false;
	case AUTH_FAULT_VERSION:
		api_refuse(call, API_VERSION_UNSUPPORTED, NULL);
		return false;
	}
	if (!authority_covers(call->peer->gateway->devices, call->claims.dev)) {
		api_refuse(call, API_GATEWAY_NOT_FOR_DEVICE, NULL);
		return false;
	}
	set_own_claims(call);
	params[(*n)++] = db_text(call->claims.dev);
	params[(*n)++] = db_bytes(call->claims.cred, SHA256_BYTES);
	params[(*n)++] = db_text(AUTH_METHOD);
	params[(*n)++] = db_bytes(call->claims.gw, SHA256_BYTES);
	params[(*n)++] = db_bytes(call->claims.sid, AUTH_SID_BYTES);
	return true;
}

static void send_information(struct api_call *call)
{
	struct authentication *own = call->own;
	struct http_field type = { SLICE("Content-Type"), SLICE("application/json") };
	const char *json = auth_information_encode(&own->information, api_arena(call));
	BUG_ON(!json);
	api_reply(call, 200, &type, 1, slice_of(json));
}

static void on_proof(void *arg, bool ok, struct slice answer)
{
	struct api_call *call = arg;
	struct authentication *own = call->own;
	own->question = 0;
	metrics_add(ok ? SERVER_PROOFS : SERVER_PROOFS_FAILED, 1);
	if (!ok) {
		api_refuse(call, API_ZONE_UNAVAILABLE, NULL);
		return;
	}
	own->information.proof = arena_copy(api_arena(call), answer);
	send_information(call);
}

static void on_end(struct api_call *call)
{
	const struct authentication *own = call->own;
	if (own->question)
		child_cancel(call->peer->landnet->zone, own->question);
}

/* The proof covers the grant by its hash, and the standing. */
static void ask_proof(struct api_call *call)
{
	const struct landnet *landnet = call->peer->landnet;
	struct authentication *own = call->own;
	uint8_t gh[SHA256_BYTES];
	grant_hash(own->information.grant, gh);
	own->question = zone_ask_proof(
		landnet->zone, &call->claims, own->information.standing, gh,
		landnet->config->authentication_timeout_ms, on_proof, call);
	call->on_end = on_end;
	if (!own->question) {
		metrics_add(SERVER_PROOFS_FAILED, 1);
		api_refuse(call, API_ZONE_UNAVAILABLE, NULL);
	}
}

static struct slice make_grant(struct api_call *call, enum standing standing,
			       uint64_t epoch)
{
	uint8_t *bytes = api_alloc(call, AUTH_GRANT_BYTES);
	struct grant grant = { .claims = call->claims, .standing = standing };
	grant.epoch = (int64_t)epoch;
	grant.issued_s = time_now_ms() / 1000;
	grant.expires_s = grant.issued_s + AUTH_GRANT_SECONDS;
	return slice_make(bytes,
			  grant_make(call->peer->landnet->grants, &grant, bytes));
}

static void count_outcome(struct slice reason)
{
	static const struct {
		struct slice reason;
		enum server_metric metric;
	} table[] = {
		{ SLICE("device_unknown"), SERVER_AUTHENTICATION_UNKNOWN },
		{ SLICE("device_blocked"), SERVER_AUTHENTICATION_BLOCKED },
		{ SLICE("credential_mismatch"), SERVER_AUTHENTICATION_MISMATCH },
		{ SLICE("device_clone"), SERVER_AUTHENTICATION_CLONE },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (slice_eq(reason, table[i].reason))
			metrics_add(table[i].metric, 1);
}

void authentication_answer(struct api_call *call, const PGresult *result)
{
	struct authentication *own = call->own;
	struct auth_information *information = &own->information;
	uint64_t epoch;
	if (PQntuples(result) != 1 ||
	    !standing_parse(db_value(result, 0, 0), &information->standing) ||
	    !slice_to_u64(db_value(result, 0, 1), INT64_MAX, &epoch)) {
		log_error("row_malformed", log_str("statement", "authentication_read"));
		api_refuse(call, API_INTERNAL, NULL);
		return;
	}
	memcpy(information->sid, call->claims.sid, sizeof(information->sid));
	memcpy(information->nonce, call->claims.nonce, sizeof(information->nonce));
	if (slice_eq(db_value(result, 0, 2), SLICE("grant"))) {
		information->grant = make_grant(call, information->standing, epoch);
		metrics_add(SERVER_AUTHENTICATED, 1);
	} else {
		call->reason = arena_copy(api_arena(call), db_value(result, 0, 3));
		count_outcome(call->reason);
	}
	if (own->wants_proof)
		ask_proof(call);
	else
		send_information(call);
}
