#include "gateway/transaction.h"

#include "test/unit/airnet_stage.h"

#define RESOURCE "/.provbox/session"

/* ---- Authenticated before anything is forwarded ---- */

static void nothing_goes_on_before_the_server_knows_the_device(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	handset_get_held(&stage, SRV);
	CU_ASSERT_EQUAL(stage.n_authentications, 1);
	CU_ASSERT_EQUAL(stage.n_forwarded, 0);
	airnet_stage_let_go(&stage);
	CU_ASSERT_EQUAL(handset_wait(&stage), 200);
	CU_ASSERT_EQUAL(stage.n_forwarded, 1);
	airnet_stage_close(&stage);
}

static void one_grant_serves_many_requests(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	for (size_t i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(handset_get(&stage, OTHER_PATH "/1"), 200);
		CU_ASSERT_STRING_EQUAL(stage.body, "fine");
		CU_ASSERT_EQUAL(stage.n_forwarded, i);
		CU_ASSERT(airnet_stage_has_grant(&stage, 1));
	}
	CU_ASSERT_EQUAL(stage.n_authentications, 1);
	CU_ASSERT_FALSE(stage.is_asked_for_proof);
	airnet_stage_close(&stage);
}

static void each_server_has_a_grant_of_its_own(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT(airnet_stage_has_grant(&stage, 1));
	CU_ASSERT_EQUAL(handset_get_of(&stage, OTHER_SRV, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT(airnet_stage_has_grant(&stage, 2));
	/* Neither has replaced the other. */
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT(airnet_stage_has_grant(&stage, 1));
	CU_ASSERT_EQUAL(handset_get_of(&stage, OTHER_SRV, CARE_PATH), 200);
	CU_ASSERT(airnet_stage_has_grant(&stage, 2));
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	airnet_stage_close(&stage);
}

static void a_new_watch_asks_again_before_it_forwards(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	stage.watch++;
	stage.standing = STANDING_LIMITED;
	CU_ASSERT_EQUAL(handset_get(&stage, OTHER_PATH), 403);
	CU_ASSERT(handset_was_told(&stage, "standing_limited"));
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT_EQUAL(stage.n_forwarded, 1);
	/* Once for each watch, and never in an older one's right. */
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT(airnet_stage_has_grant(&stage, 2));
	airnet_stage_close(&stage);
}

static void without_a_stream_every_request_asks(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	stage.watch = 0;
	handset_connect(&stage);
	for (size_t i = 1; i <= 3; i++) {
		CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
		CU_ASSERT_EQUAL(stage.n_authentications, i);
		CU_ASSERT_EQUAL(stage.n_forwarded, i);
		CU_ASSERT(airnet_stage_has_grant(&stage, i));
	}
	stage.standing = STANDING_BLOCKED;
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 403);
	CU_ASSERT_EQUAL(stage.n_forwarded, 3);
	airnet_stage_finish(&stage, 1);
	airnet_stage_close(&stage);
}

/* The stream breaks between question and answer: what the server says may be older. */
static void an_answer_holds_for_the_watch_of_its_question(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	handset_get_held(&stage, SRV);
	stage.watch++;
	airnet_stage_let_go(&stage);
	CU_ASSERT_EQUAL(handset_wait(&stage), 200);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	airnet_stage_close(&stage);
}

static const struct {
	unsigned authentication_status;
	unsigned status;
	const char *reason;
} failures[] = {
	{ 403, 403, "authentication_failed" },
	{ 404, 403, "authentication_failed" },
	{ 500, 503, "server_unavailable" },
};

static void a_failed_authentication_forwards_nothing(void)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		stage.authentication_status = failures[i].authentication_status;
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), failures[i].status);
		CU_ASSERT(handset_was_told(&stage, failures[i].reason));
		airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(stage.n_forwarded, 0);
		airnet_stage_close(&stage);
	}
}

static void a_host_that_is_no_route_is_asked_nothing(void)
{
	static const char *const hosts[] = { "unknown.example.com",
					     "prov.example.com:8444",
					     "xprov.example.com:8443" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get_of(&stage, hosts[i], CARE_PATH), 403);
		CU_ASSERT(handset_was_told(&stage, "authentication_failed"));
		airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(stage.landnet.n_requests, 0);
		airnet_stage_close(&stage);
	}
}

/* ---- Standing x permission ---- */

