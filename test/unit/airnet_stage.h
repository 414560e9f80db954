/*
 * An airnet without its processes: a handset with a certificate, sessions of the
 * gateway, and a landnet server that answers as the test says, all in one loop. For
 * tests of session.c and transaction.c; one at a time.
 */
#ifndef TEST_UNIT_AIRNET_STAGE_H
#define TEST_UNIT_AIRNET_STAGE_H

#include "base/listener.h"
#include "gateway/session.h"
#include "test/unit/gateway_stage.h"
#include "test/unit/pki.h"
#include "test/unit/proof_site.h"

#define OTHER_SRV   "other.example.com:8443"
#define DEVICE      "urn:gsma:imei:35209900-176148-0"
#define CARE_PATH   "/v1/catalogue"
#define OTHER_PATH  "/v1/requests"
#define BODY_LIMIT  1000
#define ANSWERS_MAX 4

struct airnet_stage {
	struct stage landnet; /* first: a stage is what it is told */
	struct pki *pki;
	const struct pki_leaf *device; /* the handset's certificate */
	struct tls_context *handset_tls;
	char pin[JWS_THUMBPRINT_CHARS + 1];
	char *pins[1], *addresses[1], *care[1], *provision[1];
	struct route_config routes[2];
	struct gateway_config config;
	struct airnet airnet;
	uint64_t watch;      /* of every route's control streams */
	size_t n_gone;       /* sessions */
	unsigned n_finished; /* queues of reports */
	int listener_fd;
	struct listener *listener;
	struct sockaddr_storage address; /* of the gateway */
	socklen_t address_size;

	/* How the server answers an authentication. */
	enum standing standing;
	unsigned authentication_status; /* 0: 200 */
	/* How it answers forwarded requests, in turn; then 200 `fine`. */
	struct {
		unsigned status;
		const char *body;
	} answers[ANSWERS_MAX];
	bool is_holding; /* answers nothing but keeps the last in held */
	struct exchange *held;
	/* What it was asked. */
	struct auth_claims asked;
	bool is_asked_for_proof;
	size_t n_authentications, n_forwarded, n_ends;
	char forwarded[4096]; /* head of the last forwarded request */
	enum auth_reason told_reason;
	struct auth_claims told; /* of the last session end */
	char told_host[AUTH_SRV_CHARS + 1];

	/* The handset. */
	struct link *handset; /* the last that connected; NULL when it is closed */
	unsigned n_hung_up;   /* handsets that the gateway closed or cut */
	bool is_answered;
	unsigned status;
	char head[4096], body[4096];
};

/* ---- The server ---- */

/** The grant of the nth authentication, as the server makes it. */
static inline struct slice airnet_stage_grant(size_t n)
{
	return slice_of(arena_printf(site.arena, "grant %zu", n));
}

static inline struct slice airnet_stage_prove(const struct airnet_stage *stage,
					      const struct http_head *head,
					      struct slice grant)
{
	struct proof_claims claims = { .claims = stage->asked,
				       .standing = stage->standing,
				       .issued_s = 1795224000 };

	memcpy(claims.claims.gw, stage->airnet.gw, sizeof(stage->airnet.gw));
	snprintf(claims.claims.srv, sizeof(claims.claims.srv), "%.*s",
		 (int)head->host.n, head->host.p);
	grant_hash(grant, claims.gh);
	return make(site.leaf_key, own_header(),
		    proof_claims_encode(&claims, site.arena));
}

static inline void airnet_stage_inform(struct airnet_stage *stage,
				       struct exchange *exchange)
{
	struct auth_information information = { .standing = stage->standing };

	memcpy(information.sid, stage->asked.sid, sizeof(information.sid));
	memcpy(information.nonce, stage->asked.nonce, sizeof(information.nonce));
	if (standing_permits(stage->standing, PERMISSION_CARE))
		information.grant = airnet_stage_grant(stage->n_authentications);
	if (stage->is_asked_for_proof)
		information.proof = airnet_stage_prove(stage, exchange_head(exchange),
						       information.grant);
	stage_reply(exchange,
		    stage->authentication_status ? stage->authentication_status : 200,
		    auth_information_encode(&information, site.arena));
}

/** Answer the authentication that was held, and whatever comes. */
static inline void airnet_stage_let_go(struct airnet_stage *stage)
{
	stage->is_holding = false;
	airnet_stage_inform(stage, stage->held);
}

