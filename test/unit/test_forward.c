#include "gateway/forward.h"

#include "test/unit/forward_play.h"

static void only_listed_fields_pass(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, answer_and_remember);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_EQUAL(play.status, 200);
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "GET /v1/device\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Accept: application/json\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Prefer: wait=5\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Provbox-Grant: Z3JhbnQ\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Provbox-Exchange: 0\n"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "forged"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "forwarded"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "x-wap"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "cookie"));
	/* Nor does the exchange number leave towards the handset. */
	CU_ASSERT_PTR_NULL(strcasestr(play.head, "provbox-"));
	play_close(&play);
}

static void a_body_passes(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", stage_answer_ok);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_STRING_EQUAL(play.stage.last_body, "hello");
	CU_ASSERT_STRING_EQUAL(play.body, "fine");
	play_close(&play);
}

static void a_body_over_the_limit_does_not(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", stage_answer_ok);
	play.body_limit = 4;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_BODY_TOO_LARGE);
	CU_ASSERT_STRING_EQUAL(play.stage.last_body, "");
	play_close(&play);
}

static void answer_early(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	stage_reply(exchange, 415, "no");
}

/* The answer has to wait for room on the handset's link, and the rest of the request
 * comes only after it: the server is not left with half a request. */
static void an_early_answer_ends_both_sides(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", answer_early);
	play.stage.is_hasty = true;
	play.device_tx_high = 2;
	play.is_body_late = true;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_EQUAL(play.status, 415);
	CU_ASSERT_STRING_EQUAL(play.body, "no");
	play_close(&play);
}

/* An answer whose body comes a little after its head, all at once. */
static struct slow_answer {
	struct exchange *exchange;
	struct timer timer;
} slow_answer;

static void on_slow_answer(void *arg)
{
	struct evbuffer *body = evbuffer_new();

	(void)arg;
	evbuffer_add(body, "fine", 4);
	exchange_send_body(slow_answer.exchange, body);
	exchange_send_end(slow_answer.exchange);
	evbuffer_free(body);
}

static void answer_slowly(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("0") };

	exchange_send_head(exchange, &(struct http_head){ .status = 200,
							  .fields = &field,
							  .n_fields = 1,
							  .framing = HTTP_CHUNKED,
							  .keep_alive = true });
	slow_answer.exchange = exchange;
	timer_init(&slow_answer.timer, stage->loop, on_slow_answer, NULL);
	timer_start(&slow_answer.timer, 50);
}

/* The body fills the handset's link, and in the same turn the server's side is over. */
static void an_answer_ends_though_the_handset_is_slow(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, answer_slowly);
	play.device_tx_high = 2;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_STRING_EQUAL(play.body, "fine");
	play_close(&play);
}

static void answer_wrong_number(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("1") };

	(void)stage;
	exchange_reply(exchange, 200, &field, 1, SLICE("canary"));
}

static void answer_no_number(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	exchange_reply(exchange, 200, NULL, 0, SLICE("canary"));
}

static void an_answer_of_another_exchange_is_not_passed_on(void)
{
	void (*const answers[])(struct stage *,
				struct exchange *) = { answer_wrong_number,
						       answer_no_number };

	for (size_t i = 0; i < 2; i++) {
		struct play play;

		play_open(&play, &get_request, NULL, answers[i]);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, REASON_LANDNET_DESYNC);
		CU_ASSERT_EQUAL(play.status, 0);
		CU_ASSERT_STRING_EQUAL(play.body, "");
		play_close(&play);
	}
}

static const struct {
	unsigned status;
	const char *body;
	enum auth_reason result;
} verdicts[] = {
	{ 401, "{\"reason\":\"grant_epoch\"}", REASON_GRANT_EPOCH },
	{ 401, "{\"reason\":\"grant_expired\"}", REASON_GRANT_EXPIRED },
	/* No reason that a new grant mends: never taken as success. */
	{ 401, "{\"reason\":\"none\"}", REASON_GRANT_INVALID },
	{ 401, "{\"reason\":7}", REASON_GRANT_INVALID },
	{ 401, "no document", REASON_GRANT_INVALID },
	{ 401, "", REASON_GRANT_INVALID },
	{ 403, "{\"reason\":\"device_blocked\"}", REASON_DEVICE_BLOCKED },
	{ 403, "{\"reason\":\"device_unknown\"}", REASON_DEVICE_UNKNOWN },
	{ 403, "{\"reason\":\"gateway_unknown\"}", REASON_AUTHENTICATION_REFUSED },
	/* The handset's own matter. */
	{ 403, "{\"reason\":\"standing_limited\"}", REASON_NONE },
	{ 403, "{\"reason\":\"grant_epoch\"}", REASON_NONE },
	{ 404, "{\"reason\":\"device_blocked\"}", REASON_NONE },
};
static size_t verdict_now;

static void answer_verdict(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	stage_reply(exchange, verdicts[verdict_now].status, verdicts[verdict_now].body);
}

static void what_the_server_says_of_the_session_is_the_callers_matter(void)
{
	for (verdict_now = 0; verdict_now < sizeof(verdicts) / sizeof(verdicts[0]);
	     verdict_now++) {
		bool is_passed = verdicts[verdict_now].result == REASON_NONE;
		struct play play;

		play_open(&play, &get_request, NULL, answer_verdict);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, verdicts[verdict_now].result);
		CU_ASSERT_EQUAL(play.status,
				is_passed ? verdicts[verdict_now].status : 0);
		CU_ASSERT_STRING_EQUAL(play.body,
				       is_passed ? verdicts[verdict_now].body : "");
		play_close(&play);
	}
}

static void a_server_that_is_away_is_told(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, stage_answer_ok);
	stage_stop_listening(&play.stage);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_LANDNET_UNREACHABLE);
	play_close(&play);
}

TEST_MAIN("forward", TEST(only_listed_fields_pass), TEST(a_body_passes),
	  TEST(a_body_over_the_limit_does_not), TEST(an_early_answer_ends_both_sides),
	  TEST(an_answer_ends_though_the_handset_is_slow),
	  TEST(an_answer_of_another_exchange_is_not_passed_on),
	  TEST(what_the_server_says_of_the_session_is_the_callers_matter),
	  TEST(a_server_that_is_away_is_told))
