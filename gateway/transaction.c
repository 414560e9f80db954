#include "gateway/transaction.h"

#include <stdlib.h>

#include "base/log.h"
#include "gateway/authentication.h"
#include "gateway/forward.h"
#include "gateway/gateway_metrics.h"
#include "gateway/limit.h"
#include "gateway/refusal.h"

#define RESOURCE_PREFIX "/.provbox/"
#define HELD_BYTES      16384 /* of a body that is awaited whole */

struct transaction {
	struct session *session;
	struct exchange *exchange;
	struct route *route;   /* NULL: there is none for its Host */
	struct access *access; /* of (session, route) */
	int64_t start_ms;
	bool is_gathering;                     /* its small body */
	bool is_renewed;                       /* its grant was refused once */
	struct authentication *authentication; /* while the server is asked */
	struct forward *forward;               /* while the server answers */
};

static void transaction_gather(struct transaction *transaction);
static void transaction_authenticate(struct transaction *transaction, bool wants_proof);

static void transaction_free(struct transaction *transaction)
{
	transaction->session->transaction = NULL;
	free(transaction);
}

/* ---- Answers of the gateway's own ---- */

static struct slice transaction_path(const struct transaction *transaction)
{
	struct slice path, query;

	http_target_split(exchange_head(transaction->exchange)->target, &path, &query);
	return path;
}

/* What of a path may stand in a log: no numbers of requests. */
static const char *transaction_log_path(const struct transaction *transaction)
{
	struct slice path = transaction_path(transaction);
	enum permission permission;

	if (slice_starts(path, SLICE(RESOURCE_PREFIX)))
		return RESOURCE_PREFIX;
	return transaction->route ? route_prefix(transaction->route, path, &permission)
				  : NULL;
}

/* One line for each request. Status 0: the device was gone before it was answered. */
static void transaction_log(const struct transaction *transaction, unsigned status,
			    const char *reason)
{
	const struct http_head *head = exchange_head(transaction->exchange);
	const struct session *session = transaction->session;

	log_info("request", log_str("sid", session->sid),
		 log_masked("dev", slice_of(session->claims.dev)),
		 log_str("srv", transaction->route ? transaction->route->srv : NULL),
		 log_str("method", http_method_name(head->method)),
		 log_str("path", transaction_log_path(transaction)),
		 log_num("status", status), log_str("reason", reason),
		 log_num("ms",
			 loop_now_ms(session->airnet->loop) - transaction->start_ms));
}

static void transaction_refuse(struct transaction *transaction, enum auth_reason reason)
{
	unsigned status;

	if (refusal_is_final(reason))
		session_end_with(transaction->session, reason);
	status = refusal_answer(transaction->exchange, reason,
				transaction->session->airnet->config->retry_after_ms /
					1000);
	transaction_log(transaction, status, auth_reason_name(reason));
}

/* What is wrong with this request alone. */
static void transaction_problem(struct transaction *transaction, unsigned status,
				const char *reason, const struct http_field *extra)
{
	exchange_problem(transaction->exchange, status, reason, NULL, extra);
	transaction_log(transaction, status, reason);
}

/* GET /.provbox/session: what the gateway learned, with the server's proof. A device
 * that may do nothing learns it here from the server's own signature, then we part. */
static void transaction_answer_resource(struct transaction *transaction,
					const struct auth_information *information,
					const struct auth_claims *claims)
{
	static const struct http_field fields[] = {
		{ SLICE("Content-Type"), SLICE("application/json") },
		{ SLICE("Cache-Control"), SLICE("no-store") },
	};
	const char *json =
		auth_session_encode(claims, information->standing, information->proof,
				    exchange_arena(transaction->exchange));
	enum auth_reason reason = access_refusal(transaction->access);

	BUG_ON(!json);
	if (reason != REASON_NONE)
		session_end_with(transaction->session, reason);
	exchange_reply(transaction->exchange, 200, fields, 2, slice_of(json));
	transaction_log(transaction, 200, NULL);
}

