#include "gateway/report.h"

#include "test/unit/caught.h"
#include "test/unit/claims.h"
#include "test/unit/gateway_stage.h"

#define LIMIT 1000 /* that a queue holds */

/* A queue, and a server that writes down whose end it was told. */
struct play {
	struct stage stage;
	struct route route;
	const char *address[1];
	struct report_queue *queue;
	unsigned statuses[4]; /* of the first answers; 0: 204. Then 204 */
	bool is_silent;
	struct exchange *held; /* the first that a silent server was asked */
	bool is_number_wrong;
	size_t n_told;
	unsigned told[LIMIT + 16]; /* numbers of sessions */
	enum auth_reason reasons[LIMIT + 16];
	unsigned n_finished;
	int64_t sent, dropped; /* metrics at the beginning */
};

static void sid_of(unsigned number, uint8_t sid[AUTH_SID_BYTES])
{
	memset(sid, 0, AUTH_SID_BYTES);
	memcpy(sid, &number, sizeof(number));
}

/* Note what was told, if it is one thing: the sid of the path is that of the body. */
static void note_end(struct play *play)
{
	const struct stage *stage = &play->stage;
	char path[128], sid[BASE64URL_CHARS(AUTH_SID_BYTES) + 1], why[128];
	struct auth_claims claims;
	enum auth_reason reason;

	CU_ASSERT_EQUAL_FATAL(auth_end_decode(slice_of(stage->last_body), &claims,
					      &reason, why, sizeof(why)),
			      AUTH_FAULT_NONE);
	base64url_encode(slice_make(claims.sid, AUTH_SID_BYTES), sid);
	snprintf(path, sizeof(path), "POST /v1/sessions/%s/end\n", sid);
	CU_ASSERT_EQUAL(strncmp(stage->last_head, path, strlen(path)), 0);
	CU_ASSERT_FATAL(play->n_told < sizeof(play->told) / sizeof(play->told[0]));
	memcpy(&play->told[play->n_told], claims.sid, sizeof(unsigned));
	play->reasons[play->n_told++] = reason;
}

static void answer(struct stage *stage, struct exchange *exchange)
{
	struct play *play = (struct play *)stage;
	unsigned status = play->n_told < 4 ? play->statuses[play->n_told] : 0;
	struct http_field wrong = { SLICE("Provbox-Exchange"), SLICE("4711") };

	note_end(play);
	if (play->is_silent)
		play->held = exchange;
	else if (play->is_number_wrong)
		exchange_reply(exchange, 204, &wrong, 1, SLICE(""));
	else
		stage_reply(exchange, status ? status : 204, "");
}

static void play_open(struct play *play)
{
	memset(play, 0, sizeof(*play));
	stage_metrics_open();
	stage_open(&play->stage);
	play->stage.answer = answer;
	play->address[0] = play->stage.address;
	stage_route_open(&play->stage, &play->route, play->address);
	play->queue = report_queue_new(play->stage.loop, &play->route, 5000);
	play->sent = metrics_sum(GATEWAY_ENDS_SENT);
	play->dropped = metrics_sum(GATEWAY_ENDS_DROPPED);
}

static void play_close(struct play *play)
{
	report_queue_free(play->queue);
	pool_free(play->route.pool);
	stage_close(&play->stage);
}

static void report(struct play *play, unsigned number, enum auth_reason reason)
{
	struct auth_claims claims;

	claims_fill(&claims);
	sid_of(number, claims.sid);
	report_session_end(play->queue, &claims, reason);
}

static int64_t sent(const struct play *play)
{
	return metrics_sum(GATEWAY_ENDS_SENT) - play->sent;
}

static int64_t dropped(const struct play *play)
{
	return metrics_sum(GATEWAY_ENDS_DROPPED) - play->dropped;
}

static void on_finished(void *arg)
{
	struct play *play = arg;

	play->n_finished++;
}

/* Everything that will ever be sent is sent. */
static void finish(struct play *play)
{
	report_queue_finish(play->queue, on_finished, play);
	CU_ASSERT_EQUAL(play->n_finished, 0); /* never from within */
	STAGE_RUN_UNTIL(&play->stage, play->n_finished);
	CU_ASSERT_EQUAL(play->n_finished, 1);
}

