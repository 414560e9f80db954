#include "gateway/forward.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "gateway/gateway_metrics.h"
#include "gateway/landnet.h"

#define PROBLEM_BYTES 4096
#define ANSWER_BYTES  65536 /* of a small answer */

struct forward {
	struct forward_settings settings;
	char *grant;
	struct exchange *device;  /* NULL when over */
	struct exchange *landnet; /* NULL before and after */
	struct pool_wait *wait;
	uint64_t tx_start, rx_start; /* bytes of the link before this exchange */
	int64_t asked_us;
	unsigned status;       /* given to the handset; 0: none */
	bool is_request_sent;  /* whole */
	bool is_response_sent; /* whole */
	bool is_held; /* the answer may be for us, it is read before it is passed on */
	bool is_answer_large;
	bool is_long;
	forward_fn *fn;
	void *arg;
};

/* The only names that pass; everything else from outside ends here (F11). */
static const char *const request_names[] = {
	"accept",   "accept-language", "content-type", "if-none-match",
	"if-range", "prefer",          "range",
};
static const char *const response_names[] = {
	"accept-ranges", "allow",       "cache-control", "content-range",
	"content-type",  "etag",        "location",      "preference-applied",
	"repr-digest",   "retry-after",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void forward_ask(struct forward *forward);

static size_t fields_allowed(const struct http_head *head, const char *const *names,
			     size_t n_names, const char *withheld,
			     struct http_field *fields)
{
	size_t n = 0;

	for (size_t i = 0; i < n_names; i++) {
		const struct http_field *field = http_field(head, names[i]);

		if (field && (!withheld || strcmp(names[i], withheld)))
			fields[n++] = *field;
	}
	return n;
}

static void forward_free(struct forward *forward)
{
	if (forward->wait)
		pool_cancel(forward->wait);
	free(forward->grant);
	free(forward);
}

static void forward_count(struct forward *forward)
{
	struct conn *conn = link_conn(exchange_link(forward->landnet));

	metrics_add(GATEWAY_FORWARDED_BYTES,
		    (int64_t)(conn_tx_total(conn) - forward->tx_start));
	metrics_add(GATEWAY_RETURNED_BYTES,
		    (int64_t)exchange_received_bytes(forward->landnet));
}

/* Half an exchange cannot be taken back: its link goes, and nobody else sees its bytes.
 */
static void landnet_drop(struct forward *forward)
{
	if (!forward->landnet)
		return;
	forward_count(forward);
	exchange_cancel(forward->landnet);
	forward->landnet = NULL;
}

/* An exchange that has nothing to give or to take any more ends by itself, and its link
 * goes back. */
static void landnet_release(struct forward *forward)
{
	struct evbuffer *body;

	if (!forward->landnet || !forward->is_request_sent) {
		landnet_drop(forward);
		return;
	}
	forward_count(forward);
	body = exchange_body(forward->landnet);
	evbuffer_drain(body, evbuffer_get_length(body));
	exchange_on(forward->landnet, landnet_ignore, NULL);
	forward->landnet = NULL;
}

static void forward_end(struct forward *forward, enum auth_reason reason)
{
	const struct forward_end end = {
		.reason = reason,
		.is_over = !forward->device,
		.status = forward->status,
	};

	landnet_drop(forward);
	forward->fn(forward->arg, &end);
	forward_free(forward);
}

/* The handset has its answer whole. */
static void forward_done(struct forward *forward)
{
	forward->device = NULL;
	landnet_release(forward);
	forward_end(forward, REASON_NONE);
}

/* The landnet side failed: tell the caller while nothing was answered, else cut off. */
static void forward_fail(struct forward *forward, enum auth_reason reason)
{
	landnet_drop(forward);
	if (!exchange_head_sent(forward->device)) {
		forward_end(forward, reason);
		return;
	}
	log_warn("forward_cut", log_str("srv", forward->settings.route->srv),
		 log_str("reason", auth_reason_name(reason)));
	exchange_cancel(forward->device);
	forward->device = NULL;
	forward_end(forward, reason);
}

/* Move what arrived on one side to the other, and the end with it. Bytes of a large
 * body wait for room, the end must not: who gave all its bytes is gone when there is
 * room again. */
static void relay(struct exchange *from, struct exchange *to, bool is_large,
		  bool *is_sent)
{
	struct evbuffer *body = exchange_body(from);

	if (*is_sent)
		return;
	if (evbuffer_get_length(body)) {
		if (is_large && exchange_is_full(to))
			return;
		exchange_send_body(to, body);
		exchange_resume(from);
	}
	if (exchange_is_received(from)) {
		*is_sent = true;
		exchange_send_end(to);
	}
}

static void relay_request(struct forward *forward)
{
	if (!forward->landnet || !forward->device)
		return;
	if (exchange_received_bytes(forward->device) >
	    (uint64_t)forward->settings.body_limit) {
		forward_fail(forward, REASON_BODY_TOO_LARGE);
		return;
	}
	relay(forward->device, forward->landnet, true, &forward->is_request_sent);
}

static void relay_response(struct forward *forward)
{
	if (!forward->device || !forward->landnet ||
	    !exchange_head_sent(forward->device))
		return;
	relay(forward->landnet, forward->device, forward->is_answer_large,
	      &forward->is_response_sent);
	/* Answered before the request was whole: the rest of it goes nowhere. */
	if (forward->is_response_sent && !forward->is_request_sent)
		landnet_drop(forward);
}

static void on_device(struct exchange *device, enum exchange_event event, void *arg)
{
	struct forward *forward = arg;

	(void)device;
	switch (event) {
	case EXCHANGE_BODY:
	case EXCHANGE_END: relay_request(forward); break;
	case EXCHANGE_WRITABLE: relay_response(forward); break;
	case EXCHANGE_DONE: forward_done(forward); break;
	case EXCHANGE_FAILED:
		forward->device = NULL;
		forward_end(forward, REASON_CLIENT_FAILED);
		break;
	case EXCHANGE_HEAD: break;
	}
}

/* To wait is long; nobody is invited to it when there is no place for him. */
static bool may_invite_to_wait(struct forward *forward)
{
	return !http_field(exchange_head(forward->device), "prefer") ||
	       pool_lengthen(forward->settings.route->pool,
			     exchange_link(forward->landnet));
}

static void send_request_head(struct forward *forward)
{
	const struct http_head *in = exchange_head(forward->device);
	struct http_field fields[COUNT(request_names) + 2];
	char number[LANDNET_NUMBER_CHARS];
	struct http_head out = *in;

	landnet_exchange_number(forward->landnet, number);
	out.host = slice_of(forward->settings.route->srv);
	out.fields = fields;
	out.n_fields =
		fields_allowed(in, request_names, COUNT(request_names),
			       may_invite_to_wait(forward) ? NULL : "prefer", fields);
	fields[out.n_fields++] =
		(struct http_field){ SLICE("Provbox-Grant"), slice_of(forward->grant) };
	fields[out.n_fields++] =
		(struct http_field){ SLICE("Provbox-Exchange"), slice_of(number) };
	out.keep_alive = true;
	out.expects_continue = false;
	exchange_send_head(forward->landnet, &out);
}

static void send_response_head(struct forward *forward)
{
	const struct http_head *in = exchange_head(forward->landnet);
	struct http_field fields[COUNT(response_names)];
	struct http_head out = *in;

	out.fields = fields;
	out.n_fields =
		fields_allowed(in, response_names, COUNT(response_names), NULL, fields);
	out.keep_alive = true;
	forward->status = in->status;
	exchange_send_head(forward->device, &out);
}

/* What may be asked twice: it changes nothing, and is there to be asked again. */
static bool is_safe(const struct http_head *request)
{
	return (request->method == HTTP_GET || request->method == HTTP_HEAD) &&
	       request->framing == HTTP_NO_BODY;
}

/* What the server says of the session and not of the request, and what that means. */
static const struct {
	unsigned status;
	const char *said;
	enum auth_reason meant;
} verdicts[] = {
	{ 401, "grant_expired", REASON_GRANT_EXPIRED },
	{ 401, "grant_epoch", REASON_GRANT_EPOCH },
	{ 403, "device_blocked", REASON_DEVICE_BLOCKED },
	{ 403, "device_unknown", REASON_DEVICE_UNKNOWN },
	{ 403, "gateway_unknown", REASON_AUTHENTICATION_REFUSED },
};

static bool may_be_verdict(unsigned status)
{
	return status == 401 || status == 403;
}

/* A 401 is never the handset's: what is none of the two that a new grant mends is an
 * invalid grant. A HEAD has no document that would tell; a new grant is worth a try. */
static enum auth_reason verdict_by_status(const struct forward *forward)
{
	if (exchange_head(forward->landnet)->status != 401)
		return REASON_NONE;
	return exchange_head(forward->device)->method == HTTP_HEAD
		       ? REASON_GRANT_EXPIRED
		       : REASON_GRANT_INVALID;
}

/* From the problem document of a held answer.
 * @return REASON_NONE: it is an answer like others */
static enum auth_reason verdict_of(struct forward *forward)
{
	unsigned status = exchange_head(forward->landnet)->status;
	enum auth_reason meant = verdict_by_status(forward);
	struct evbuffer *body = exchange_body(forward->landnet);
	size_t n = evbuffer_get_length(body);
	char why[128];
	json_t *problem =
		json_parse(slice_make(evbuffer_pullup(body, -1), n), why, sizeof(why));
	const char *said = json_string_value(json_object_get(problem, "reason"));

	for (size_t i = 0; said && i < COUNT(verdicts); i++) {
		if (verdicts[i].status == status && !strcmp(verdicts[i].said, said))
			meant = verdicts[i].meant;
	}
	json_decref(problem);
	return meant;
}

/* An answer of unknown length may be as long as it likes. */
static bool is_answer_large(const struct http_head *head)
{
	return head->framing == HTTP_CHUNKED ||
	       (head->framing == HTTP_LENGTH && head->content_length > ANSWER_BYTES);
}

/* No bytes of the answer have left: it is asked for once more, when there is place for
 * a long exchange. */
static void forward_put_back(struct forward *forward)
{
	metrics_add(GATEWAY_LANDNET_PUT_BACK, 1);
	if (!is_safe(exchange_head(forward->device))) {
		forward_fail(forward, REASON_LANDNET_BUSY);
		return;
	}
	landnet_drop(forward);
	forward->is_long = true;
	forward_ask(forward);
}

static void begin_response(struct forward *forward)
{
	forward->is_answer_large = is_answer_large(exchange_head(forward->landnet));
	if (!forward->is_answer_large || pool_lengthen(forward->settings.route->pool,
						       exchange_link(forward->landnet)))
		send_response_head(forward);
	else
		forward_put_back(forward);
}

static void on_response_head(struct forward *forward)
{
	if (!landnet_check_exchange(forward->landnet)) {
		forward_fail(forward, REASON_LANDNET_DESYNC);
		return;
	}
	if (!forward->is_long && !http_field(exchange_head(forward->device), "prefer"))
		metrics_observe(GATEWAY_ANSWER_SECONDS,
				time_monotonic_us() - forward->asked_us);
	forward->is_held = may_be_verdict(exchange_head(forward->landnet)->status);
	if (!forward->is_held)
		begin_response(forward);
}

static void on_response_body(struct forward *forward)
{
	if (!forward->is_held)
		relay_response(forward);
	else if (exchange_received_bytes(forward->landnet) > PROBLEM_BYTES)
		forward_fail(forward, REASON_LANDNET_FAILED);
	else
		exchange_resume(forward->landnet);
}

static void on_response_end(struct forward *forward)
{
	enum auth_reason verdict;

	if (forward->is_held) {
		verdict = verdict_of(forward);
		if (verdict != REASON_NONE) {
			landnet_release(forward);
			forward_end(forward, verdict);
			return;
		}
		forward->is_held = false;
		send_response_head(forward);
	}
	relay_response(forward);
}

/* What is safe goes again, on another link. */
static void on_landnet_failed(struct forward *forward)
{
	bool is_stale = landnet_is_stale(forward->landnet, forward->rx_start);
	enum auth_reason reason =
		landnet_failure(forward->landnet, forward->settings.route);

	forward_count(forward);
	forward->landnet = NULL;
	if (is_safe(exchange_head(forward->device)) && is_stale)
		forward_ask(forward);
	else
		forward_fail(forward, reason);
}

static void on_landnet(struct exchange *landnet, enum exchange_event event, void *arg)
{
	struct forward *forward = arg;

	(void)landnet;
	switch (event) {
	case EXCHANGE_HEAD: on_response_head(forward); break;
	case EXCHANGE_BODY: on_response_body(forward); break;
	case EXCHANGE_END: on_response_end(forward); break;
	case EXCHANGE_WRITABLE: relay_request(forward); break;
	case EXCHANGE_DONE:
		forward_count(forward);
		forward->landnet = NULL;
		break;
	case EXCHANGE_FAILED: on_landnet_failed(forward); break;
	}
}

static void on_link(void *arg, struct link *link, enum auth_reason reason)
{
	struct forward *forward = arg;

	forward->wait = NULL;
	if (!link) {
		forward_fail(forward, reason);
		return;
	}
	forward->tx_start = conn_tx_total(link_conn(link));
	forward->rx_start = conn_rx_total(link_conn(link));
	forward->landnet = link_request(link, on_landnet, forward);
	forward->asked_us = time_monotonic_us();
	metrics_add(GATEWAY_FORWARDED, 1);
	send_request_head(forward);
	if (exchange_head(forward->device)->framing == HTTP_NO_BODY) {
		forward->is_request_sent = true;
		return;
	}
	exchange_continue(forward->device);
	relay_request(forward);
}

static void forward_ask(struct forward *forward)
{
	forward->wait = pool_get(forward->settings.route->pool,
				 forward->is_long ? POOL_LONG : POOL_SHORT,
				 forward->settings.pool_wait_ms, on_link, forward);
}

struct forward *forward_begin(struct exchange *device,
			      const struct forward_settings *settings, forward_fn *fn,
			      void *arg)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	BUG_ON(!forward);
	*forward = (struct forward){
		.settings = *settings,
		/* The session's own may be replaced while this one waits for a link. */
		.grant = strndup((const char *)settings->grant.p, settings->grant.n),
		.device = device,
		.is_long = settings->is_long,
		.fn = fn,
		.arg = arg,
	};
	BUG_ON(!forward->grant);
	exchange_on(device, on_device, forward);
	forward_ask(forward);
	return forward;
}

void forward_cancel(struct forward *forward)
{
	landnet_drop(forward);
	if (forward->device)
		exchange_cancel(forward->device);
	forward_free(forward);
}
