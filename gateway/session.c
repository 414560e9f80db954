#include "gateway/session.h"

#include <stdlib.h>

#include "base/log.h"
#include "gateway/authentication.h"
#include "gateway/forward.h"
#include "gateway/gateway_metrics.h"
#include "gateway/refusal.h"

#define RENEW_BEFORE_MS 60000
#define RESOURCE_PREFIX "/.provbox/"

/** What a session has reached with one srv. */
struct access {
	bool is_granted;
	enum standing standing;
	char *grant; /* base64url; owned */
	int64_t granted_ms;
};

struct session {
	TAILQ_ENTRY(session) entry;
	struct airnet *airnet;
	struct link *link;
	struct auth_claims claims;                     /* gw, sid, dev, cred, binding */
	char sid[BASE64URL_CHARS(AUTH_SID_BYTES) + 1]; /* as the server logs it */
	bool is_verified;         /* the device's certificate and identifier */
	enum auth_reason refusal; /* why every request is refused */
	enum auth_reason end;     /* why the session is ending */
	struct access *accesses;  /* one for each route */
	int64_t start_ms;
	uint64_t n_requests;
	/* the present request */
	int64_t request_ms;
	struct exchange *exchange;
	struct route *route; /* also of the last request */
	bool is_renewed;     /* its grant was refused once */
	struct authentication *authentication;
	struct forward *forward;
};

static void session_authenticate(struct session *session, bool wants_proof);

/* ---- Ends ---- */

static void access_clear(struct access *access)
{
	free(access->grant);
	*access = (struct access){ 0 };
}

/* Between two requests a device may go as it likes: radio is lost, batteries are taken
 * out. What is no such going is a request that broke the rules. */
static enum auth_reason session_end_reason(const struct session *session)
{
	static const char *const quiet[] = { "eof", "idle_timeout", "closed",
					     "truncated", "reset" };

	if (session->end != REASON_NONE)
		return session->end;
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		if (!strcmp(link_reason(session->link), quiet[i]))
			return REASON_CLIENT_CLOSED;
	}
	return REASON_CLIENT_FAILED;
}

/* The handshake never finished: a stranger, who makes no row anywhere. */
static void session_log_handshake(const struct session *session)
{
	struct conn *conn = link_conn(session->link);

	metrics_add(GATEWAY_HANDSHAKE_FAILURES + conn_tls_failure(conn), 1);
	log_info("session_end", log_str("peer", conn_peer(conn)),
		 log_str("reason", link_reason(session->link)),
		 log_str("phase", "handshake"));
}

static void session_log_end(const struct session *session, enum auth_reason reason)
{
	metrics_add(GATEWAY_SESSION_ENDS + reason, 1);
	log_info("session_end", log_str("sid", session->sid),
		 log_str("peer", conn_peer(link_conn(session->link))),
		 log_masked("dev", slice_of(session->claims.dev)),
		 log_str("reason", auth_reason_name(reason)),
		 log_str("detail", link_reason(session->link)),
		 log_num("requests", (int64_t)session->n_requests),
		 log_num("ms", loop_now_ms(session->airnet->loop) - session->start_ms));
}

static void session_free(struct session *session)
{
	struct airnet *airnet = session->airnet;

	if (session->authentication)
		authentication_cancel(session->authentication);
	if (session->forward)
		forward_cancel(session->forward);
	TAILQ_REMOVE(&airnet->sessions, session, entry);
	metrics_add(GATEWAY_SESSIONS_OPEN, -1);
	link_free(session->link);
	for (size_t i = 0; i < route_count(airnet->routes); i++)
		access_clear(&session->accesses[i]);
	free(session->accesses);
	free(session);
	airnet_session_gone(airnet);
}

static void on_closed(struct session *session)
{
	enum auth_reason reason = session_end_reason(session);

	if (!session->is_verified && session->refusal == REASON_NONE) {
		session_log_handshake(session);
	} else {
		session_log_end(session, reason);
		if (session->is_verified && session->route &&
		    refusal_is_reported(reason))
			report_session_end(
				session->airnet->reports[session->route->index],
				&session->claims, reason);
	}
	session_free(session);
}

