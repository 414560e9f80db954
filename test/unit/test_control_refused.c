/* Servers that open no control stream, and what the gateway makes of their reasons. */
#include "gateway/control.h"

#include "test/unit/control_play.h"

static void an_answer_that_is_no_stream_is_refused(void)
{
	for (int i = 0; i < 4; i++) {
		struct play play;

		play_prepare(&play);
		play.status = i == 0 ? 503 : i == 1 ? 404 : 0;
		play.media_type = i == 2 ? "application/json" : play.media_type;
		play.number = i == 3 ? "1" : NULL;
		play_begin(&play, 1);
		STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_REFUSED) == 1);
		CU_ASSERT_EQUAL(watch(&play), 0);
		/* It is asked again. */
		play.status = 0;
		play.media_type = "application/x-ndjson";
		play.number = NULL;
		STAGE_RUN_UNTIL(&play.stage, play.n_streams == 2);
		say(&play, 1, HEARTBEAT, strlen(HEARTBEAT));
		STAGE_RUN_UNTIL(&play.stage, watch(&play));
		play_close(&play);
	}
}

#define PROBLEM(reason) "{\"status\":403,\"reason\":\"" reason "\"}"

/* A play whose server answers every stream with a problem. */
static void play_refuse(struct play *play, unsigned status, const char *problem)
{
	play_prepare(play);
	play->status = status;
	play->media_type = "application/problem+json";
	play->problem = problem;
	play_begin(play, 1);
	play->caught = caught_begin(stderr);
}

static void a_gateway_that_no_server_lists_says_so_once(void)
{
	struct play play;

	play_refuse(&play, 403, PROBLEM("gateway_unknown"));
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_REFUSED) == 1);
	/* It may pass: the server may just be reloaded. */
	CU_ASSERT_FALSE(control_is_refused(play.control));
	STAGE_RUN_UNTIL(&play.stage, control_is_refused(play.control));
	CU_ASSERT_EQUAL(losses(&play, CONTROL_LOSS_REFUSED), 3);
	CU_ASSERT_EQUAL(play.n_verdicts, 1);
	const char *text = caught_end(play.caught);
	const char *line = strstr(text, "ERROR");
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "detail=gateway_unknown pin=____AAAAA"));
	CU_ASSERT_PTR_NULL(strstr(line + 1, "ERROR"));
	CU_ASSERT_PTR_NULL(strstr(text, "WARN"));
	/* Until it is listed. */
	play.status = 0;
	play.problem = NULL;
	play.media_type = "application/x-ndjson";
	STAGE_RUN_UNTIL(&play.stage, play.n_streams == 4);
	CU_ASSERT_TRUE(control_is_refused(play.control));
	say(&play, 3, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play.stage, !control_is_refused(play.control));
	CU_ASSERT_EQUAL(play.n_verdicts, 2);
	play_close(&play);
}

/* What a server says is shown when it is a word, and only a 403 of the one reason makes
 * a gateway a stranger. */
static void a_refusal_gives_its_reason(void)
{
	static const struct {
		unsigned status;
		const char *problem, *shown;
	} rows[] = {
		{ 403, PROBLEM("grant_unexpected"), "detail=grant_unexpected\n" },
		{ 500, PROBLEM("gateway_unknown"), "detail=gateway_unknown\n" },
		{ 403, PROBLEM("Not a word"), "detail=403\n" },
		{ 403, PROBLEM(""), "detail=403\n" },
		{ 403,
		  PROBLEM("a_very_long_word_a_very_long_word_a_very_long_word_"
			  "a_very_long_w"),
		  "detail=403\n" },
		{ 404, "{\"reason\":7}", "detail=404\n" },
		{ 404, "no document", "detail=404\n" },
		{ 404, "", "detail=404\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct play play;

		play_refuse(&play, rows[i].status, rows[i].problem);
		STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_REFUSED) == 3);
		CU_ASSERT_FALSE(control_is_refused(play.control));
		const char *text = caught_end(play.caught);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, rows[i].shown));
		CU_ASSERT_PTR_NULL(strstr(text, "ERROR"));
		play_close(&play);
	}
}

/* More than a reason needs is not read. */
static void a_long_refusal_is_not_gathered(void)
{
	static char problem[5000] = PROBLEM("gateway_unknown");
	struct play play;

	memset(problem + strlen(problem), ' ', sizeof(problem) - 1 - strlen(problem));
	play_refuse(&play, 403, problem);
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_REFUSED) == 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(caught_end(play.caught), "detail=403\n"));
	play_close(&play);
}

/* Of two servers one that serves it is enough. */
static void one_that_lists_it_is_enough(void)
{
	struct play play;

	play_prepare(&play);
	play_begin(&play, 2);
	STAGE_RUN_UNTIL(&play.stage, play.n_streams == 2);
	say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play.stage, watch(&play));
	play.status = 403;
	play.media_type = "application/problem+json";
	play.problem = PROBLEM("gateway_unknown");
	exchange_send_end(play.streams[1]);
	for (int64_t i = 1; i <= 3; i++) {
		say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
		STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_REFUSED) == i);
	}
	CU_ASSERT_FALSE(control_is_refused(play.control));
	CU_ASSERT_EQUAL(play.n_verdicts, 0);
	exchange_send_end(play.streams[0]);
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_ENDED) == 2);
	STAGE_RUN_UNTIL(&play.stage, control_is_refused(play.control));
	play_close(&play);
}

TEST_MAIN("control_refused", TEST(an_answer_that_is_no_stream_is_refused),
	  TEST(a_gateway_that_no_server_lists_says_so_once),
	  TEST(a_refusal_gives_its_reason), TEST(a_long_refusal_is_not_gathered),
	  TEST(one_that_lists_it_is_enough))
