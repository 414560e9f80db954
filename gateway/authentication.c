#include "gateway/authentication.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "gateway/gateway_metrics.h"
#include "gateway/landnet.h"

#define ANSWER_BYTES (24 * 1024)
#define ARENA_BYTES  (128 * 1024)

struct authentication {
	struct route *route;
	struct auth_claims claims;
	bool wants_proof;
	struct arena *arena;
	struct pool_wait *wait;    /* while waiting for a link */
	struct exchange *exchange; /* while the server is asked */
	uint64_t rx_start;         /* bytes of the link before this exchange */
	int64_t asked_us;
	struct timer deadline;
	authentication_fn *fn;
	void *arg;
};

static void authentication_ask(struct authentication *authentication);

static void authentication_free(struct authentication *authentication)
{
	if (authentication->wait)
		pool_cancel(authentication->wait);
	if (authentication->exchange)
		exchange_cancel(authentication->exchange);
	timer_cancel(&authentication->deadline);
	arena_free(authentication->arena);
	free(authentication);
}

static void authentication_end(struct authentication *authentication,
			       enum auth_reason reason,
			       const struct auth_information *information)
{
	authentication->fn(authentication->arg, reason, information,
			   &authentication->claims);
	authentication_free(authentication);
}

static void on_deadline(void *arg)
{
	struct authentication *authentication = arg;

	authentication_end(authentication,
			   authentication->wait ? REASON_LANDNET_BUSY
						: REASON_AUTHENTICATION_TIMEOUT,
			   NULL);
}

static enum auth_reason check_proof(struct authentication *authentication,
				    const struct auth_information *information)
{
	uint8_t gh[SHA256_BYTES];
	enum auth_reason reason;

	if (!information->proof.n)
		return authentication->wants_proof ? REASON_PROOF_MISSING : REASON_NONE;
	grant_hash(information->grant, gh);
	reason = proof_verify(authentication->route->trust, information->proof,
			      &authentication->claims, information->standing, gh);
	if (reason == REASON_NONE)
		metrics_add(GATEWAY_PROOFS, 1);
	return reason;
}

/* security: a standing without a grant may look, but nothing is forwarded for it. */
static enum auth_reason check_grant(const struct auth_information *information)
{
	bool is_granted = information->standing != STANDING_BLOCKED &&
			  information->standing != STANDING_UNKNOWN;

	if (is_granted && !information->grant.n)
		return REASON_GRANT_MISSING;
	if (!is_granted && information->grant.n)
		return REASON_AUTHENTICATION_MISMATCH;
	return REASON_NONE;
}

static enum auth_reason check_information(struct authentication *authentication,
					  struct slice body,
					  struct auth_information *information)
{
	const struct auth_claims *own = &authentication->claims;
	enum auth_reason reason;
	char why[128];

	if (!auth_information_decode(body, authentication->arena, information, why,
				     sizeof(why))) {
		log_warn("authentication_malformed",
			 log_str("srv", authentication->route->srv),
			 log_str("why", why));
		return REASON_AUTHENTICATION_MALFORMED;
	}
	if (memcmp(information->sid, own->sid, sizeof(own->sid)) ||
	    memcmp(information->nonce, own->nonce, sizeof(own->nonce)))
		return REASON_AUTHENTICATION_MISMATCH;
	reason = check_grant(information);
	return reason != REASON_NONE ? reason
				     : check_proof(authentication, information);
}

static bool is_json(const struct http_head *head)
{
	const struct http_field *type = http_field(head, "content-type");

	return type && slice_eq_nocase(type->value, SLICE("application/json"));
}

static enum auth_reason reason_of_head(const struct http_head *head)
{
	if (head->status == 200 && is_json(head))
		return REASON_NONE;
	if (head->status == 403)
		return REASON_AUTHENTICATION_REFUSED;
	if (head->status >= 500)
		return REASON_AUTHENTICATION_UNAVAILABLE;
	return REASON_AUTHENTICATION_MALFORMED;
}