/* ---- Answers of the gateway's own ---- */

static struct slice session_path(const struct session *session)
{
	struct slice path, query;

	http_target_split(exchange_head(session->exchange)->target, &path, &query);
	return path;
}

/* What of a path may stand in a log: no numbers of requests. */
static const char *session_log_path(const struct session *session)
{
	enum permission permission;

	if (slice_starts(session_path(session), SLICE(RESOURCE_PREFIX)))
		return RESOURCE_PREFIX;
	return session->route ? route_prefix(session->route, session_path(session),
					     &permission)
			      : NULL;
}

/* One line for each request. Status 0: the device was gone before it was answered. */
static void session_log_request(const struct session *session, unsigned status,
				const char *reason)
{
	const struct http_head *head = exchange_head(session->exchange);

	log_info("request", log_str("sid", session->sid),
		 log_masked("dev", slice_of(session->claims.dev)),
		 log_str("srv", session->route ? session->route->srv : NULL),
		 log_str("method", http_method_name(head->method)),
		 log_str("path", session_log_path(session)), log_num("status", status),
		 log_str("reason", reason),
		 log_num("ms",
			 loop_now_ms(session->airnet->loop) - session->request_ms));
}

/* After the answer that follows; it says so. */
static void session_end_with(struct session *session, enum auth_reason reason)
{
	session->end = reason;
	link_close(session->link);
}

static void session_refuse(struct session *session, enum auth_reason reason)
{
	unsigned status;

	if (refusal_is_final(reason))
		session_end_with(session, reason);
	status = refusal_answer(session->exchange, reason);
	session_log_request(session, status, auth_reason_name(reason));
}

/* What is wrong with this request alone. */
static void session_problem(struct session *session, unsigned status,
			    const char *reason, const struct http_field *extra)
{
	exchange_problem(session->exchange, status, reason, NULL, extra);
	session_log_request(session, status, reason);
}

static enum auth_reason reason_of_standing(enum standing standing)
{
	if (standing == STANDING_BLOCKED)
		return REASON_DEVICE_BLOCKED;
	if (standing == STANDING_UNKNOWN)
		return REASON_DEVICE_UNKNOWN;
	return REASON_NONE;
}

/* GET /.provbox/session: what the gateway learned, with the server's proof. A device
 * that may do nothing learns it here from the server's own signature, then we part. */
static void session_answer_resource(struct session *session,
				    const struct auth_information *information,
				    const struct auth_claims *claims)
{
	static const struct http_field fields[] = {
		{ SLICE("Content-Type"), SLICE("application/json") },
		{ SLICE("Cache-Control"), SLICE("no-store") },
	};
	const char *json =
		auth_session_encode(claims, information->standing, information->proof,
				    exchange_arena(session->exchange));
	enum auth_reason reason = reason_of_standing(information->standing);

	BUG_ON(!json);
	if (reason != REASON_NONE)
		session_end_with(session, reason);
	exchange_reply(session->exchange, 200, fields, 2, slice_of(json));
	session_log_request(session, 200, NULL);
}

/* ---- One request ---- */

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct session *session = arg;

	(void)exchange;
	if (event != EXCHANGE_DONE && event != EXCHANGE_FAILED)
		return;
	if (event == EXCHANGE_FAILED && session->end == REASON_NONE)
		session->end = REASON_CLIENT_FAILED;
	if (session->authentication) {
		authentication_cancel(session->authentication);
		session_log_request(session, 0, auth_reason_name(session->end));
	}
	session->authentication = NULL;
	session->exchange = NULL;
}

/* Security, 4.5: with a new grant once more, if no byte of a body can have left. */
static bool session_may_renew(const struct session *session, enum auth_reason reason)
{
	return (reason == REASON_GRANT_EXPIRED || reason == REASON_GRANT_EPOCH) &&
	       !session->is_renewed && exchange_received_bytes(session->exchange) == 0;
}

