#include "provisioning/api.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "provisioning/admission.h"
#include "provisioning/server_metrics.h"

#define RETRY_AFTER SLICE("1")

/* clang-format off */
static const struct {
	unsigned status;
	struct slice reason;
} refusals[API_N_REFUSALS] = {
	[API_GATEWAY_UNKNOWN] = { 403, SLICE("gateway_unknown") },
	[API_GRANT_INVALID] = { 401, SLICE("grant_invalid") },
	[API_GRANT_EXPIRED] = { 401, SLICE("grant_expired") },
	[API_GRANT_UNEXPECTED] = { 400, SLICE("grant_unexpected") },
	[API_EXCHANGE_MISMATCH] = { 400, SLICE("exchange_mismatch") },
	[API_PATH_UNKNOWN] = { 404, SLICE("path_unknown") },
	[API_METHOD_NOT_ALLOWED] = { 405, SLICE("method_not_allowed") },
	[API_METHOD_NOT_PERMITTED] = { 403, SLICE("method_not_permitted") },
	[API_GATEWAY_NOT_FOR_DEVICE] = { 403, SLICE("gateway_not_for_device") },
	[API_VERSION_UNSUPPORTED] = { 400, SLICE("version_unsupported") },
	[API_MEDIA_TYPE] = { 415, SLICE("media_type_unsupported") },
	[API_BODY_UNEXPECTED] = { 400, SLICE("body_unexpected") },
	[API_BODY_TOO_LARGE] = { 413, SLICE("body_too_large") },
	[API_BODY_INVALID] = { 400, SLICE("body_invalid") },
	[API_RANGE] = { 416, SLICE("range_unsatisfiable") },
	[API_DATABASE_UNAVAILABLE] = { 503, SLICE("database_unavailable") },
	[API_ZONE_UNAVAILABLE] = { 503, SLICE("zone_unavailable") },
	[API_BUSY] = { 503, SLICE("server_busy") },
	[API_INTERNAL] = { 500, SLICE("internal") },
};
/* clang-format on */

/* ---- The end of a call ---- */

static void api_free(struct api_call *call)
{
	if (call->on_end)
		call->on_end(call);
	if (call->query)
		db_cancel(call->query);
	timer_cancel(&call->timer);
	if (call->rx)
		evbuffer_free(call->rx);
	json_decref(call->json);
	call->peer->call = NULL;
	free(call);
}

static void api_log(const struct api_call *call, bool is_whole)
{
	char sid[BASE64URL_CHARS(AUTH_SID_BYTES) + 1] = "";
	const struct http_head *head = exchange_head(call->exchange);
	const struct route *route = call->match.route;
	bool is_known = *call->claims.dev;
	if (is_known)
		base64url_encode(slice_make(call->claims.sid, AUTH_SID_BYTES), sid);
	log_info("request", log_str("method", http_method_name(head->method)),
		 log_str("route", route ? route->pattern : NULL),
		 log_num("status", is_whole ? call->status : 0),
		 log_slice("reason", is_whole ? call->reason : SLICE("cut")),
		 log_masked("dev", slice_of(is_known ? call->claims.dev : NULL)),
		 log_str("sid", sid), log_slice("rid", call->match.request_id),
		 log_num("ms",
			 loop_now_ms(call->peer->landnet->loop) - call->started_ms));
	metrics_add(is_whole ? SERVER_ANSWERS_1XX + call->status / 100 - 1
			     : SERVER_REQUESTS_CUT,
		    1);
}

void api_drop(struct api_call *call)
{
	api_log(call, false);
	api_free(call);
}

void api_abort(struct api_call *call, const char *reason)
{
	struct exchange *exchange = call->exchange;
	log_warn("answer_cut", log_str("route", call->match.route->pattern),
		 log_str("reason", reason));
	api_drop(call);
	exchange_cancel(exchange);
}

struct arena *api_arena(struct api_call *call)
{
	return exchange_arena(call->exchange);
}

void *api_alloc(struct api_call *call, size_t n)
{
	void *memory = arena_alloc(api_arena(call), n);
	BUG_ON(!memory);
	return memory;
}

/* ---- Answers ---- */