static void each_session_is_told_once_and_in_turn(void)
{
	static const enum auth_reason reasons[] = { REASON_DEVICE_BLOCKED,
						    REASON_BODY_TOO_LARGE,
						    REASON_CLIENT_FAILED };
	struct play play;

	play_open(&play);
	for (unsigned i = 0; i < 3; i++)
		report(&play, i, reasons[i]);
	finish(&play);
	CU_ASSERT_EQUAL_FATAL(play.n_told, 3);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(play.told[i], i);
		CU_ASSERT_EQUAL(play.reasons[i], reasons[i]);
	}
	CU_ASSERT_EQUAL(sent(&play), 3);
	CU_ASSERT_EQUAL(dropped(&play), 0);
	play_close(&play);
}

static void one_is_on_its_way_at_a_time(void)
{
	struct play play;

	play_open(&play);
	play.is_silent = true;
	for (unsigned i = 0; i < 3; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	STAGE_RUN_UNTIL(&play.stage, play.held);
	CU_ASSERT_EQUAL(play.n_told, 1);
	CU_ASSERT_EQUAL(play.stage.n_links, 1);
	play.is_silent = false;
	stage_reply(play.held, 204, "");
	finish(&play);
	CU_ASSERT_EQUAL(play.n_told, 3);
	play_close(&play);
}

/* Whatever is neither stored nor refused goes again, before those behind it. */
static void a_server_in_trouble_is_told_again(void)
{
	static const unsigned statuses[] = { 500, 503, 200 };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct play play;

		play_open(&play);
		play.statuses[0] = statuses[i];
		report(&play, 1, REASON_CLIENT_FAILED);
		report(&play, 2, REASON_CLIENT_FAILED);
		STAGE_RUN_UNTIL(&play.stage, play.n_told == 3);
		finish(&play);
		CU_ASSERT_EQUAL(play.told[0], 1);
		CU_ASSERT_EQUAL(play.told[1], 1);
		CU_ASSERT_EQUAL(play.told[2], 2);
		CU_ASSERT_EQUAL(sent(&play), 2);
		CU_ASSERT_EQUAL(dropped(&play), 0);
		play_close(&play);
	}
}

static void what_a_server_refuses_is_not_told_again(void)
{
	static const unsigned statuses[] = { 400, 403, 404, 409, 499 };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct play play;

		play_open(&play);
		play.statuses[0] = statuses[i];
		report(&play, 1, REASON_CLIENT_FAILED);
		report(&play, 2, REASON_CLIENT_FAILED);
		finish(&play);
		CU_ASSERT_EQUAL(play.n_told, 2);
		CU_ASSERT_EQUAL(play.told[1], 2);
		CU_ASSERT_EQUAL(sent(&play), 1);
		CU_ASSERT_EQUAL(dropped(&play), 1);
		play_close(&play);
	}
}

/* A thousand wait; of more the oldest go, but for the one that is on its way, which is
 * still there when it has to go again. */