static void on_forwarded(void *arg, const struct forward_end *end)
{
	struct session *session = arg;
	bool is_whole = end->reason == REASON_NONE;

	session->forward = NULL;
	if (end->is_over) {
		session_log_request(session, end->status,
				    is_whole ? NULL : auth_reason_name(end->reason));
		session->exchange = NULL;
		if (!is_whole)
			session->end = end->reason;
		return;
	}
	exchange_on(session->exchange, on_exchange, session);
	if (session_may_renew(session, end->reason)) {
		session->is_renewed = true;
		session_authenticate(session, false);
		return;
	}
	session_refuse(session, end->reason);
}

/* Authenticated: may this standing go this way? */
static void session_forward(struct session *session)
{
	const struct gateway_config *config = session->airnet->config;
	const struct access *access = &session->accesses[session->route->index];
	const struct http_head *head = exchange_head(session->exchange);
	enum permission permission;

	if (!route_prefix(session->route, session_path(session), &permission)) {
		session_problem(session, 404, "path_unknown", NULL);
		return;
	}
	if (!standing_permits(access->standing, permission)) {
		session_refuse(session, REASON_STANDING_LIMITED);
		return;
	}
	if (head->framing == HTTP_LENGTH &&
	    head->content_length > (uint64_t)config->body_limit) {
		session_refuse(session, REASON_BODY_TOO_LARGE);
		return;
	}
	session->forward = forward_begin(session->exchange,
					 &(struct forward_settings){
						 .route = session->route,
						 .grant = slice_of(access->grant),
						 .pool_wait_ms = config->pool_wait_ms,
						 .body_limit = config->body_limit,
					 },
					 on_forwarded, session);
}

static void access_set(struct access *access,
		       const struct auth_information *information, int64_t now_ms)
{
	access_clear(access);
	access->standing = information->standing;
	access->granted_ms = now_ms;
	access->is_granted = information->grant.n > 0;
	if (!access->is_granted)
		return;
	access->grant = malloc(BASE64URL_CHARS(information->grant.n) + 1);
	BUG_ON(!access->grant);
	base64url_encode(information->grant, access->grant);
}

static void on_authenticated(void *arg, enum auth_reason reason,
			     const struct auth_information *information,
			     const struct auth_claims *claims)
{
	struct session *session = arg;
	struct access *access = &session->accesses[session->route->index];

	session->authentication = NULL;
	if (reason != REASON_NONE) {
		access_clear(access);
		session_refuse(session, reason);
		return;
	}
	access_set(access, information, loop_now_ms(session->airnet->loop));
	if (slice_starts(session_path(session), SLICE(RESOURCE_PREFIX))) {
		session_answer_resource(session, information, claims);
		return;
	}
	reason = reason_of_standing(information->standing);
	if (reason != REASON_NONE)
		session_refuse(session, reason);
	else
		session_forward(session);
}

static void session_authenticate(struct session *session, bool wants_proof)
{
	struct airnet *airnet = session->airnet;

	access_clear(&session->accesses[session->route->index]);
	session->authentication = authentication_begin(
		airnet->loop, session->route, &session->claims, wants_proof,
		airnet->config->authentication_timeout_ms, on_authenticated, session);
}

static bool access_is_fresh(const struct access *access, int64_t now_ms)
{
	return access->is_granted &&
	       now_ms - access->granted_ms <
		       AUTH_GRANT_SECONDS * 1000 - RENEW_BEFORE_MS;
}

static void session_request_resource(struct session *session)
{
	static const struct http_field allow = { SLICE("Allow"), SLICE("GET") };

	if (!slice_eq(session_path(session), SLICE(RESOURCE_PREFIX "session")))
		session_problem(session, 404, "path_unknown", NULL);
	else if (exchange_head(session->exchange)->method != HTTP_GET)
		session_problem(session, 405, "method_not_allowed", &allow);
	else
		session_authenticate(session, true);
}