static void on_answer(struct authentication *authentication)
{
	struct exchange *exchange = authentication->exchange;
	struct auth_information information;
	struct evbuffer *body = exchange_body(exchange);
	size_t n = evbuffer_get_length(body);
	enum auth_reason reason = reason_of_head(exchange_head(exchange));

	metrics_observe(GATEWAY_AUTHENTICATION_SECONDS,
			time_monotonic_us() - authentication->asked_us);
	if (reason == REASON_NONE) {
		struct slice copy =
			arena_copy(authentication->arena,
				   slice_make(evbuffer_pullup(body, -1), n));

		reason = check_information(authentication, copy, &information);
	}
	evbuffer_drain(body, n);
	authentication->exchange = NULL; /* it ends by itself, the link goes back */
	exchange_on(exchange, landnet_ignore, NULL);
	authentication_end(authentication, reason,
			   reason == REASON_NONE ? &information : NULL);
}

static void on_failed(struct authentication *authentication)
{
	struct exchange *exchange = authentication->exchange;
	enum auth_reason reason = landnet_failure(exchange, authentication->route);

	authentication->exchange = NULL;
	if (landnet_is_stale(exchange, authentication->rx_start))
		authentication_ask(authentication);
	else
		authentication_end(authentication, reason, NULL);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct authentication *authentication = arg;

	switch (event) {
	case EXCHANGE_HEAD:
		if (!landnet_check_exchange(exchange))
			authentication_end(authentication, REASON_LANDNET_DESYNC, NULL);
		break;
	case EXCHANGE_BODY:
		if (exchange_received_bytes(exchange) > ANSWER_BYTES)
			authentication_end(authentication,
					   REASON_AUTHENTICATION_MALFORMED, NULL);
		else
			exchange_resume(exchange);
		break;
	case EXCHANGE_END: on_answer(authentication); break;
	case EXCHANGE_FAILED: on_failed(authentication); break;
	case EXCHANGE_WRITABLE:
	case EXCHANGE_DONE: break;
	}
}

static void on_link(void *arg, struct link *link, enum auth_reason reason)
{
	struct authentication *authentication = arg;
	const char *json;

	authentication->wait = NULL;
	if (!link) {
		authentication_end(authentication, reason, NULL);
		return;
	}
	/* Each request has a nonce of its own, a repeated one, too. */
	random_bytes(authentication->claims.nonce,
		     sizeof(authentication->claims.nonce));
	json = auth_request_encode(&authentication->claims, authentication->wants_proof,
				   authentication->arena);
	BUG_ON(!json);
	authentication->rx_start = conn_rx_total(link_conn(link));
	authentication->exchange = link_request(link, on_exchange, authentication);
	landnet_send_request(authentication->exchange, authentication->route,
			     SLICE("/v1/authentication"), slice_of(json));
	authentication->asked_us = time_monotonic_us();
	metrics_add(GATEWAY_AUTHENTICATIONS, 1);
}

static void authentication_ask(struct authentication *authentication)
{
	/* The deadline of the whole covers the wait; the pool's own is only longer. */
	authentication->wait = pool_get(authentication->route->pool, POOL_SHORT,
					INT32_MAX, on_link, authentication);
}

struct authentication *authentication_begin(struct loop *loop, struct route *route,
					    const struct auth_claims *claims,
					    bool wants_proof, int64_t deadline_ms,
					    authentication_fn *fn, void *arg)
{
	struct authentication *authentication = calloc(1, sizeof(*authentication));

	BUG_ON(!authentication);
	*authentication = (struct authentication){ .route = route,
						   .claims = *claims,
						   .wants_proof = wants_proof,
						   .arena = arena_new(ARENA_BYTES),
						   .fn = fn,
						   .arg = arg };
	memcpy(authentication->claims.srv, route->srv, sizeof(route->srv));
	timer_init(&authentication->deadline, loop, on_deadline, authentication);
	timer_start(&authentication->deadline, deadline_ms);
	authentication_ask(authentication);
	return authentication;
}

void authentication_cancel(struct authentication *authentication)
{
	authentication_free(authentication);
}
