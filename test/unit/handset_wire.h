/*
 * The handset's session with everything around it played: its connection, whether a
 * proof is good, and who asks for calls. A test says what the other side does
 * (open_wire(), prove(), answer(), close_wire()) and looks at what was `said` and
 * `heard`.
 */
#ifndef TEST_UNIT_HANDSET_WIRE_H
#define TEST_UNIT_HANDSET_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/log.h"
#include "contrib/handset/credentials.h"
#include "contrib/handset/session.h"
#include "test/unit/claims.h"
#include "test/unit/test.h"

#define PATIENCE_MS 10000

static struct loop *loop;
static struct handset_config config;
static struct session *session;

/* The connection. */
static struct {
	link_fn *fn;
	void *arg;
	unsigned n_connects;
	bool is_up, is_ready;
	const char *reason; /* why it closed */
	enum conn_failure failure;
	bool has_binding;
} wire;

/* The request on it, and its answer. */
static struct {
	exchange_fn *fn;
	void *arg;
	unsigned n_requests;
	char targets[16][64]; /* of all */
	char host[64], body[64];
	struct http_head answer;
	struct http_field fields[2];
	struct evbuffer *rx;
	bool is_done;
} said;

/* What came out. */
static struct {
	unsigned n_answers, n_connected, n_proven, n_bodies;
	char failure[64], reason[64], text[64];
	unsigned status;
	bool is_taken; /* whether on_body goes on */
} heard;

static enum auth_reason verdict; /* on the proof */
static struct auth_claims believed;

/* ---- Played ---- */

bool credentials_load(const struct handset_config *its_config, struct credentials *out,
		      char *why, size_t why_size)
{
	struct auth_claims own;

	(void)its_config, (void)why, (void)why_size;
	claims_fill(&own);
	*out = (struct credentials){ .tls = NULL };
	memcpy(out->srv, own.srv, sizeof(own.srv));
	memcpy(out->cred, own.cred, SHA256_BYTES);
	return true;
}

void credentials_free(struct credentials *credentials)
{
	(void)credentials;
}

enum auth_reason proof_verify(const struct proof_trust *trust, struct slice jws,
			      const struct auth_claims *claims, enum standing standing,
			      const uint8_t *gh)
{
	(void)trust, (void)standing;
	CU_ASSERT_PTR_NULL(gh);
	CU_ASSERT(slice_eq(jws, SLICE("a.b.c")));
	believed = *claims;
	return verdict;
}

static int dummy;

struct link *link_connect(struct loop *its_loop, const struct sockaddr *address,
			  socklen_t size, const struct link_settings *settings,
			  link_fn *fn, void *arg)
{
	(void)its_loop, (void)address, (void)size;
	CU_ASSERT_STRING_EQUAL(settings->conn.server_name, "gw.example.com");
	CU_ASSERT_FALSE(wire.is_up);
	wire.fn = fn;
	wire.arg = arg;
	wire.n_connects++;
	wire.is_up = true;
	wire.is_ready = false;
	return (struct link *)&dummy;
}

void link_free(struct link *link)
{
	(void)link;
	wire.is_up = false;
}

void link_close(struct link *link)
{
	(void)link;
	wire.is_ready = false;
}

bool link_is_ready(const struct link *link)
{
	(void)link;
	return wire.is_ready;
}

struct conn *link_conn(struct link *link)
{
	(void)link;
	return (struct conn *)&dummy;
}

const char *link_reason(const struct link *link)
{
	(void)link;
	return wire.reason;
}

struct exchange *link_request(struct link *link, exchange_fn *fn, void *arg)
{
	(void)link;
	CU_ASSERT_TRUE(wire.is_up && wire.is_ready);
	said.fn = fn;
	said.arg = arg;
	wire.is_ready = false;
	return (struct exchange *)&dummy;
}

enum conn_failure conn_failure(const struct conn *conn)
{
	(void)conn;
	return wire.failure;
}

SSL *conn_ssl(struct conn *conn)
{
	(void)conn;
	return NULL;
}

const char *conn_peer(const struct conn *conn)
{
	(void)conn;
	return "192.0.2.1:8443";
}

bool address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size)
{
	(void)text;
	memset(out, 0, sizeof(*out));
	*size = sizeof(*out);
	return true;
}

bool tls_channel_binding(SSL *ssl, uint8_t out[SHA256_BYTES])
{
	(void)ssl;
	memset(out, 'B', SHA256_BYTES);
	return wire.has_binding;
}

const struct http_head *exchange_head(const struct exchange *exchange)
{
	(void)exchange;
	return &said.answer;
}

struct evbuffer *exchange_body(struct exchange *exchange)
{
	(void)exchange;
	return said.rx;
}

void exchange_resume(struct exchange *exchange)
{
	(void)exchange;
}

