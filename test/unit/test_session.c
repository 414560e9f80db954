#include "gateway/session.h"

#include "test/unit/airnet_stage.h"

static int64_t count_ends(enum auth_reason reason)
{
	return metrics_sum(GATEWAY_SESSION_ENDS + reason);
}

static void a_server_learns_whose_session_it_is(void)
{
	struct airnet_stage stage;
	struct auth_claims first;
	uint8_t cred[SHA256_BYTES];
	int64_t n_sessions;

	airnet_stage_open(&stage);
	n_sessions = metrics_sum(GATEWAY_SESSIONS);
	CU_ASSERT_FATAL(X509_digest(stage.device->cert, EVP_sha256(), cred, NULL));
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	first = stage.asked;
	CU_ASSERT_STRING_EQUAL(first.dev, DEVICE);
	CU_ASSERT_EQUAL(memcmp(first.cred, cred, sizeof(cred)), 0);
	handset_vanish(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	/* The same device, but not the same session nor the same channel. */
	CU_ASSERT_STRING_EQUAL(stage.asked.dev, DEVICE);
	CU_ASSERT_NOT_EQUAL(memcmp(stage.asked.sid, first.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(stage.asked.binding, first.binding, SHA256_BYTES),
			    0);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS) - n_sessions, 2);
	airnet_stage_close(&stage);
}

static void the_channel_binding_is_that_of_the_connection(void)
{
	struct airnet_stage stage;
	uint8_t binding[SHA256_BYTES];

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_FATAL(
		tls_channel_binding(conn_ssl(link_conn(stage.handset)), binding));
	CU_ASSERT_EQUAL(memcmp(stage.asked.binding, binding, sizeof(binding)), 0);
	airnet_stage_close(&stage);
}

/* ---- Ends ---- */

static void leaves_between_requests(struct airnet_stage *stage)
{
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	link_close(stage->handset);
}

static void leaves_without_a_request(struct airnet_stage *stage)
{
	link_close(stage->handset);
}

static void is_lost_between_requests(struct airnet_stage *stage)
{
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	handset_vanish(stage);
}

static void stays_and_says_nothing(struct airnet_stage *stage)
{
	(void)stage; /* until the gateway's patience ends, which is made short */
}

static void is_lost_while_it_waits(struct airnet_stage *stage)
{
	handset_get_held(stage, SRV);
	handset_vanish(stage);
}

static void is_lost_while_it_is_authenticated(struct airnet_stage *stage)
{
	is_lost_while_it_waits(stage);
	CU_ASSERT_EQUAL(stage->n_authentications, 1);
	CU_ASSERT_EQUAL(stage->n_forwarded, 0);
	/* What the server says of it now comes to nobody. */
	STAGE_RUN_UNTIL(&stage->landnet, stage->n_gone == 1);
	airnet_stage_inform(stage, stage->held);
	STAGE_RUN_UNTIL(&stage->landnet, !stage->landnet.links[0]);
}

static void is_lost_while_it_is_served(struct airnet_stage *stage)
{
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	is_lost_while_it_waits(stage);
	CU_ASSERT_EQUAL(stage->n_forwarded, 2);
}

static void breaks_the_rules(struct airnet_stage *stage)
{
	struct http_field fields[150]; /* more than a request may have */

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fields[i] = (struct http_field){ SLICE("X-More"), SLICE("more") };
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	handset_send(
		stage,
		(struct http_head){ .method = HTTP_GET,
				    .target = SLICE(CARE_PATH),
				    .fields = fields,
				    .n_fields = sizeof(fields) / sizeof(fields[0]) },
		NULL);
	CU_ASSERT_EQUAL(handset_wait(stage), 431);
}

static void is_blocked_from_the_start(struct airnet_stage *stage)
{
	stage->standing = STANDING_BLOCKED;
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 403);
}

static void is_blocked_while_connected(struct airnet_stage *stage)
{
	stage->answers[1].status = 403;
	stage->answers[1].body = "{\"reason\":\"device_blocked\"}";
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 403);
}

static void is_not_known(struct airnet_stage *stage)
{
	stage->standing = STANDING_UNKNOWN;
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 403);
}

static void sends_too_much(struct airnet_stage *stage)
{
	handset_send(stage,
		     (struct http_head){ .method = HTTP_PUT,
					 .target = SLICE(CARE_PATH),
					 .content_length = BODY_LIMIT + 1 },
		     "");
	CU_ASSERT_EQUAL(handset_wait(stage), 413);
	/* The gateway waits for the rest of it; draining gives no other reason. */
	session_drain_all(&stage->airnet);
	handset_vanish(stage);
}

static void has_a_server_that_refuses_the_gateway(struct airnet_stage *stage)
{
	stage->authentication_status = 403;
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 403);
}

static void asks_for_a_server_that_there_is_not(struct airnet_stage *stage)
{
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(handset_get_of(stage, "unknown.example.com", CARE_PATH), 403);
}

