/*
 * What the handset's session does with what comes: nothing leaves before the server has
 * proven itself, a call that had no answer goes again, and each is answered once. The
 * connection, and whether a proof is good, are played here.
 */
#include "contrib/handset/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "contrib/handset/credentials.h"
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

bool conn_address(const char *text, struct sockaddr_storage *out, socklen_t *size)
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

static void work(void)
{
	event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static void open_wire(void)
{
	work();
	CU_ASSERT_TRUE_FATAL(wire.is_up);
	wire.is_ready = true;
	wire.fn((struct link *)&dummy, LINK_OPEN, NULL, wire.arg);
	work();
}

static void close_wire(const char *reason)
{
	wire.reason = reason;
	wire.fn((struct link *)&dummy, LINK_CLOSED, NULL, wire.arg);
	work();
}

static void receive(unsigned status, const char *body)
{
	said.answer.status = status;
	evbuffer_add(said.rx, body, strlen(body));
	said.fn((struct exchange *)&dummy, EXCHANGE_BODY, said.arg);
}

static void answer(unsigned status, const char *body)
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

static void prove(enum standing standing)
{
	struct arena *arena = arena_new(16384);
	struct auth_claims claims;

	claims_fill(&claims);
	CU_ASSERT_STRING_EQUAL(said.targets[said.n_requests - 1], "/.provbox/session");
	answer(200, auth_session_encode(&claims, standing, SLICE("a.b.c"), arena));
	arena_free(arena);
}

/* ---- What the handset does ---- */

static void on_progress(void *arg, enum session_progress progress)
{
	(void)arg;
	heard.n_connected += progress == SESSION_CONNECTED;
	heard.n_proven += progress == SESSION_PROVEN;
}

static void on_answer(void *arg, const struct session_answer *its_answer)
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

static bool on_body(void *arg, const struct http_head *head, struct evbuffer *body)
{
	(void)arg, (void)head;
	heard.n_bodies++;
	evbuffer_drain(body, evbuffer_get_length(body));
	return heard.is_taken;
}

static void ask(const char *target, session_body_fn *fn)
{
	struct session_call call = { .method = HTTP_PUT,
				     .target = target,
				     .body = SLICE("personal"),
				     .on_body = fn,
				     .on_answer = on_answer };

	session_call(session, &call);
	CU_ASSERT_EQUAL(heard.n_answers, 0); /* never within */
}

static void begin(void)
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

static void end(void)
{
	session_free(session);
	CU_ASSERT_FALSE(wire.is_up);
	evbuffer_free(said.rx);
	loop_free(loop);
}

/* Until the next attempt has been made, whose pause is a few ms. */
static bool connects_again(unsigned n)
{
	int64_t last = loop_now_ms(loop) + PATIENCE_MS;

	while (wire.n_connects < n && loop_now_ms(loop) < last)
		work();
	return wire.n_connects == n;
}

/* ---- Tests ---- */

static void sends_nothing_before_the_proof(void)
{
	struct auth_claims own;

	begin();
	ask("/v1/requests/1", NULL);
	open_wire();
	CU_ASSERT_EQUAL(said.n_requests, 1);
	CU_ASSERT_STRING_EQUAL(said.body, "");
	CU_ASSERT_STRING_EQUAL(said.host, "prov.example.com:8443");
	CU_ASSERT(heard.n_connected == 1 && heard.n_proven == 0);
	prove(STANDING_UNPROVISIONED);
	/* Verified against what this side knows itself, not what it was told. */
	claims_fill(&own);
	memset(own.binding, 'B', sizeof(own.binding));
	CU_ASSERT_STRING_EQUAL(believed.dev, config.device);
	CU_ASSERT_EQUAL(memcmp(believed.binding, own.binding, SHA256_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(believed.cred, own.cred, SHA256_BYTES), 0);
	CU_ASSERT_STRING_EQUAL(believed.srv, own.srv);
	CU_ASSERT_EQUAL(heard.n_proven, 1);
	CU_ASSERT_EQUAL(said.n_requests, 2);
	CU_ASSERT_STRING_EQUAL(said.targets[1], "/v1/requests/1");
	CU_ASSERT_STRING_EQUAL(said.body, "personal");
	answer(201, "done");
	CU_ASSERT(heard.n_answers == 1 && heard.status == 201);
	CU_ASSERT_STRING_EQUAL(heard.text, "done");
	CU_ASSERT_STRING_EQUAL(heard.failure, "");
	end();
}

static const struct {
	enum auth_reason verdict;
	enum standing standing;
	unsigned status;
	const char *body; /* NULL: a session resource */
	const char *failure;
} unproven[] = {
	{ REASON_PROOF_SIGNATURE, STANDING_ACTIVE, 200, NULL, "proof_signature" },
	{ REASON_PROOF_MISMATCH, STANDING_ACTIVE, 200, NULL, "proof_mismatch" },
	{ REASON_PROOF_UNTRUSTED, STANDING_BLOCKED, 200, NULL, "proof_untrusted" },
	{ REASON_NONE, STANDING_BLOCKED, 200, NULL, "device_blocked" },
	{ REASON_NONE, STANDING_UNKNOWN, 200, NULL, "device_unknown" },
	{ REASON_NONE, STANDING_ACTIVE, 200, "{}", "proof_malformed" },
	{ REASON_NONE, STANDING_ACTIVE, 200, "", "proof_malformed" },
	{ REASON_NONE, STANDING_ACTIVE, 403, "", "authentication_failed" },
	{ REASON_NONE, STANDING_ACTIVE, 404, "", "status_unexpected" },
};

static void ends_for_good_without_a_proof(void)
{
	for (size_t i = 0; i < sizeof(unproven) / sizeof(unproven[0]); i++) {
		begin();
		ask("/v1/requests/1", NULL);
		open_wire();
		verdict = unproven[i].verdict;
		if (unproven[i].body)
			answer(unproven[i].status, unproven[i].body);
		else
			prove(unproven[i].standing);
		CU_ASSERT_STRING_EQUAL(heard.failure, unproven[i].failure);
		CU_ASSERT_EQUAL(heard.n_answers, 1);
		CU_ASSERT_EQUAL(said.n_requests, 1);
		CU_ASSERT_EQUAL(wire.n_connects, 1);
		CU_ASSERT_FALSE(wire.is_up);
		end();
	}
}

static void needs_its_own_view_of_the_channel(void)
{
	begin();
	wire.has_binding = false;
	ask("/v1/requests/1", NULL);
	open_wire();
	CU_ASSERT_STRING_EQUAL(heard.failure, "channel_binding");
	CU_ASSERT_EQUAL(said.n_requests, 0);
	end();
}

static void sends_a_call_again_on_a_connection_proven_anew(void)
{
	begin();
	ask("/v1/requests/1", NULL);
	open_wire();
	prove(STANDING_ACTIVE);
	close_wire("eof");
	CU_ASSERT_TRUE(connects_again(2));
	open_wire();
	CU_ASSERT_STRING_EQUAL(said.targets[2], "/.provbox/session");
	prove(STANDING_ACTIVE);
	CU_ASSERT_STRING_EQUAL(said.targets[3], "/v1/requests/1");
	answer(200, "");
	CU_ASSERT(heard.n_answers == 1 && heard.status == 200);
	end();
}

static void gives_up_after_its_retries(void)
{
	begin();
	ask("/v1/requests/1", NULL);
	for (unsigned n = 1; n <= 3; n++) {
		CU_ASSERT_TRUE(connects_again(n));
		CU_ASSERT_EQUAL(heard.n_answers, 0);
		close_wire("refused");
	}
	CU_ASSERT_EQUAL(heard.n_answers, 1);
	CU_ASSERT(heard.failure[0]);
	end();
}

static void never_tries_again_what_tls_refused(void)
{
	begin();
	wire.failure = CONN_FAILURE_TLS;
	ask("/v1/requests/1", NULL);
	work();
	close_wire("unknown_ca");
	CU_ASSERT_EQUAL(heard.n_answers, 1);
	for (int i = 0; i < 20; i++)
		work();
	CU_ASSERT_EQUAL(wire.n_connects, 1);
	end();
}

static void waits_where_the_server_cannot_answer_now(void)
{
	begin();
	ask("/v1/requests/1", NULL);
	open_wire();
	prove(STANDING_ACTIVE);
	answer(503, "");
	CU_ASSERT_EQUAL(heard.n_answers, 0);
	int64_t last = loop_now_ms(loop) + PATIENCE_MS;
	while (said.n_requests < 3 && loop_now_ms(loop) < last)
		work();
	/* The same connection, and no further proof. */
	CU_ASSERT(said.n_requests == 3 && wire.n_connects == 1);
	CU_ASSERT_STRING_EQUAL(said.targets[2], "/v1/requests/1");
	answer(409, "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
		    "\"reason\":\"request_conflict\"}");
	CU_ASSERT(heard.n_answers == 1 && heard.status == 409);
	CU_ASSERT_STRING_EQUAL(heard.reason, "request_conflict");
	end();
}

static void comes_back_no_earlier_than_it_is_told(void)
{
	begin();
	ask("/v1/requests/1", NULL);
	open_wire();
	prove(STANDING_ACTIVE);
	said.fields[0] = (struct http_field){ SLICE("retry-after"), SLICE("299") };
	said.answer.fields = said.fields;
	said.answer.n_fields = 1;
	answer(503, "");
	usleep(30000); /* much more than the pause of its own */
	work();
	CU_ASSERT_EQUAL(said.n_requests, 2);
	CU_ASSERT_EQUAL(heard.n_answers, 0);
	said.answer.n_fields = 0;
	end();
}

static void repeats_no_call_whose_body_was_taken(void)
{
	begin();
	ask("/v1/content/1", on_body);
	open_wire();
	prove(STANDING_ACTIVE);
	receive(206, "part");
	CU_ASSERT_EQUAL(heard.n_bodies, 1);
	close_wire("eof");
	CU_ASSERT_EQUAL(heard.n_answers, 1);
	CU_ASSERT(heard.failure[0]);
	CU_ASSERT_EQUAL(said.n_requests, 2);
	end();
}

static void gives_a_call_up_when_its_owner_does(void)
{
	begin();
	heard.is_taken = false;
	ask("/v1/content/1", on_body);
	open_wire();
	prove(STANDING_ACTIVE);
	answer(200, "part");
	CU_ASSERT_EQUAL(heard.n_answers, 1);
	CU_ASSERT_STRING_EQUAL(heard.failure, "cancelled");
	end();
}

static void takes_no_answer_without_end(void)
{
	char *much = calloc(1, (1 << 20) + 2);

	memset(much, 'x', (1 << 20) + 1);
	begin();
	ask("/v1/catalogue", NULL);
	open_wire();
	prove(STANDING_ACTIVE);
	answer(200, much);
	CU_ASSERT_EQUAL(heard.n_answers, 1);
	CU_ASSERT_STRING_EQUAL(heard.failure, "answer_too_large");
	free(much);
	end();
}

static void answers_in_the_order_of_the_calls(void)
{
	begin();
	session_open(session, on_answer, NULL);
	ask("/v1/a", NULL);
	ask("/v1/b", NULL);
	open_wire();
	prove(STANDING_ACTIVE);
	CU_ASSERT_EQUAL(heard.n_answers, 1); /* it is open */
	CU_ASSERT_STRING_EQUAL(heard.failure, "");
	CU_ASSERT_STRING_EQUAL(said.targets[1], "/v1/a");
	answer(200, "a");
	CU_ASSERT_STRING_EQUAL(heard.text, "a");
	CU_ASSERT_STRING_EQUAL(said.targets[2], "/v1/b");
	answer(200, "b");
	CU_ASSERT_STRING_EQUAL(heard.text, "b");
	CU_ASSERT_EQUAL(heard.n_answers, 3);
	end();
}

static void on_gone(void *arg)
{
	++*(unsigned *)arg;
}

static void closes_once_and_says_nothing_more(void)
{
	for (int is_idle = 0; is_idle < 2; is_idle++) {
		unsigned n_closed = 0;

		begin();
		ask("/v1/a", NULL);
		open_wire();
		prove(STANDING_ACTIVE);
		if (is_idle)
			answer(200, "a");
		heard.n_answers = 0;
		session_close(session, on_gone, &n_closed);
		session_close(session, on_gone, &n_closed);
		CU_ASSERT_EQUAL(n_closed, 0); /* not within */
		if (is_idle)
			close_wire("closed");
		for (int i = 0; i < 20; i++)
			work();
		CU_ASSERT_EQUAL(n_closed, 1);
		CU_ASSERT_EQUAL(heard.n_answers, 0);
		end();
	}
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(sends_nothing_before_the_proof),
		TEST(ends_for_good_without_a_proof),
		TEST(needs_its_own_view_of_the_channel),
		TEST(sends_a_call_again_on_a_connection_proven_anew),
		TEST(gives_up_after_its_retries),
		TEST(never_tries_again_what_tls_refused),
		TEST(waits_where_the_server_cannot_answer_now),
		TEST(comes_back_no_earlier_than_it_is_told),
		TEST(repeats_no_call_whose_body_was_taken),
		TEST(gives_a_call_up_when_its_owner_does),
		TEST(takes_no_answer_without_end),
		TEST(answers_in_the_order_of_the_calls),
		TEST(closes_once_and_says_nothing_more),
	};

	log_open("test_handset_session", LOG_LEVEL_ERROR);
	return test_main("handset_session", cases, sizeof(cases) / sizeof(cases[0]));
}