/* Fields of every answer after those of the caller; the array holds them all. */
static size_t add_own_fields(struct api_call *call, unsigned status,
			     const struct http_field *fields, size_t n_fields,
			     struct http_field *out)
{
	BUG_ON(n_fields > API_FIELDS_MAX);
	size_t n = 0;
	for (; n < n_fields; n++)
		out[n] = fields[n];
	char *number =
		arena_printf(api_arena(call), "%" PRIu64, link_count(call->peer->link));
	out[n++] = (struct http_field){ SLICE("Provbox-Exchange"), slice_of(number) };
	if (status == 401)
		out[n++] = (struct http_field){ SLICE("WWW-Authenticate"),
						SLICE("Provbox-Grant") };
	if (status == 503 || status == 429)
		out[n++] =
			(struct http_field){ SLICE("Retry-After"),
					     call->retry_after.n > 0 ? call->retry_after
								     : RETRY_AFTER };
	return n;
}

static void send_head(struct api_call *call, unsigned status,
		      const struct http_field *fields, size_t n_fields,
		      enum http_framing framing, uint64_t length)
{
	struct http_field all[API_FIELDS_MAX + 3];
	call->status = status;
	exchange_send_head(
		call->exchange,
		&(struct http_head){
			.status = status,
			.fields = all,
			.n_fields = add_own_fields(call, status, fields, n_fields, all),
			.framing = framing,
			.content_length = length,
			.keep_alive = true,
		});
}

void api_send_head(struct api_call *call, unsigned status,
		   const struct http_field *fields, size_t n_fields, uint64_t length)
{
	send_head(call, status, fields, n_fields, HTTP_LENGTH, length);
}

void api_send_head_chunked(struct api_call *call, unsigned status,
			   const struct http_field *fields, size_t n_fields)
{
	send_head(call, status, fields, n_fields, HTTP_CHUNKED, 0);
}

void api_reply(struct api_call *call, unsigned status, const struct http_field *fields,
	       size_t n_fields, struct slice body)
{
	struct http_field all[API_FIELDS_MAX + 3];
	call->status = status;
	exchange_reply(call->exchange, status, all,
		       add_own_fields(call, status, fields, n_fields, all), body);
}

/* @p versions: those that are spoken; NULL where that is not the question. Taken. */
static void reply_problem(struct api_call *call, unsigned status, struct slice reason,
			  const char *detail, const struct http_field *field,
			  json_t *versions)
{
	json_t *problem = json_pack("{s:s, s:s, s:i, s:s%, s:s*, s:o*}", "type",
				    "about:blank", "title", http_status_phrase(status),
				    "status", (int)status, "reason", reason.p, reason.n,
				    "detail", detail, "versions", versions);
	char *text = json_dumps(problem, JSON_COMPACT);
	BUG_ON(!text);
	struct http_field fields[2] = {
		{ SLICE("Content-Type"), SLICE("application/problem+json") },
	};
	if (field)
		fields[1] = *field;
	call->reason = arena_copy(api_arena(call), reason);
	api_reply(call, status, fields, field ? 2 : 1, slice_of(text));
	free(text);
	json_decref(problem);
}

void api_problem(struct api_call *call, unsigned status, struct slice reason,
		 const char *detail)
{
	if (slice_eq(reason, SLICE("grant_epoch")))
		metrics_add(SERVER_GRANTS_EPOCH, 1);
	reply_problem(call, status, reason, detail, NULL, NULL);
}

void api_refuse(struct api_call *call, enum api_refusal refusal, const char *detail)
{
	api_refuse_with(call, refusal, detail, NULL);
}

void api_refuse_with(struct api_call *call, enum api_refusal refusal,
		     const char *detail, const struct http_field *field)
{
	json_t *versions = refusal == API_VERSION_UNSUPPORTED
				   ? json_pack("[i]", AUTH_VERSION)
				   : NULL;
	reply_problem(call, refusals[refusal].status, refusals[refusal].reason, detail,
		      field, versions);
}

/* ---- The database ---- */

static void on_db(void *arg, enum db_status status, const PGresult *result)
{
	static const struct {
		enum api_refusal refusal;
		const char *reason;
	} failures[] = {
		[DB_UNAVAILABLE] = { API_DATABASE_UNAVAILABLE, "database_unavailable" },
		[DB_TIMEOUT] = { API_DATABASE_UNAVAILABLE, "database_timeout" },
		[DB_FAILED] = { API_INTERNAL, "internal" },
	};
	struct api_call *call = arg;
	call->query = NULL;
	server_metrics_database(status);
	if (status == DB_OK) {
		call->on_result(call, result);
		return;
	}
	if (exchange_head_sent(call->exchange))
		api_abort(call, failures[status].reason);
	else
		api_refuse(call, failures[status].refusal, NULL);
}