static void is_drained(struct airnet_stage *stage)
{
	CU_ASSERT_EQUAL(handset_get(stage, CARE_PATH), 200);
	session_drain_all(&stage->airnet);
}

static const struct {
	void (*live)(struct airnet_stage *stage);
	enum auth_reason reason;
	bool is_reported;
} lives[] = {
	{ leaves_between_requests, REASON_CLIENT_CLOSED, false },
	{ leaves_without_a_request, REASON_CLIENT_CLOSED, false },
	{ is_lost_between_requests, REASON_CLIENT_CLOSED, false },
	{ stays_and_says_nothing, REASON_IDLE_TIMEOUT, false },
	{ is_lost_while_it_is_authenticated, REASON_CLIENT_FAILED, true },
	{ is_lost_while_it_is_served, REASON_CLIENT_FAILED, true },
	{ breaks_the_rules, REASON_CLIENT_FAILED, true },
	{ is_blocked_from_the_start, REASON_DEVICE_BLOCKED, true },
	{ is_blocked_while_connected, REASON_DEVICE_BLOCKED, true },
	{ is_not_known, REASON_DEVICE_UNKNOWN, true },
	{ sends_too_much, REASON_BODY_TOO_LARGE, true },
	{ has_a_server_that_refuses_the_gateway, REASON_AUTHENTICATION_REFUSED, false },
	{ asks_for_a_server_that_there_is_not, REASON_ROUTE_UNKNOWN, false },
	{ is_drained, REASON_DRAINED, false },
};

/* Each is counted under its reason, once; and its server is told of it, once, when it
 * was the device's doing or what the server said of it. */
static void every_end_has_its_reason(void)
{
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct airnet_stage stage;
		int64_t n_ends[REASON_N];

		airnet_stage_open(&stage);
		if (lives[i].live == stays_and_says_nothing)
			stage.airnet.link.idle_timeout_ms = 50;
		for (int r = 0; r < REASON_N; r++)
			n_ends[r] = count_ends((enum auth_reason)r);
		handset_connect(&stage);
		lives[i].live(&stage);
		airnet_stage_finish(&stage, 1);
		for (int r = 0; r < REASON_N; r++)
			CU_ASSERT_EQUAL(count_ends((enum auth_reason)r) - n_ends[r],
					r == (int)lives[i].reason);
		CU_ASSERT_EQUAL(stage.n_ends, lives[i].is_reported);
		if (lives[i].is_reported) {
			CU_ASSERT_EQUAL(stage.told_reason, lives[i].reason);
			CU_ASSERT_STRING_EQUAL(stage.told.dev, DEVICE);
			CU_ASSERT_EQUAL(
				memcmp(stage.told.sid, stage.asked.sid, AUTH_SID_BYTES),
				0);
		}
		airnet_stage_close(&stage);
	}
}

static void the_server_of_the_last_request_is_told(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	handset_get_held(&stage, OTHER_SRV);
	handset_vanish(&stage);
	airnet_stage_finish(&stage, 1);
	CU_ASSERT_EQUAL(stage.n_ends, 1);
	CU_ASSERT_STRING_EQUAL(stage.told_host, OTHER_SRV);
	airnet_stage_close(&stage);
}

/* ---- Who is nobody ---- */

static const struct {
	const char *san;
	enum auth_reason reason;
} nobodies[] = {
	{ NULL, REASON_IDENTIFIER_MISSING },
	{ "DNS:handset.example.com", REASON_IDENTIFIER_MISSING },
	{ "URI:" DEVICE ",URI:urn:gsma:imei:35209900-176149-0",
	  REASON_IDENTIFIER_AMBIGUOUS },
	{ "URI:urn:gsma:imei:35209900", REASON_IDENTIFIER_MALFORMED },
};

static void a_certificate_of_nobody_gets_nowhere(void)
{
	for (size_t i = 0; i < sizeof(nobodies) / sizeof(nobodies[0]); i++) {
		struct airnet_stage stage;
		int64_t n_sessions, n_ends = count_ends(nobodies[i].reason);

		airnet_stage_open_as(&stage, nobodies[i].san, false);
		n_sessions = metrics_sum(GATEWAY_SESSIONS);
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 403);
		CU_ASSERT(handset_was_told(&stage, "authentication_failed"));
		airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(count_ends(nobodies[i].reason) - n_ends, 1);
		CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS), n_sessions);
		CU_ASSERT_EQUAL(stage.landnet.n_requests, 0); /* nobody heard of it */
		airnet_stage_close(&stage);
	}
}

