/*
 * What the handset's session does with what comes: nothing leaves before the server has
 * proven itself, a call that had no answer goes again, and each is answered once.
 */
#include "contrib/handset/session.h"

#include "test/unit/handset_wire.h"

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
