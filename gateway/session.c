#include "gateway/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/limit.h"
#include "gateway/refusal.h"
#include "gateway/transaction.h"

/* ---- Ends ---- */

/* Between two requests a device may go as it likes: radio is lost, batteries are taken
 * out. What is no such going is a deadline missed, or a request that broke the rules.
 */
static const struct {
	const char *word; /* of link_reason() */
	enum auth_reason reason;
	bool is_in_exchange; /* says more than that the exchange failed */
} link_ends[] = {
	{ "eof", REASON_CLIENT_CLOSED, false },
	{ "closed", REASON_CLIENT_CLOSED, false },
	{ "truncated", REASON_CLIENT_CLOSED, false },
	{ "reset", REASON_CLIENT_CLOSED, false },
	{ "idle_timeout", REASON_IDLE_TIMEOUT, false },
	{ "head_timeout", REASON_HEAD_TIMEOUT, true },
	{ "body_timeout", REASON_BODY_TIMEOUT, true },
	{ "write_timeout", REASON_WRITE_TIMEOUT, true },
};

static enum auth_reason session_end_reason(const struct session *session)
{
	const bool is_failed = session->end == REASON_CLIENT_FAILED;

	if (session->end != REASON_NONE && !is_failed)
		return session->end;
	for (size_t i = 0; i < sizeof(link_ends) / sizeof(link_ends[0]); i++) {
		if (!strcmp(link_reason(session->link), link_ends[i].word) &&
		    (!is_failed || link_ends[i].is_in_exchange))
			return link_ends[i].reason;
	}
	return REASON_CLIENT_FAILED;
}

/* The last field is via, which only those have that came through a proxy. */
static void session_log(const struct session *session, enum log_level level,
			const char *event, const struct log_field *fields,
			size_t n_fields)
{
	log_write(level, event, fields, session->via[0] ? n_fields : n_fields - 1);
}

static size_t metric_of_stranger(const struct conn *conn, const char *reason)
{
	for (size_t i = 0; i < STRANGER_N_ENDS; i++) {
		if (!strcmp(stranger_end_name((enum stranger_end)i), reason))
			return GATEWAY_STRANGER_ENDS + i;
	}
	return GATEWAY_HANDSHAKE_FAILURES + conn_tls_failure(conn);
}

/* The handshake never finished: a stranger, who makes no row anywhere. Or a proxy that
 * looks whether we are there, every other second. */
static void session_log_handshake(const struct session *session, const char *reason)
{
	struct conn *conn = link_conn(session->link);

	if (!session->is_local)
		metrics_add(metric_of_stranger(conn, reason), 1);
	session_log(session, session->is_local ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		    "session_end",
		    LOG_FIELDS(log_str("peer", conn_peer(conn)),
			       log_str("reason", reason), log_str("phase", "handshake"),
			       log_str("via", session->via)));
}

static void session_log_end(const struct session *session, enum auth_reason reason)
{
	int64_t ms = loop_now_ms(session->airnet->loop) - session->start_ms;

	metrics_add(GATEWAY_SESSION_ENDS + reason, 1);
	session_log(session, LOG_LEVEL_INFO, "session_end",
		    LOG_FIELDS(log_str("sid", session->sid),
			       log_str("peer", conn_peer(link_conn(session->link))),
			       log_masked("dev", slice_of(session->claims.dev)),
			       log_str("reason", auth_reason_name(reason)),
			       log_str("detail", link_reason(session->link)),
			       log_num("requests", (int64_t)session->n_requests),
			       log_num("ms", ms), log_str("via", session->via)));
}

static void session_free(struct session *session)
{
	struct airnet *airnet = session->airnet;

	if (session->transaction)
		transaction_cancel(session->transaction);
	TAILQ_REMOVE(&airnet->sessions, session, entry);
	presence_remove(&session->by_device);
	metrics_add(GATEWAY_SESSIONS_OPEN, -1);
	limit_leave(session->seat);
	gate_leave(&airnet->gate, &session->gate);
	link_free(session->link);
	for (size_t i = 0; i < route_count(airnet->routes); i++)
		access_clear(&session->accesses[i]);
	free(session->accesses);
	free(session);
	airnet_session_gone(airnet);
}