/* ---- Ends ---- */

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct transaction *transaction = arg;
	struct session *session = transaction->session;

	(void)exchange;
	if (event == EXCHANGE_BODY || event == EXCHANGE_END) {
		if (transaction->is_gathering)
			transaction_gather(transaction);
		return;
	}
	if (event != EXCHANGE_DONE && event != EXCHANGE_FAILED)
		return;
	if (event == EXCHANGE_FAILED && session->end == REASON_NONE)
		session->end = REASON_CLIENT_FAILED;
	if (transaction->authentication || transaction->is_gathering)
		transaction_log(transaction, 0, auth_reason_name(session->end));
	if (transaction->authentication)
		authentication_cancel(transaction->authentication);
	transaction_free(transaction);
}

bool transaction_is_authenticating(const struct transaction *transaction)
{
	return transaction->authentication != NULL;
}

void transaction_cancel(struct transaction *transaction)
{
	transaction_log(transaction, 0, auth_reason_name(transaction->session->end));
	if (transaction->authentication)
		authentication_cancel(transaction->authentication);
	if (transaction->forward)
		forward_cancel(transaction->forward);
	transaction_free(transaction);
}

/* ---- Forward ---- */

/* Security, 4.5: with a new grant once more, if no byte of a body can have left. */
static bool transaction_may_renew(const struct transaction *transaction,
				  enum auth_reason reason)
{
	return (reason == REASON_GRANT_EXPIRED || reason == REASON_GRANT_EPOCH) &&
	       !transaction->is_renewed &&
	       exchange_received_bytes(transaction->exchange) == 0;
}

static void on_forwarded(void *arg, const struct forward_end *end)
{
	struct transaction *transaction = arg;
	bool is_whole = end->reason == REASON_NONE;

	transaction->forward = NULL;
	if (end->is_over) {
		transaction_log(transaction, end->status,
				is_whole ? NULL : auth_reason_name(end->reason));
		if (!is_whole)
			transaction->session->end = end->reason;
		transaction_free(transaction);
		return;
	}
	exchange_on(transaction->exchange, on_exchange, transaction);
	if (transaction_may_renew(transaction, end->reason)) {
		transaction->is_renewed = true;
		transaction_authenticate(transaction, false);
		return;
	}
	transaction_refuse(transaction, end->reason);
}

/* Authenticated: may this standing go this way? */
static void transaction_forward(struct transaction *transaction)
{
	const struct gateway_config *config = transaction->session->airnet->config;
	const int64_t body_limit = route_body_limit(transaction->route, config);
	const struct access *access = transaction->access;
	struct exchange *exchange = transaction->exchange;
	const struct http_head *head = exchange_head(exchange);
	const struct slice path = transaction_path(transaction);
	enum permission permission;

	if (!route_prefix(transaction->route, path, &permission)) {
		transaction_problem(transaction, 404, "path_unknown", NULL);
		return;
	}
	if (!standing_permits(access->standing, permission)) {
		transaction_refuse(transaction, REASON_STANDING_LIMITED);
		return;
	}
	if ((head->framing == HTTP_LENGTH &&
	     head->content_length > (uint64_t)body_limit) ||
	    exchange_received_bytes(exchange) > (uint64_t)body_limit) {
		transaction_refuse(transaction, REASON_BODY_TOO_LARGE);
		return;
	}
	transaction->forward = forward_begin(
		exchange,
		&(struct forward_settings){
			.route = transaction->route,
			.grant = slice_of(access->grant),
			.is_long = !exchange_is_received(exchange) ||
				   route_is_large(transaction->route, path),
			.pool_wait_ms = config->pool_wait_ms,
			.body_limit = body_limit,
		},
		on_forwarded, transaction);
}

/* ---- Authenticate ---- */

static uint64_t transaction_watch(const struct transaction *transaction)
{
	const struct airnet *airnet = transaction->session->airnet;

	return control_watch(airnet->controls[transaction->route->index]);
}

static void on_authenticated(void *arg, enum auth_reason reason,
			     const struct auth_information *information,
			     const struct auth_claims *claims)
{
	struct transaction *transaction = arg;
	struct access *access = transaction->access;

	transaction->authentication = NULL;
	if (reason != REASON_NONE) {
		access_clear(access);
		transaction_refuse(transaction, reason);
		return;
	}
	access_set(access, information,
		   loop_now_ms(transaction->session->airnet->loop));
	if (slice_starts(transaction_path(transaction), SLICE(RESOURCE_PREFIX))) {
		transaction_answer_resource(transaction, information, claims);
		return;
	}
	reason = access_refusal(access);
	if (reason != REASON_NONE)
		transaction_refuse(transaction, reason);
	else
		transaction_forward(transaction);
}

