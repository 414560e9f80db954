#include "provisioning/admission.h"

#include <inttypes.h>

#include "base/time.h"
#include "provisioning/server_metrics.h"

/* An answer must never reach another request than its own: both ends count, and write
 * what they have counted in the same way. */
static bool check_exchange(struct api_call *call)
{
	const char *expected =
		arena_printf(api_arena(call), "%" PRIu64, link_count(call->peer->link));
	if (slice_eq(api_field(call, "Provbox-Exchange"), slice_of(expected)))
		return true;
	metrics_add(SERVER_EXCHANGES_MISMATCHED, 1);
	api_refuse(call, API_EXCHANGE_MISMATCH, NULL);
	return false;
}

/* What comes with a grant comes from a device: it never speaks in a gateway's name. */
static bool check_no_grant(struct api_call *call)
{
	if (http_field_count(exchange_head(call->exchange), "Provbox-Grant") == 0)
		return true;
	metrics_add(SERVER_GRANTS_UNEXPECTED, 1);
	api_refuse(call, API_GRANT_UNEXPECTED, NULL);
	return false;
}

/* Everything about the grant but its epoch, which the statement compares. */
static bool check_grant(struct api_call *call)
{
	const struct landnet *landnet = call->peer->landnet;
	uint8_t bytes[AUTH_GRANT_BYTES];
	struct grant grant;
	ssize_t n = base64url_decode(api_field(call, "Provbox-Grant"), bytes,
				     sizeof(bytes));
	enum auth_reason reason = REASON_GRANT_INVALID;
	if (n > 0)
		reason = grant_open(landnet->grants, slice_make(bytes, (size_t)n),
				    call->peer->gw, landnet->srv, time_now_ms() / 1000,
				    &grant);
	if (reason == REASON_NONE) {
		call->claims = grant.claims;
		call->epoch = grant.epoch;
		return true;
	}
	bool is_expired = reason == REASON_GRANT_EXPIRED;
	metrics_add(is_expired ? SERVER_GRANTS_EXPIRED : SERVER_GRANTS_INVALID, 1);
	api_refuse(call, is_expired ? API_GRANT_EXPIRED : API_GRANT_INVALID, NULL);
	return false;
}

static bool check_route(struct api_call *call)
{
	if (call->match.route)
		return true;
	struct http_field allow = { SLICE("Allow"), slice_of(call->match.allow) };
	if (allow.value.n > 0)
		api_refuse_with(call, API_METHOD_NOT_ALLOWED, NULL, &allow);
	else
		api_refuse(call, API_PATH_UNKNOWN, NULL);
	return false;
}

static bool check_body(struct api_call *call)
{
	const struct http_head *head = exchange_head(call->exchange);
	size_t limit = call->match.route->body_limit;
	bool is_empty = head->framing == HTTP_NO_BODY ||
			(head->framing == HTTP_LENGTH && head->content_length == 0);
	if (limit == 0) {
		if (!is_empty)
			api_refuse(call, API_BODY_UNEXPECTED, NULL);
		return is_empty;
	}
	struct slice type = api_field(call, "Content-Type"), media;
	if (!slice_next(&type, ';', &media) ||
	    !slice_eq_nocase(slice_trim(media), SLICE("application/json"))) {
		api_refuse(call, API_MEDIA_TYPE, "send application/json");
		return false;
	}
	if (head->framing == HTTP_LENGTH && head->content_length > limit) {
		api_refuse(call, API_BODY_TOO_LARGE, NULL);
		return false;
	}
	return true;
}

bool admission_check(struct api_call *call)
{
	if (!call->peer->gateway) {
		api_refuse(call, API_GATEWAY_UNKNOWN, NULL);
		return false;
	}
	const struct http_head *head = exchange_head(call->exchange);
	route_find(head->method, head->target, &call->match);
	const struct route *route = call->match.route;
	bool is_own = route && route->access == ROUTE_GATEWAY;
	return check_exchange(call) &&
	       (is_own ? check_no_grant(call) : check_grant(call)) &&
	       check_route(call) && check_body(call);
}