static inline void airnet_stage_note_end(struct airnet_stage *stage,
					 const struct http_head *head)
{
	char why[128];

	CU_ASSERT_EQUAL_FATAL(auth_end_decode(slice_of(stage->landnet.last_body),
					      &stage->told, &stage->told_reason, why,
					      sizeof(why)),
			      AUTH_FAULT_NONE);
	snprintf(stage->told_host, sizeof(stage->told_host), "%.*s", (int)head->host.n,
		 head->host.p);
	stage->n_ends++;
}

static inline void airnet_stage_answer(struct stage *landnet, struct exchange *exchange)
{
	struct airnet_stage *stage = (struct airnet_stage *)landnet;
	const struct http_head *head = exchange_head(exchange);
	bool is_authentication = slice_eq(head->target, SLICE("/v1/authentication"));
	size_t turn = stage->n_forwarded;
	char why[128];

	if (slice_starts(head->target, SLICE("/v1/sessions/"))) {
		airnet_stage_note_end(stage, head);
		stage_reply(exchange, 204, "");
		return;
	}
	if (is_authentication) {
		stage->n_authentications++;
		CU_ASSERT_EQUAL_FATAL(auth_request_decode(slice_of(landnet->last_body),
							  &stage->asked,
							  &stage->is_asked_for_proof,
							  why, sizeof(why)),
				      AUTH_FAULT_NONE);
	} else {
		stage->n_forwarded++;
		memcpy(stage->forwarded, landnet->last_head, sizeof(stage->forwarded));
	}
	if (stage->is_holding)
		stage->held = exchange;
	else if (is_authentication)
		airnet_stage_inform(stage, exchange);
	else if (turn < ANSWERS_MAX && stage->answers[turn].status)
		stage_reply(exchange, stage->answers[turn].status,
			    stage->answers[turn].body);
	else
		stage_reply(exchange, 200, "fine");
}

/** Whether the last forwarded request had the grant of the nth authentication. */
static inline bool airnet_stage_has_grant(const struct airnet_stage *stage, size_t n)
{
	char text[64], line[96];

	base64url_encode(airnet_stage_grant(n), text);
	snprintf(line, sizeof(line), "Provbox-Grant: %s\n", text);
	return strstr(stage->forwarded, line) != NULL;
}

/* ---- The gateway ---- */

static struct airnet_stage *airnet_stage_now;

void airnet_session_gone(struct airnet *airnet)
{
	CU_ASSERT_PTR_EQUAL(airnet, &airnet_stage_now->airnet);
	airnet_stage_now->n_gone++;
}

uint64_t control_watch(const struct control *control)
{
	(void)control;
	return airnet_stage_now->watch;
}

static inline void airnet_stage_on_accept(struct listener *listener, int fd, void *arg)
{
	struct airnet_stage *stage = arg;

	(void)listener;
	session_accept(&stage->airnet, fd, NULL);
}

static inline struct tls_context *airnet_stage_tls(const struct pki *pki,
						   enum tls_role role,
						   const struct pki_leaf *leaf)
{
	char why[256];
	struct tls_context *context = tls_context_new(
		&(struct tls_settings){
			.role = role,
			.chain_path = leaf->path,
			.key = leaf->key,
			.trust_path = pki->ca_path,
			.crl_path = role == TLS_SERVER ? pki->crl_path : NULL,
			.no_crl = role == TLS_CLIENT,
		},
		why, sizeof(why));

	CU_ASSERT_PTR_NOT_NULL_FATAL(context);
	return context;
}

static inline void airnet_stage_configure(struct airnet_stage *stage)
{
	static char names[2][sizeof(OTHER_SRV)] = { SRV, OTHER_SRV };
	static char care[] = CARE_PATH, provision[] = OTHER_PATH;

	CU_ASSERT_FATAL(jws_thumbprint(site.leaf_key, stage->pin));
	stage->pins[0] = stage->pin;
	stage->addresses[0] = stage->landnet.address;
	stage->care[0] = care;
	stage->provision[0] = provision;
	for (size_t i = 0; i < 2; i++)
		stage->routes[i] = (struct route_config){
			.title = names[i],
			.addresses = { stage->addresses, 1 },
			.care = { stage->care, 1 },
			.provision = { stage->provision, 1 },
			.proof_pins = { stage->pins, 1 },
		};
	stage->config = (struct gateway_config){
		.routes = { stage->routes, 2 },
		.slim_sessions = true,
		.pool_size = 4,
		.pool_queue = 16,
		.pool_wait_ms = 5000,
		.body_limit = BODY_LIMIT,
		.handshake_timeout_ms = 5000,
		.head_timeout_ms = 5000,
		.body_timeout_ms = 5000,
		.write_timeout_ms = 5000,
		.idle_timeout_ms = 9000,
		.authentication_timeout_ms = 8000,
	};
}