static const struct {
	enum standing standing;
	const char *target;
	unsigned status;
	const char *reason; /* NULL: what the server says */
	bool is_over;       /* the session */
} permissions[] = {
	{ STANDING_ACTIVE, CARE_PATH, 200, NULL, false },
	{ STANDING_ACTIVE, OTHER_PATH, 200, NULL, false },
	{ STANDING_UNPROVISIONED, CARE_PATH, 200, NULL, false },
	{ STANDING_UNPROVISIONED, OTHER_PATH, 200, NULL, false },
	{ STANDING_LIMITED, CARE_PATH, 200, NULL, false },
	{ STANDING_LIMITED, CARE_PATH "/more?q=1", 200, NULL, false },
	{ STANDING_LIMITED, OTHER_PATH, 403, "standing_limited", false },
	{ STANDING_LIMITED, OTHER_PATH "?x=" CARE_PATH, 403, "standing_limited",
	  false },
	{ STANDING_BLOCKED, CARE_PATH, 403, "device_blocked", true },
	{ STANDING_BLOCKED, OTHER_PATH, 403, "device_blocked", true },
	{ STANDING_UNKNOWN, CARE_PATH, 403, "device_unknown", true },
	{ STANDING_UNKNOWN, OTHER_PATH, 403, "device_unknown", true },
	{ STANDING_ACTIVE, "/v1/authentication", 404, "path_unknown", false },
	{ STANDING_ACTIVE, CARE_PATH "x", 404, "path_unknown", false },
	{ STANDING_ACTIVE, "/", 404, "path_unknown", false },
	{ STANDING_LIMITED, "/v1/device", 404, "path_unknown", false },
};

static void a_standing_goes_where_it_may(void)
{
	for (size_t i = 0; i < sizeof(permissions) / sizeof(permissions[0]); i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		stage.standing = permissions[i].standing;
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get(&stage, permissions[i].target),
				permissions[i].status);
		if (permissions[i].reason)
			CU_ASSERT(handset_was_told(&stage, permissions[i].reason));
		CU_ASSERT_EQUAL(stage.n_forwarded, !permissions[i].reason);
		if (permissions[i].is_over)
			airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(stage.n_gone, permissions[i].is_over);
		airnet_stage_close(&stage);
	}
}

static void what_is_refused_for_one_request_ends_no_session(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	stage.standing = STANDING_LIMITED;
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, OTHER_PATH), 403);
	CU_ASSERT_EQUAL(handset_get(&stage, "/nowhere"), 404);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 1);
	airnet_stage_close(&stage);
}

static void a_body_has_a_limit(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	handset_send(
		&stage,
		(struct http_head){ .method = HTTP_PUT, .target = SLICE(CARE_PATH) },
		"hello");
	CU_ASSERT_EQUAL(handset_wait(&stage), 200);
	CU_ASSERT_STRING_EQUAL(stage.landnet.last_body, "hello");
	handset_send(&stage,
		     (struct http_head){ .method = HTTP_PUT,
					 .target = SLICE(CARE_PATH),
					 .content_length = BODY_LIMIT + 1 },
		     "");
	CU_ASSERT_EQUAL(handset_wait(&stage), 413);
	CU_ASSERT(handset_was_told(&stage, "body_too_large"));
	CU_ASSERT_EQUAL(stage.n_forwarded, 1);
	airnet_stage_close(&stage);
}

static const struct {
	uint64_t content_length;
	bool is_asked; /* the server: who sends slowly has a long exchange */
} dribbles[] = {
	{ 5, false },
	{ 16384, false },
	{ 16385, true },
};

static void on_dribbled(void *arg)
{
	*(bool *)arg = true;
}

static void a_small_body_is_whole_before_anybody_is_asked(void)
{
	for (size_t i = 0; i < sizeof(dribbles) / sizeof(dribbles[0]); i++) {
		struct airnet_stage stage;
		struct timer pause;
		bool is_over = false;

		airnet_stage_open(&stage);
		stage.config.body_limit = 20000;
		handset_connect(&stage);
		handset_send(&stage,
			     (struct http_head){
				     .method = HTTP_PUT,
				     .target = SLICE(CARE_PATH),
				     .content_length = dribbles[i].content_length,
			     },
			     "");
		timer_init(&pause, stage.landnet.loop, on_dribbled, &is_over);
		timer_start(&pause, 200);
		STAGE_RUN_UNTIL(&stage.landnet,
				is_over || stage.landnet.n_requests == 2);
		CU_ASSERT_EQUAL(stage.landnet.n_requests, dribbles[i].is_asked ? 2 : 0);
		timer_cancel(&pause);
		/* Who leaves is no request that was answered. */
		handset_vanish(&stage);
		airnet_stage_finish(&stage, 1);
		airnet_stage_close(&stage);
	}
}