static void transaction_authenticate(struct transaction *transaction, bool wants_proof)
{
	struct session *session = transaction->session;
	struct airnet *airnet = session->airnet;

	access_ask(transaction->access, transaction_watch(transaction));
	if (!limit_admits_device(airnet->config, session->is_admitted,
				 loop_now_ms(airnet->loop))) {
		transaction_refuse(transaction, REASON_ADMISSION_LIMITED);
		return;
	}
	session->is_admitted = true;
	transaction->authentication = authentication_begin(
		airnet->loop, transaction->route, &session->claims, wants_proof,
		airnet->config->authentication_timeout_ms, on_authenticated,
		transaction);
}

/* ---- Gather ---- */

/* A small body is whole before its request is looked at any further: a handset that
 * sends it slowly keeps nobody's connection, and is judged when there is something to
 * forward.
 */
static bool transaction_awaits_body(const struct transaction *transaction)
{
	const uint64_t body_limit = (uint64_t)route_body_limit(
		transaction->route, transaction->session->airnet->config);
	const uint64_t limit = body_limit < HELD_BYTES ? body_limit : HELD_BYTES;
	const struct http_head *head = exchange_head(transaction->exchange);

	if (exchange_is_received(transaction->exchange))
		return false;
	if (head->framing == HTTP_LENGTH)
		return head->content_length <= limit;
	return exchange_received_bytes(transaction->exchange) <= limit;
}

static void transaction_gather(struct transaction *transaction)
{
	const int64_t now_ms = loop_now_ms(transaction->session->airnet->loop);

	transaction->is_gathering = transaction_awaits_body(transaction);
	if (transaction->is_gathering)
		exchange_continue(transaction->exchange);
	else if (access_is_fresh(transaction->access, transaction_watch(transaction),
				 now_ms))
		transaction_forward(transaction);
	else
		transaction_authenticate(transaction, false);
}

/* ---- Begin ---- */

static void transaction_request_resource(struct transaction *transaction)
{
	static const struct http_field allow = { SLICE("Allow"), SLICE("GET") };

	if (!slice_eq(transaction_path(transaction), SLICE(RESOURCE_PREFIX "session")))
		transaction_problem(transaction, 404, "path_unknown", NULL);
	else if (exchange_head(transaction->exchange)->method != HTTP_GET)
		transaction_problem(transaction, 405, "method_not_allowed", &allow);
	else
		transaction_authenticate(transaction, true);
}

static void transaction_start(struct transaction *transaction)
{
	const struct session *session = transaction->session;

	if (session->refusal != REASON_NONE) {
		transaction_refuse(transaction, session->refusal);
		return;
	}
	if (!transaction->route) {
		transaction_refuse(transaction, REASON_ROUTE_UNKNOWN);
		return;
	}
	if (slice_starts(transaction_path(transaction), SLICE(RESOURCE_PREFIX)))
		transaction_request_resource(transaction);
	else
		transaction_gather(transaction);
}

void transaction_begin(struct session *session, struct exchange *exchange)
{
	struct transaction *transaction = calloc(1, sizeof(*transaction));
	struct airnet *airnet = session->airnet;

	BUG_ON(!transaction || session->transaction);
	session->transaction = transaction;
	session->n_requests++;
	metrics_add(GATEWAY_REQUESTS, 1);
	transaction->session = session;
	transaction->exchange = exchange;
	transaction->start_ms = loop_now_ms(airnet->loop);
	if (session->refusal == REASON_NONE) /* else it may go nowhere */
		transaction->route =
			route_find(airnet->routes, exchange_head(exchange)->host);
	if (transaction->route)
		transaction->access = &session->accesses[transaction->route->index];
	session->route = transaction->route;
	exchange_on(exchange, on_exchange, transaction);
	transaction_start(transaction);
}