void session_end_with(struct session *session, enum auth_reason reason)
{
	session->end = reason;
	link_close(session->link);
}

/* Its handshake is not over: a connection, and no session of anybody's. */
static bool session_is_stranger(const struct session *session)
{
	return !session->is_verified && session->refusal == REASON_NONE;
}

static void session_finish_stranger(struct session *session, const char *reason)
{
	session_log_handshake(session, reason);
	session_free(session);
}

static void session_finish_known(struct session *session)
{
	enum auth_reason reason = session_end_reason(session);

	session_log_end(session, reason);
	if (session->is_verified && session->route && refusal_is_reported(reason))
		report_session_end(session->airnet->reports[session->route->index],
				   &session->claims, reason);
	session_free(session);
}

static void session_finish(struct session *session)
{
	if (session_is_stranger(session))
		session_finish_stranger(session, link_reason(session->link));
	else
		session_finish_known(session);
}

/* ---- Begin ---- */

/* The handshake is done and the chain verified: who is it? */
static enum auth_reason session_verify(struct session *session)
{
	SSL *ssl = conn_ssl(link_conn(session->link));
	struct auth_claims *claims = &session->claims;
	const X509 *leaf = SSL_get0_peer_certificate(ssl);
	const struct tls_chain *chain = tls_peer_chain(ssl);

	if (!leaf || !chain || !tls_peer_hash(ssl, claims->cred) ||
	    !tls_channel_binding(ssl, claims->binding))
		return REASON_CHANNEL_BINDING;
	const enum auth_reason reason = identity_of_certificate(leaf, claims->dev);
	if (reason != REASON_NONE)
		return reason;
	return authority_check(session->airnet->authorities,
			       session->airnet->config->authorities.n, chain,
			       claims->dev);
}

static void on_open(struct session *session)
{
	struct airnet *airnet = session->airnet;

	gate_know(&airnet->gate, &session->gate);
	session->refusal = session_verify(session);
	if (airnet->config->slim_sessions)
		tls_forget_peer(airnet->tls, conn_ssl(link_conn(session->link)));
	if (session->refusal != REASON_NONE)
		return;
	session->is_verified = true;
	presence_add(airnet->presence, &session->by_device, session->claims.dev);
	session->seat = limit_enter(airnet->config, session->claims.cred,
				    loop_now_ms(airnet->loop));
	metrics_add(GATEWAY_SESSIONS, 1);
	session_log(session, LOG_LEVEL_INFO, "session_begin",
		    LOG_FIELDS(log_str("sid", session->sid),
			       log_str("peer", conn_peer(link_conn(session->link))),
			       log_masked("dev", slice_of(session->claims.dev)),
			       log_str("via", session->via)));
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	(void)link;
	switch (event) {
	case LINK_OPEN: on_open(arg); break;
	case LINK_REQUEST: transaction_begin(arg, exchange); break;
	case LINK_CLOSED: session_finish(arg); break;
	case LINK_IDLE: break;
	}
}

/* From here on the session's peer is whom the proxy speaks for. */
static void session_believe(struct session *session, const struct proxy_header *told)
{
	struct conn *conn = link_conn(session->link);

	session->is_local = told->is_local;
	if (told->source.ss_family == AF_UNSPEC)
		return;
	snprintf(session->via, sizeof(session->via), "%s", conn_peer(conn));
	conn_set_peer(conn, (const struct sockaddr *)&told->source);
}

static void session_drain(struct session *session)
{
	if (session->end == REASON_NONE)
		session->end = REASON_DRAINED;
	link_drain(session->link);
}