static void past_the_bound_the_oldest_go(void)
{
	struct play play;

	play_open(&play);
	play.is_silent = true;
	report(&play, 0, REASON_CLIENT_FAILED);
	STAGE_RUN_UNTIL(&play.stage, play.held);
	for (unsigned i = 1; i < LIMIT; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	CU_ASSERT_EQUAL(dropped(&play), 0);
	for (unsigned i = LIMIT; i < LIMIT + 5; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	CU_ASSERT_EQUAL(dropped(&play), 5);
	play.is_silent = false;
	stage_reply(play.held, 500, "");
	STAGE_RUN_UNTIL(&play.stage, play.n_told == LIMIT + 1);
	finish(&play);
	CU_ASSERT_EQUAL(play.told[0], 0);
	CU_ASSERT_EQUAL(play.told[1], 0);
	for (unsigned i = 1; i < LIMIT; i++)
		CU_ASSERT_EQUAL(play.told[i + 1], i + 5);
	CU_ASSERT_EQUAL(sent(&play), LIMIT);
	CU_ASSERT_EQUAL(dropped(&play), 5);
	play_close(&play);
}

static size_t lines(const char *log)
{
	return caught_count(log, "ev=session_end_dropped");
}

static void on_second(void *arg)
{
	(void)arg;
}

/* One line tells of the first, and one a second of those that came since. */
static void what_is_dropped_is_logged_now_and_then(void)
{
	struct play play;
	struct timer second;

	play_open(&play);
	play.is_silent = true;
	for (unsigned i = 0; i < LIMIT; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	struct caught caught = caught_begin(stderr);
	for (unsigned i = LIMIT; i < LIMIT + 5; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	const char *log = caught_end(caught);
	CU_ASSERT_EQUAL(lines(log), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(log, " n=1\n"));

	caught = caught_begin(stderr);
	timer_init(&second, play.stage.loop, on_second, NULL);
	timer_start(&second, 1500);
	STAGE_RUN_UNTIL(&play.stage, !timer_is_pending(&second));
	log = caught_end(caught);
	CU_ASSERT_EQUAL(lines(log), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(log, " n=4\n"));

	for (unsigned i = LIMIT + 5; i < LIMIT + 8; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	caught = caught_begin(stderr);
	play_close(&play);
	log = caught_end(caught);
	CU_ASSERT_EQUAL(lines(log), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(log, " n=3\n"));
}

/* Finishing does not wait for a server to come back: the rest is lost, and counted. */
static void finishing_gives_up_at_the_first_failure(void)
{
	struct play play;

	play_open(&play);
	play.statuses[1] = 500;
	for (unsigned i = 0; i < 4; i++)
		report(&play, i, REASON_CLIENT_FAILED);
	finish(&play);
	CU_ASSERT_EQUAL(play.n_told, 2);
	CU_ASSERT_EQUAL(sent(&play), 1);
	CU_ASSERT_EQUAL(dropped(&play), 3);
	play_close(&play);
}

static void a_server_that_is_away_keeps_nobody_from_finishing(void)
{
	struct play play;

	play_open(&play);
	stage_stop_listening(&play.stage);
	report(&play, 1, REASON_CLIENT_FAILED);
	report(&play, 2, REASON_CLIENT_FAILED);
	finish(&play);
	CU_ASSERT_EQUAL(sent(&play), 0);
	CU_ASSERT_EQUAL(dropped(&play), 2);
	play_close(&play);
}

static void an_answer_of_another_exchange_stores_nothing(void)
{
	struct play play;

	play_open(&play);
	play.is_number_wrong = true;
	report(&play, 1, REASON_CLIENT_FAILED);
	finish(&play);
	CU_ASSERT_EQUAL(sent(&play), 0);
	CU_ASSERT_EQUAL(dropped(&play), 1);
	play_close(&play);
}

static void a_queue_with_nothing_in_it_is_finished(void)
{
	struct play play;

	play_open(&play);
	finish(&play);
	CU_ASSERT_EQUAL(play.n_told, 0);
	play_close(&play);
}

static void a_queue_may_go_with_a_report_on_its_way(void)
{
	struct play play;

	play_open(&play);
	play.is_silent = true;
	report(&play, 1, REASON_CLIENT_FAILED);
	report(&play, 2, REASON_CLIENT_FAILED);
	STAGE_RUN_UNTIL(&play.stage, play.held);
	report_queue_free(play.queue);
	play.queue = NULL;
	stage_reply(play.held, 204, ""); /* to nobody: the link is gone */
	STAGE_RUN_UNTIL(&play.stage, !play.stage.links[0]);
	CU_ASSERT_EQUAL(sent(&play), 0);
	CU_ASSERT_EQUAL(play.n_told, 1);
	play_close(&play);
}

TEST_MAIN("report", TEST(each_session_is_told_once_and_in_turn),
	  TEST(one_is_on_its_way_at_a_time), TEST(a_server_in_trouble_is_told_again),
	  TEST(what_a_server_refuses_is_not_told_again),
	  TEST(past_the_bound_the_oldest_go),
	  TEST(what_is_dropped_is_logged_now_and_then),
	  TEST(finishing_gives_up_at_the_first_failure),
	  TEST(a_server_that_is_away_keeps_nobody_from_finishing),
	  TEST(an_answer_of_another_exchange_stores_nothing),
	  TEST(a_queue_with_nothing_in_it_is_finished),
	  TEST(a_queue_may_go_with_a_report_on_its_way))
