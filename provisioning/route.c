#include "provisioning/route.h"

#include <stdio.h>

#include "provisioning/authentication.h"
#include "provisioning/content.h"
#include "provisioning/control.h"
#include "provisioning/device_api.h"
#include "provisioning/session_end.h"
#include "provisioning/wait.h"

#define JSON_BODY  16384
#define SHORT_BODY 2048

/* clang-format off */
const struct route routes[] = {
	{ HTTP_POST, "/v1/authentication", ROUTE_GATEWAY, 0, SHORT_BODY,
	  STATEMENT_AUTHENTICATION_READ, authentication_fill, authentication_answer },
	{ HTTP_POST, "/v1/sessions/{sid}/end", ROUTE_GATEWAY, 0, SHORT_BODY,
	  STATEMENT_SESSION_END, session_end_fill, session_end_answer },
	{ HTTP_GET, "/v1/control", ROUTE_GATEWAY, 0, 0,
	  STATEMENT_CHANGES_READ, control_fill, control_answer },

	{ HTTP_GET, "/v1/device", ROUTE_DEVICE, PERMISSION_CARE, 0,
	  STATEMENT_DEVICE_READ, device_api_fill, device_api_answer },
	{ HTTP_GET, "/v1/catalogue", ROUTE_DEVICE, PERMISSION_PROVISION, 0,
	  STATEMENT_CATALOGUE_READ, device_api_fill, device_api_answer },
	{ HTTP_PUT, "/v1/requests/{uuid}", ROUTE_DEVICE, PERMISSION_PROVISION, JSON_BODY,
	  STATEMENT_REQUEST_PUT, device_api_fill_request, device_api_answer },
	{ HTTP_GET, "/v1/requests/{uuid}", ROUTE_DEVICE, PERMISSION_PROVISION, 0,
	  STATEMENT_REQUEST_READ, wait_fill, wait_answer },
	{ HTTP_DELETE, "/v1/requests/{uuid}", ROUTE_DEVICE, PERMISSION_PROVISION, 0,
	  STATEMENT_REQUEST_DELETE, device_api_fill_id, device_api_answer },
	{ HTTP_GET, "/v1/requests/{uuid}/terms", ROUTE_DEVICE, PERMISSION_PROVISION, 0,
	  STATEMENT_TERMS_READ, device_api_fill_id, device_api_answer },
	{ HTTP_PUT, "/v1/requests/{uuid}/answer", ROUTE_DEVICE, PERMISSION_PROVISION,
	  SHORT_BODY, STATEMENT_ANSWER_PUT, device_api_fill_answer, device_api_answer },
	{ HTTP_PUT, "/v1/requests/{uuid}/items/{item}/result", ROUTE_DEVICE,
	  PERMISSION_PROVISION, SHORT_BODY, STATEMENT_ITEM_RESULT_PUT, device_api_fill_result,
	  device_api_answer },
	{ HTTP_POST, "/v1/requests/{uuid}/retransmission", ROUTE_DEVICE,
	  PERMISSION_PROVISION, SHORT_BODY, STATEMENT_RETRANSMISSION_POST,
	  device_api_fill_retransmission, device_api_answer },
	{ HTTP_GET, "/v1/content/{sha256}", ROUTE_DEVICE, PERMISSION_PROVISION, 0,
	  STATEMENT_CONTENT_OPEN, content_fill, content_answer },
};
/* clang-format on */
const size_t routes_count = sizeof(routes) / sizeof(routes[0]);

static bool is_made_of(struct slice text, struct slice characters)
{
	for (size_t i = 0; i < text.n; i++)
		if (!memchr(characters.p, text.p[i], characters.n))
			return false;
	return true;
}

static bool is_sha256(struct slice text)
{
	return text.n == 2 * SHA256_BYTES &&
	       is_made_of(text, SLICE("0123456789abcdef"));
}

static bool is_sid(struct slice text)
{
	uint8_t sid[AUTH_SID_BYTES];
	return base64url_decode(text, sid, sizeof(sid)) == sizeof(sid);
}

static bool is_item(struct slice text)
{
	return text.n >= 1 && text.n <= 64 &&
	       is_made_of(text, SLICE("abcdefghijklmnopqrstuvwxyz0123456789._-"));
}

static const struct {
	struct slice name;
	bool (*is_one)(struct slice text);
	bool is_request_id;
} kinds[] = {
	{ SLICE("{uuid}"), uuid_is_valid, true },
	{ SLICE("{sha256}"), is_sha256, false },
	{ SLICE("{sid}"), is_sid, false },
	{ SLICE("{item}"), is_item, false },
};

/* A literal segment matches itself; a kind matches and becomes an argument. */
static bool match_segment(struct slice pattern, struct slice segment,
			  struct route_match *out, size_t *n_args)
{
	if (pattern.n == 0 || pattern.p[0] != '{')
		return slice_eq(pattern, segment);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_eq(pattern, kinds[i].name) || !kinds[i].is_one(segment))
			continue;
		out->args[(*n_args)++] = segment;
		if (kinds[i].is_request_id)
			out->request_id = segment;
		return true;
	}
	return false;
}

static bool match_path(const char *pattern, struct slice path, struct route_match *out)
{
	struct slice patterns = slice_of(pattern), expected, segment;
	size_t n_args = 0;
	while (slice_next(&patterns, '/', &expected))
		if (!slice_next(&path, '/', &segment) ||
		    !match_segment(expected, segment, out, &n_args))
			return false;
	return !slice_next(&path, '/', &segment);
}

void route_find(enum http_method method, struct slice target, struct route_match *out)
{
	*out = (struct route_match){ .route = NULL };
	for (size_t i = 0; i < routes_count; i++) {
		struct route_match match = { .route = &routes[i] };
		if (!match_path(routes[i].pattern, target, &match))
			continue;
		if (routes[i].method == method) {
			*out = match;
			return;
		}
		size_t n = strlen(out->allow);
		snprintf(out->allow + n, sizeof(out->allow) - n, "%s%s", n ? ", " : "",
			 http_method_name(routes[i].method));
	}
}