void api_query(struct api_call *call, enum statement statement,
	       const struct db_param *params, size_t n_params, api_result_fn *fn)
{
	metrics_add(SERVER_DATABASE_CALLS, 1);
	call->on_result = fn;
	call->query = db_call(call->peer->landnet->db, statement, params, n_params,
			      on_db, call);
	if (call->query)
		return;
	if (exchange_head_sent(call->exchange))
		api_abort(call, "server_busy");
	else
		api_refuse(call, API_BUSY, NULL);
}

void api_ask(struct api_call *call)
{
	const struct route *route = call->match.route;
	struct db_param params[DB_PARAMS_MAX];
	size_t n = 0;
	if (route->access == ROUTE_DEVICE) {
		params[n++] = db_text(call->claims.dev);
		params[n++] =
			db_text(arena_printf(api_arena(call), "%" PRId64, call->epoch));
		params[n++] = db_text(permission_name(route->permission));
	}
	if (route->fill(call, params, &n))
		api_query(call, route->statement, params, n, route->answer);
}

bool api_row_read(struct api_call *call, const PGresult *result, struct api_row *out)
{
	uint64_t status;
	if (PQntuples(result) != 1 || PQnfields(result) != 5 ||
	    !slice_to_u64(db_value(result, 0, 0), 599, &status) || status < 200) {
		log_error("row_malformed",
			  log_str("statement",
				  statements[call->match.route->statement].name));
		api_refuse(call, API_INTERNAL, NULL);
		return false;
	}
	struct arena *arena = api_arena(call);
	out->status = (unsigned)status;
	out->reason = arena_copy(arena, db_value(result, 0, 1));
	out->etag = arena_copy(arena, db_value(result, 0, 2));
	call->retry_after = arena_copy(arena, db_value(result, 0, 4));
	out->body = db_value(result, 0, 3); /* may be long: lives as the result does */
	return true;
}

bool api_read_json(struct api_call *call, const struct json_member *members,
		   size_t n_members, void *out)
{
	char why[128];
	call->json = json_parse(call->body, why, sizeof(why));
	if (call->json &&
	    json_read(call->json, members, n_members, out, why, sizeof(why)))
		return true;
	api_refuse(call, API_BODY_INVALID, why);
	return false;
}

/* ---- The beginning of a call ---- */

static void on_timer(void *arg)
{
	struct api_call *call = arg;
	call->on_timer(call);
}

struct slice api_field(const struct api_call *call, const char *name)
{
	const struct http_field *field =
		http_field(exchange_head(call->exchange), name);
	return field ? field->value : slice_make(NULL, 0);
}

/* More of the body has come, or its end. */
static void api_gather(struct api_call *call)
{
	if (!call->rx || call->status)
		return;
	evbuffer_add_buffer(call->rx, exchange_body(call->exchange));
	if (evbuffer_get_length(call->rx) > call->match.route->body_limit) {
		api_refuse(call, API_BODY_TOO_LARGE, NULL);
	} else if (exchange_is_received(call->exchange)) {
		call->body = slice_make(evbuffer_pullup(call->rx, -1),
					evbuffer_get_length(call->rx));
		api_ask(call);
	} else {
		exchange_resume(call->exchange);
	}
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange;
	struct api_call *call = arg;
	switch (event) {
	case EXCHANGE_HEAD: break;
	case EXCHANGE_BODY:
	case EXCHANGE_END: api_gather(call); break;
	case EXCHANGE_WRITABLE:
		if (call->on_writable)
			call->on_writable(call);
		break;
	case EXCHANGE_DONE:
		api_log(call, true);
		api_free(call);
		break;
	case EXCHANGE_FAILED: api_drop(call); break;
	}
}

void api_begin(struct peer *peer, struct exchange *exchange)
{
	struct api_call *call = calloc(1, sizeof(*call));
	BUG_ON(!call || peer->call);
	call->peer = peer;
	call->exchange = exchange;
	call->started_ms = loop_now_ms(peer->landnet->loop);
	timer_init(&call->timer, peer->landnet->loop, on_timer, call);
	peer->call = call;
	exchange_on(exchange, on_exchange, call);
	if (!admission_check(call))
		return;
	if (call->match.route->body_limit == 0) {
		api_ask(call);
		return;
	}
	call->rx = evbuffer_new();
	BUG_ON(!call->rx);
	api_gather(call);
}