/* A stranger is a count and a line, and no session. */
static void a_refused_handshake_is_no_session(void)
{
	struct airnet_stage stage;
	int64_t n_failures, n_sessions, n_ends = 0;

	airnet_stage_open_as(&stage, "URI:" DEVICE, true);
	n_sessions = metrics_sum(GATEWAY_SESSIONS);
	n_failures = metrics_sum(GATEWAY_HANDSHAKE_FAILURES + TLS_FAILURE_REVOKED);
	for (int r = 0; r < REASON_N; r++)
		n_ends += count_ends((enum auth_reason)r);
	handset_connect(&stage);
	airnet_stage_finish(&stage, 1);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_HANDSHAKE_FAILURES + TLS_FAILURE_REVOKED) -
				n_failures,
			1);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS), n_sessions);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS_OPEN), 0);
	for (int r = 0; r < REASON_N; r++)
		n_ends -= count_ends((enum auth_reason)r);
	CU_ASSERT_EQUAL(n_ends, 0);
	CU_ASSERT_EQUAL(stage.landnet.n_requests, 0);
	airnet_stage_close(&stage);
}

/* ---- All of them ---- */

static void draining_cuts_no_answer(void)
{
	struct airnet_stage stage;
	int64_t n_drained = count_ends(REASON_DRAINED);

	airnet_stage_open(&stage);
	handset_connect(&stage);
	handset_get_held(&stage, SRV);
	session_drain_all(&stage.airnet);
	airnet_stage_let_go(&stage);
	CU_ASSERT_EQUAL(handset_wait(&stage), 200);
	CU_ASSERT_STRING_EQUAL(stage.body, "fine");
	airnet_stage_finish(&stage, 1); /* the last answer it gets */
	CU_ASSERT_EQUAL(count_ends(REASON_DRAINED) - n_drained, 1);
	airnet_stage_close(&stage);
}

/* It may be asking just now, and cannot know. */
static void draining_answers_a_request_on_its_way(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	STAGE_RUN_UNTIL(&stage.landnet, link_is_ready(stage.handset));
	handset_send(
		&stage,
		(struct http_head){ .method = HTTP_GET, .target = SLICE(CARE_PATH) },
		NULL);
	session_drain_all(&stage.airnet);
	CU_ASSERT_EQUAL(handset_wait(&stage), 200);
	airnet_stage_finish(&stage, 1);
	airnet_stage_close(&stage);
}

static void cutting_leaves_nobody(void)
{
	struct airnet_stage stage;
	int64_t n_drained = count_ends(REASON_DRAINED);

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	handset_connect(&stage);
	handset_get_held(&stage, SRV);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS_OPEN), 2);
	/* Two sessions, one of them with a request that this cuts. */
	CU_ASSERT_EQUAL(session_cut_all(&stage.airnet), 1);
	CU_ASSERT_EQUAL(count_ends(REASON_DRAINED) - n_drained, 2);
	CU_ASSERT(TAILQ_EMPTY(&stage.airnet.sessions));
	CU_ASSERT_EQUAL(stage.n_gone, 2);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_SESSIONS_OPEN), 0);
	/* What the server says to it now comes to nobody. */
	airnet_stage_inform(&stage, stage.held);
	STAGE_RUN_UNTIL(&stage.landnet,
			stage.n_hung_up == 2 && !stage.landnet.links[0]);
	CU_ASSERT_FALSE(stage.is_answered);
	airnet_stage_close(&stage);
}

/* Who is still in its handshake is no session: it has no reason of one. */
static void cutting_counts_strangers_as_strangers(void)
{
	const size_t closed = GATEWAY_STRANGER_ENDS + STRANGER_CLOSED;
	struct airnet_stage stage;
	int64_t n_closed, n_ends = 0;
	int fd;

	airnet_stage_open(&stage);
	n_closed = metrics_sum(closed);
	for (int r = 0; r < REASON_N; r++)
		n_ends += count_ends((enum auth_reason)r);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_EQUAL_FATAL(
		connect(fd, (struct sockaddr *)&stage.address, stage.address_size), 0);
	STAGE_RUN_UNTIL(&stage.landnet, !TAILQ_EMPTY(&stage.airnet.sessions));
	CU_ASSERT_EQUAL(session_drain_all(&stage.airnet), 0);
	CU_ASSERT_EQUAL(session_cut_all(&stage.airnet), 0);
	CU_ASSERT_EQUAL(stage.n_gone, 1);
	CU_ASSERT_EQUAL(metrics_sum(closed) - n_closed, 1);
	for (int r = 0; r < REASON_N; r++)
		n_ends -= count_ends((enum auth_reason)r);
	CU_ASSERT_EQUAL(n_ends, 0);
	close(fd);
	airnet_stage_close(&stage);
}

TEST_MAIN("session", TEST(a_server_learns_whose_session_it_is),
	  TEST(the_channel_binding_is_that_of_the_connection),
	  TEST(every_end_has_its_reason), TEST(the_server_of_the_last_request_is_told),
	  TEST(a_certificate_of_nobody_gets_nowhere),
	  TEST(a_refused_handshake_is_no_session), TEST(draining_cuts_no_answer),
	  TEST(draining_answers_a_request_on_its_way), TEST(cutting_leaves_nobody),
	  TEST(cutting_counts_strangers_as_strangers))