void exchange_send_head(struct exchange *exchange, const struct http_head *head)
{
	(void)exchange;
	CU_ASSERT_FATAL(said.n_requests < 16);
	snprintf(said.targets[said.n_requests++], sizeof(said.targets[0]), "%.*s",
		 (int)head->target.n, head->target.p);
	snprintf(said.host, sizeof(said.host), "%.*s", (int)head->host.n, head->host.p);
	said.body[0] = '\0';
}

void exchange_send_body(struct exchange *exchange, struct evbuffer *data)
{
	(void)exchange;
	int n = evbuffer_remove(data, said.body, sizeof(said.body) - 1);
	said.body[n > 0 ? n : 0] = '\0';
}

void exchange_send_end(struct exchange *exchange)
{
	(void)exchange;
}

/* ---- What the other side does ---- */

static inline void work(void)
{
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static inline void open_wire(void)
{
	work();
	CU_ASSERT_TRUE_FATAL(wire.is_up);
	wire.is_ready = true;
	wire.fn((struct link *)&dummy, LINK_OPEN, NULL, wire.arg);
	work();
}

static inline void close_wire(const char *reason)
{
	wire.reason = reason;
	wire.fn((struct link *)&dummy, LINK_CLOSED, NULL, wire.arg);
	work();
}

static inline void receive(unsigned status, const char *body)
{
	said.answer.status = status;
	evbuffer_add(said.rx, body, strlen(body));
	said.fn((struct exchange *)&dummy, EXCHANGE_BODY, said.arg);
}

static inline void answer(unsigned status, const char *body)
{
	receive(status, body);
	if (wire.is_up)
		said.fn((struct exchange *)&dummy, EXCHANGE_DONE, said.arg);
	evbuffer_drain(said.rx, evbuffer_get_length(said.rx));
	if (wire.is_up) {
		wire.is_ready = true;
		wire.fn((struct link *)&dummy, LINK_IDLE, NULL, wire.arg);
	}
	work();
}

static inline void prove(enum standing standing)
{
	struct arena *arena = arena_new(16384);
	struct auth_claims claims;

	claims_fill(&claims);
	CU_ASSERT_STRING_EQUAL(said.targets[said.n_requests - 1], "/.provbox/session");
	answer(200, auth_session_encode(&claims, standing, SLICE("a.b.c"), arena));
	arena_free(arena);
}

/* ---- What the handset does ---- */

static inline void on_progress(void *arg, enum session_progress progress)
{
	(void)arg;
	heard.n_connected += progress == SESSION_CONNECTED;
	heard.n_proven += progress == SESSION_PROVEN;
}

static inline void on_answer(void *arg, const struct session_answer *its_answer)
{
	(void)arg;
	heard.n_answers++;
	heard.status = its_answer->status;
	snprintf(heard.failure, sizeof(heard.failure), "%s",
		 its_answer->failure ? its_answer->failure : "");
	snprintf(heard.reason, sizeof(heard.reason), "%s",
		 its_answer->reason ? its_answer->reason : "");
	snprintf(heard.text, sizeof(heard.text), "%.*s", (int)its_answer->body.n,
		 its_answer->body.n ? its_answer->body.p : "");
}

static inline bool on_body(void *arg, const struct http_head *head,
			   struct evbuffer *body)
{
	(void)arg, (void)head;
	heard.n_bodies++;
	evbuffer_drain(body, evbuffer_get_length(body));
	return heard.is_taken;
}

static inline void ask(const char *target, session_body_fn *fn)
{
	struct session_call call = { .method = HTTP_PUT,
				     .target = target,
				     .body = SLICE("personal"),
				     .on_body = fn,
				     .on_answer = on_answer };

	session_call(session, &call);
	CU_ASSERT_EQUAL(heard.n_answers, 0); /* never within */
}

static inline void begin(void)
{
	char why[128];

	memset(&wire, 0, sizeof(wire));
	memset(&said, 0, sizeof(said));
	memset(&heard, 0, sizeof(heard));
	wire.has_binding = true;
	heard.is_taken = true;
	said.rx = evbuffer_new();
	verdict = REASON_NONE;
	loop = loop_new();
	config = (struct handset_config){ .gateway = "192.0.2.1:8443",
					  .gateway_name = "gw.example.com",
					  .device = "urn:gsma:imei:35209900-176148-0",
					  .retries = 2,
					  .retry_delay_ms = 1 };
	session = session_new(loop, &config, on_progress, NULL, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(session);
}

static inline void end(void)
{
	session_free(session);
	CU_ASSERT_FALSE(wire.is_up);
	evbuffer_free(said.rx);
	loop_free(loop);
}

/* Until the next attempt has been made, whose pause is a few ms. */
static inline bool connects_again(unsigned n)
{
	int64_t last = loop_now_ms(loop) + PATIENCE_MS;

	while (wire.n_connects < n && loop_now_ms(loop) < last)
		work();
	return wire.n_connects == n;
}

#endif