static void on_request(struct session *session, struct exchange *exchange)
{
	const struct http_head *head = exchange_head(exchange);
	struct airnet *airnet = session->airnet;

	metrics_add(GATEWAY_REQUESTS, 1);
	session->n_requests++;
	session->request_ms = loop_now_ms(airnet->loop);
	session->exchange = exchange;
	session->is_renewed = false;
	exchange_on(exchange, on_exchange, session);
	if (session->refusal != REASON_NONE) {
		session_refuse(session, session->refusal);
		return;
	}
	session->route = route_find(airnet->routes, head->host);
	if (!session->route) {
		session_refuse(session, REASON_ROUTE_UNKNOWN);
		return;
	}
	if (slice_starts(session_path(session), SLICE(RESOURCE_PREFIX)))
		session_request_resource(session);
	else if (access_is_fresh(&session->accesses[session->route->index],
				 loop_now_ms(airnet->loop)))
		session_forward(session);
	else
		session_authenticate(session, false);
}

/* ---- Begin ---- */

/* The handshake is done and the chain verified: who is it? */
static enum auth_reason session_verify(struct session *session)
{
	SSL *ssl = conn_ssl(link_conn(session->link));
	struct auth_claims *claims = &session->claims;
	const X509 *leaf = SSL_get0_peer_certificate(ssl);

	if (!leaf || !tls_peer_hash(ssl, claims->cred) ||
	    !tls_channel_binding(ssl, claims->binding))
		return REASON_CHANNEL_BINDING;
	return identity_of_certificate(leaf, claims->dev);
}

static void on_open(struct session *session)
{
	session->refusal = session_verify(session);
	if (session->refusal != REASON_NONE)
		return;
	session->is_verified = true;
	metrics_add(GATEWAY_SESSIONS, 1);
	log_info("session_begin", log_str("sid", session->sid),
		 log_str("peer", conn_peer(link_conn(session->link))),
		 log_masked("dev", slice_of(session->claims.dev)));
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	(void)link;
	switch (event) {
	case LINK_OPEN: on_open(arg); break;
	case LINK_REQUEST: on_request(arg, exchange); break;
	case LINK_CLOSED: on_closed(arg); break;
	case LINK_IDLE: break;
	}
}

void session_accept(struct airnet *airnet, int fd)
{
	struct session *session = calloc(1, sizeof(*session));

	BUG_ON(!session);
	session->accesses =
		calloc(route_count(airnet->routes), sizeof(*session->accesses));
	BUG_ON(!session->accesses);
	session->airnet = airnet;
	session->start_ms = loop_now_ms(airnet->loop);
	memcpy(session->claims.gw, airnet->gw, sizeof(airnet->gw));
	random_bytes(session->claims.sid, sizeof(session->claims.sid));
	base64url_encode(slice_make(session->claims.sid, AUTH_SID_BYTES), session->sid);
	session->link = link_accept(airnet->loop, fd, &airnet->link, on_link, session);
	if (!session->link) {
		log_warn("accept_failed",
			 log_str("why", "out of memory or descriptors"));
		free(session->accesses);
		free(session);
		return;
	}
	TAILQ_INSERT_TAIL(&airnet->sessions, session, entry);
	metrics_add(GATEWAY_SESSIONS_OPEN, 1);
}

void session_drain_all(struct airnet *airnet)
{
	struct session *session;

	TAILQ_FOREACH (session, &airnet->sessions, entry) {
		if (session->end == REASON_NONE)
			session->end = REASON_DRAINED;
		link_close(session->link);
	}
}

size_t session_cut_all(struct airnet *airnet)
{
	struct session *session;
	size_t n = 0;

	for (; (session = TAILQ_FIRST(&airnet->sessions)); n++) {
		session_log_end(session, session_end_reason(session));
		session_free(session);
	}
	return n;
}