/* ---- The gateway's own resource ---- */

/* What the handset reads, verified as a handset does. */
static enum standing read_session(const struct airnet_stage *stage)
{
	struct auth_claims claims;
	enum standing standing = STANDING_N;
	struct slice proof;
	char why[128];

	CU_ASSERT_FATAL(auth_session_decode(slice_of(stage->body), site.arena, &claims,
					    &standing, &proof, why, sizeof(why)));
	CU_ASSERT_EQUAL(memcmp(claims.sid, stage->asked.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(claims.nonce, stage->asked.nonce, AUTH_NONCE_BYTES), 0);
	CU_ASSERT_EQUAL(memcmp(claims.gw, stage->airnet.gw, SHA256_BYTES), 0);
	snprintf(claims.dev, sizeof(claims.dev), "%s", DEVICE);
	snprintf(claims.srv, sizeof(claims.srv), "%s", SRV);
	memcpy(claims.cred, stage->asked.cred, sizeof(claims.cred));
	memcpy(claims.binding, stage->asked.binding, sizeof(claims.binding));
	CU_ASSERT_EQUAL(proof_verify(site.by_pin, proof, &claims, standing, NULL),
			REASON_NONE);
	return standing;
}

static void the_session_is_shown_with_the_servers_proof(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	stage.standing = STANDING_LIMITED;
	handset_connect(&stage);
	for (size_t i = 1; i <= 2; i++) {
		/* Asked anew each time: a proof is good for one nonce. */
		CU_ASSERT_EQUAL(handset_get(&stage, RESOURCE), 200);
		CU_ASSERT_EQUAL(stage.n_authentications, i);
		CU_ASSERT(stage.is_asked_for_proof);
		CU_ASSERT_EQUAL(read_session(&stage), STANDING_LIMITED);
		CU_ASSERT_PTR_NOT_NULL(strstr(stage.head, "Cache-Control: no-store"));
	}
	CU_ASSERT_EQUAL(stage.n_forwarded, 0);
	/* The grant that came with it is good for requests. */
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT(airnet_stage_has_grant(&stage, 2));
	airnet_stage_close(&stage);
}

/* It learns so from the server's own signature, and then the session ends. */
static void a_blocked_device_is_shown_that_it_is(void)
{
	static const enum standing standings[] = { STANDING_BLOCKED, STANDING_UNKNOWN };

	for (size_t i = 0; i < 2; i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		stage.standing = standings[i];
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get(&stage, RESOURCE), 200);
		CU_ASSERT_EQUAL(read_session(&stage), standings[i]);
		airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(stage.n_ends, 1);
		CU_ASSERT_EQUAL(stage.told_reason, standings[i] == STANDING_BLOCKED
							   ? REASON_DEVICE_BLOCKED
							   : REASON_DEVICE_UNKNOWN);
		airnet_stage_close(&stage);
	}
}

static void what_is_under_the_prefix_is_never_forwarded(void)
{
	static char everything[] = "/"; /* the widest configuration */
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	stage.provision[0] = everything;
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, "/.provbox/other"), 404);
	CU_ASSERT_EQUAL(handset_get(&stage, RESOURCE "/more"), 404);
	handset_send(
		&stage,
		(struct http_head){ .method = HTTP_PUT, .target = SLICE(RESOURCE) },
		"hello");
	CU_ASSERT_EQUAL(handset_wait(&stage), 405);
	CU_ASSERT(handset_was_told(&stage, "method_not_allowed"));
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.head, "Allow: GET"));
	CU_ASSERT_EQUAL(stage.landnet.n_requests, 0);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	airnet_stage_close(&stage);
}

TEST_MAIN("transaction", TEST(nothing_goes_on_before_the_server_knows_the_device),
	  TEST(one_grant_serves_many_requests),
	  TEST(each_server_has_a_grant_of_its_own),
	  TEST(a_new_watch_asks_again_before_it_forwards),
	  TEST(without_a_stream_every_request_asks),
	  TEST(an_answer_holds_for_the_watch_of_its_question),
	  TEST(a_failed_authentication_forwards_nothing),
	  TEST(a_host_that_is_no_route_is_asked_nothing),
	  TEST(a_standing_goes_where_it_may),
	  TEST(what_is_refused_for_one_request_ends_no_session),
	  TEST(a_body_has_a_limit), TEST(a_small_body_is_whole_before_anybody_is_asked),
	  TEST(the_session_is_shown_with_the_servers_proof),
	  TEST(a_blocked_device_is_shown_that_it_is),
	  TEST(what_is_under_the_prefix_is_never_forwarded))