/* The handshake is what costs: who is to be kept out is so before it. */
static bool is_over_limit(const struct airnet *airnet, int fd,
			  const struct proxy_header *told)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	char text[ADDRESS_CHARS + 1];

	if (told)
		peer = told->source; /* AF_UNSPEC of the proxy itself */
	else if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0)
		return false;
	if (limit_admits_address(airnet->config, (const struct sockaddr *)&peer,
				 loop_now_ms(airnet->loop)))
		return false;
	address_format((const struct sockaddr *)&peer, text);
	metrics_add(GATEWAY_STRANGER_ENDS + STRANGER_ADDRESS_LIMITED, 1);
	log_info("session_end", log_str("peer", text),
		 log_str("reason", stranger_end_name(STRANGER_ADDRESS_LIMITED)),
		 log_str("phase", "accept"));
	return true;
}

static void session_displace(void *arg)
{
	session_finish_stranger(arg, stranger_end_name(STRANGER_DISPLACED));
}

void session_accept(struct airnet *airnet, int fd, const struct proxy_header *told)
{
	struct session *session;

	if (is_over_limit(airnet, fd, told)) {
		log_flush(); /* before the peer sees the end */
		close(fd);
		return;
	}
	session = calloc(1, sizeof(*session));
	BUG_ON(!session);
	session->seat = SEATS_NONE;
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
	if (told)
		session_believe(session, told);
	gate_enter(&airnet->gate, &session->gate, session_displace, session);
	if (airnet->is_stopping)
		session_drain(session);
}

/* What it is in the middle of is cut. */
static void session_cut(struct session *session, enum auth_reason reason)
{
	session->end = reason;
	if (session->transaction)
		transaction_cancel(session->transaction);
	session_finish_known(session);
}

/* @return whether it had anything of this server's; the session may be gone */
static bool session_revoke(struct session *session, const struct route *route,
			   const struct control_line *line)
{
	if (!session->accesses[route->index].is_asked)
		return false;
	access_forget(&session->accesses[route->index]);
	/* One server does not end what a device has with another. */
	if (!line->is_blocked || session->route != route)
		return true;
	/* Who is just asking for it is told. */
	if (session->transaction &&
	    !transaction_is_authenticating(session->transaction))
		session_cut(session, REASON_DEVICE_BLOCKED);
	else
		session_end_with(session, REASON_DEVICE_BLOCKED);
	return true;
}

static struct session *session_of(struct presence_entry *entry)
{
	return entry ? (struct session *)((char *)entry -
					  offsetof(struct session, by_device))
		     : NULL;
}

/* The next one that a line speaks of. */
static struct session *session_next(const struct airnet *airnet, const char *dev,
				    const struct session *after)
{
	if (dev[0])
		return session_of(presence_next(airnet->presence, dev,
						after ? &after->by_device : NULL));
	return after ? TAILQ_NEXT(after, entry) : TAILQ_FIRST(&airnet->sessions);
}

size_t session_revoke_all(struct airnet *airnet, const struct route *route,
			  const struct control_line *line)
{
	struct session *session = session_next(airnet, line->dev, NULL), *next;
	size_t n = 0;

	for (; session; session = next) {
		next = session_next(airnet, line->dev, session);
		n += session_revoke(session, route, line);
	}
	return n;
}

void session_end_called(struct airnet *airnet)
{
	struct session *session;

	TAILQ_FOREACH (session, &airnet->sessions, entry)
		if (session->end == REASON_NONE && limit_is_called(session->seat))
			session_end_with(session, REASON_SUPERSEDED);
}

size_t session_drain_all(struct airnet *airnet)
{
	struct session *session;
	size_t n = 0;

	TAILQ_FOREACH (session, &airnet->sessions, entry) {
		session_drain(session);
		n += !session_is_stranger(session);
	}
	return n;
}

size_t session_cut_all(struct airnet *airnet)
{
	struct session *session;
	size_t n = 0;

	while ((session = TAILQ_FIRST(&airnet->sessions))) {
		n += session->transaction != NULL;
		if (session_is_stranger(session))
			session_finish_stranger(session,
						stranger_end_name(STRANGER_CLOSED));
		else
			session_cut(session, session->end != REASON_NONE
						     ? session->end
						     : REASON_DRAINED);
	}
	return n;
}