static inline void airnet_stage_open_airnet(struct airnet_stage *stage,
					    const struct pki_leaf *gateway)
{
	struct airnet *airnet = &stage->airnet;
	struct sockaddr *address = (struct sockaddr *)&stage->address;

	airnet->loop = stage->landnet.loop;
	airnet->config = &stage->config;
	airnet->tls = airnet_stage_tls(stage->pki, TLS_SERVER, gateway);
	memset(airnet->gw, 'g', sizeof(airnet->gw));
	TAILQ_INIT(&airnet->sessions);
	airnet->presence = presence_new(1); /* all share what places there are */
	gate_init(&airnet->gate, airnet->loop, 0, 0, NULL, NULL);
	airnet->routes = route_table_new(&stage->config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(airnet->routes);
	route_table_open(airnet->routes, airnet->loop, &stage->config, NULL);
	airnet->reports = calloc(2, sizeof(struct report_queue *));
	for (size_t i = 0; i < 2; i++)
		airnet->reports[i] = report_queue_new(
			airnet->loop,
			route_find(airnet->routes, slice_of(stage->routes[i].title)),
			5000);
	airnet->controls = calloc(2, sizeof(struct control *));
	stage->watch = 1;
	airnet->link = stage_link_settings();
	airnet->link.conn.tls = airnet->tls;
	stage->listener_fd = listener_open("127.0.0.1:0");
	stage->address_size = sizeof(stage->address);
	CU_ASSERT_FATAL(
		stage->listener_fd >= 0 &&
		!getsockname(stage->listener_fd, address, &stage->address_size));
	stage->listener = listener_new(airnet->loop, stage->listener_fd,
				       airnet_stage_on_accept, stage);
}

/** @param san  of the handset's certificate, or NULL */
static inline void airnet_stage_open_as(struct airnet_stage *stage, const char *san,
					bool is_revoked)
{
	const struct pki_leaf *gateway;
	struct pki_leaf *device;

	memset(stage, 0, sizeof(*stage));
	airnet_stage_now = stage;
	stage_metrics_open();
	site_open();
	stage_open(&stage->landnet);
	stage->landnet.answer = airnet_stage_answer;
	stage->pki = pki_new("Airnet");
	gateway = pki_issue(stage->pki, "gateway",
			    &(struct pki_options){ .san = "DNS:gw.example.com",
						   .eku = "serverAuth" });
	device = pki_issue(stage->pki, "handset",
			   &(struct pki_options){ .san = san, .eku = "clientAuth" });
	device->is_revoked = is_revoked;
	pki_write_crl(stage->pki, 3600);
	stage->device = device;
	stage->handset_tls = airnet_stage_tls(stage->pki, TLS_CLIENT, device);
	airnet_stage_configure(stage);
	airnet_stage_open_airnet(stage, gateway);
}

static inline void airnet_stage_open(struct airnet_stage *stage)
{
	airnet_stage_open_as(stage, "URI:" DEVICE, false);
}

static inline void airnet_stage_on_reported(void *arg)
{
	struct airnet_stage *stage = arg;

	stage->n_finished++;
}

/** Wait until so many sessions are over, and all that servers are told of them is. */
static inline void airnet_stage_finish(struct airnet_stage *stage, size_t n_sessions)
{
	STAGE_RUN_UNTIL(&stage->landnet, stage->n_gone == n_sessions);
	CU_ASSERT(TAILQ_EMPTY(&stage->airnet.sessions));
	for (size_t i = 0; i < 2; i++)
		report_queue_finish(stage->airnet.reports[i], airnet_stage_on_reported,
				    stage);
	STAGE_RUN_UNTIL(&stage->landnet, stage->n_finished == 2);
}

static inline void airnet_stage_close(struct airnet_stage *stage)
{
	if (stage->handset)
		link_free(stage->handset);
	session_cut_all(&stage->airnet);
	for (size_t i = 0; i < 2; i++)
		report_queue_free(stage->airnet.reports[i]);
	free(stage->airnet.reports);
	free(stage->airnet.controls);
	presence_free(stage->airnet.presence);
	route_table_free(stage->airnet.routes);
	listener_free(stage->listener);
	close(stage->listener_fd);
	stage_close(&stage->landnet);
	tls_context_free(stage->airnet.tls);
	tls_context_free(stage->handset_tls);
	pki_free(stage->pki);
	site_close();
}

/* ---- The handset ---- */

static inline void handset_on_exchange(struct exchange *exchange,
				       enum exchange_event event, void *arg)
{
	struct airnet_stage *stage = arg;
	const struct http_head *head = exchange_head(exchange);
	struct evbuffer *body;

	if (event == EXCHANGE_HEAD) {
		char kept[sizeof(stage->landnet.last_head)];

		memcpy(kept, stage->landnet.last_head, sizeof(kept));
		stage_note_head(&stage->landnet, head);
		memcpy(stage->head, stage->landnet.last_head, sizeof(stage->head));
		memcpy(stage->landnet.last_head, kept, sizeof(kept));
		stage->status = head->status;
	} else if (event == EXCHANGE_BODY) {
		size_t used = strlen(stage->body);

		body = exchange_body(exchange);
		int n = evbuffer_remove(body, stage->body + used,
					sizeof(stage->body) - 1 - used);
		if (n > 0)
			stage->body[used + (size_t)n] = '\0';
		exchange_resume(exchange);
	}
	if (event == EXCHANGE_END)
		stage->is_answered = true;
}

static inline void handset_on_link(struct link *link, enum link_event event,
				   struct exchange *exchange, void *arg)
{
	struct airnet_stage *stage = arg;

	(void)exchange;
	if (event != LINK_CLOSED)
		return;
	link_free(link);
	stage->n_hung_up++;
	if (stage->handset == link)
		stage->handset = NULL;
}

/** Connect; the session is there, unless the gateway refused the certificate. */
static inline void handset_connect(struct airnet_stage *stage)
{
	struct link_settings settings = stage_link_settings();

	settings.conn.tls = stage->handset_tls;
	settings.conn.server_name = "gw.example.com";
	stage->handset =
		link_connect(stage->landnet.loop, (struct sockaddr *)&stage->address,
			     stage->address_size, &settings, handset_on_link, stage);
	STAGE_RUN_UNTIL(&stage->landnet,
			!stage->handset || link_is_ready(stage->handset));
}

/** Ask, and do not wait for the answer. @param body  NULL: none; "": promised, by
 * head.content_length, but not sent */
static inline void handset_send(struct airnet_stage *stage, struct http_head head,
				const char *body)
{
	struct exchange *exchange;
	struct evbuffer *data = evbuffer_new();

	STAGE_RUN_UNTIL(&stage->landnet,
			!stage->handset || link_is_ready(stage->handset));
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage->handset);
	stage->is_answered = false;
	stage->status = 0;
	stage->head[0] = stage->body[0] = '\0';
	if (!head.host.n)
		head.host = SLICE(SRV);
	head.keep_alive = true;
	if (body && !head.content_length)
		head.content_length = strlen(body);
	head.framing = body ? HTTP_LENGTH : HTTP_NO_BODY;
	exchange = link_request(stage->handset, handset_on_exchange, stage);
	exchange_send_head(exchange, &head);
	if (body && *body) {
		evbuffer_add(data, body, strlen(body));
		exchange_send_body(exchange, data);
		exchange_send_end(exchange);
	}
	evbuffer_free(data);
}

/** Wait for the answer or the end of the session. */
static inline unsigned handset_wait(struct airnet_stage *stage)
{
	STAGE_RUN_UNTIL(&stage->landnet, stage->is_answered || !stage->handset);
	return stage->status;
}

static inline void handset_ask_of(struct airnet_stage *stage, const char *host,
				  const char *target)
{
	handset_send(stage,
		     (struct http_head){ .method = HTTP_GET,
					 .host = slice_of(host),
					 .target = slice_of(target) },
		     NULL);
}

/** @return the status of the answer, or 0 when there was none */
static inline unsigned handset_get_of(struct airnet_stage *stage, const char *host,
				      const char *target)
{
	handset_ask_of(stage, host, target);
	return handset_wait(stage);
}

static inline unsigned handset_get(struct airnet_stage *stage, const char *target)
{
	return handset_get_of(stage, SRV, target);
}

/** Ask, until the server has the request, or the authentication before it, and keeps it
 * for airnet_stage_let_go(). */
static inline void handset_get_held(struct airnet_stage *stage, const char *host)
{
	stage->is_holding = true;
	handset_ask_of(stage, host, CARE_PATH);
	STAGE_RUN_UNTIL(&stage->landnet, stage->held);
}

/** The connection is lost. */
static inline void handset_vanish(struct airnet_stage *stage)
{
	link_free(stage->handset);
	stage->handset = NULL;
}

/** Whether the handset was told this reason by the gateway or the server. */
static inline bool handset_was_told(const struct airnet_stage *stage,
				    const char *reason)
{
	char member[96];

	snprintf(member, sizeof(member), "\"reason\":\"%s\"", reason);
	return strstr(stage->body, member) != NULL;
}

#endif
