#include "gateway/control.h"

#include "test/unit/control_play.h"

static void nothing_holds_before_the_first_heartbeat(void)
{
	struct play play;

	play_prepare(&play);
	play_begin(&play, 1);
	CU_ASSERT_EQUAL(watch(&play), 0);
	STAGE_RUN_UNTIL(&play.stage, play.n_streams == 1);
	say(&play, 0, BLOCKED, strlen(BLOCKED));
	STAGE_RUN_UNTIL(&play.stage, play.n_changes == 1);
	CU_ASSERT_EQUAL(watch(&play), 0);
	say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play.stage, watch(&play));
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_CONTROL_STREAMS), 1);
	play_close(&play);
}

static void heartbeats_keep_the_watch(void)
{
	struct play play;
	uint64_t first;

	play_open(&play);
	first = watch(&play);
	for (int i = 0; i < 5; i++) {
		const int64_t end_ms = loop_now_ms(play.stage.loop) + 300;

		while (loop_now_ms(play.stage.loop) < end_ms)
			event_base_loop(loop_base(play.stage.loop), EVLOOP_NONBLOCK);
		CU_ASSERT_EQUAL(watch(&play), first);
		say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
	}
	CU_ASSERT_EQUAL(play.n_streams, 1);
	play_close(&play);
}

static void changes_are_told_however_they_are_cut(void)
{
	static const char text[] = HEARTBEAT BLOCKED
		"{\"end\":\"*\",\"epoch\":4,\"reason\":\"grant_epoch\"}\n" HEARTBEAT;
	struct play play;

	play_open(&play);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		say(&play, 0, text + i, 1);
		event_base_loop(loop_base(play.stage.loop), EVLOOP_ONCE);
		if (i == strlen(HEARTBEAT BLOCKED)) {
			STAGE_RUN_UNTIL(&play.stage, play.n_changes == 1);
			CU_ASSERT_STRING_EQUAL(play.last.dev, DEV);
			CU_ASSERT_TRUE(play.last.is_blocked);
		}
	}
	STAGE_RUN_UNTIL(&play.stage, play.n_changes == 2);
	CU_ASSERT_STRING_EQUAL(play.last.dev, "");
	CU_ASSERT_FALSE(play.last.is_blocked);
	say(&play, 0, BLOCKED BLOCKED, strlen(BLOCKED BLOCKED));
	STAGE_RUN_UNTIL(&play.stage, play.n_changes == 4);
	play_close(&play);
}

/* Lost for a reason, the streams come back with another watch. */
static void expect_loss(struct play *play, enum control_loss loss, uint64_t before)
{
	const size_t n = play->n_streams;

	STAGE_RUN_UNTIL(&play->stage, losses(play, loss) == 1);
	CU_ASSERT_EQUAL(watch(play), 0);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_CONTROL_STREAMS), 0);
	STAGE_RUN_UNTIL(&play->stage, play->n_streams == n + 1);
	CU_ASSERT_EQUAL(watch(play), 0);
	say(play, n, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play->stage, watch(play));
	CU_ASSERT_NOT_EQUAL(watch(play), before);
}

static void a_second_of_silence_ends_it(void)
{
	struct play play;
	uint64_t before;
	int64_t start_ms;

	play_open(&play);
	before = watch(&play);
	start_ms = loop_now_ms(play.stage.loop);
	expect_loss(&play, CONTROL_LOSS_SILENT, before);
	CU_ASSERT(loop_now_ms(play.stage.loop) - start_ms >= 900);
	play_close(&play);
}

/* Lines that are no heartbeats, or parts of one, do not keep it. */
static void other_bytes_are_no_heartbeat(void)
{
	struct play play;
	const char *some = BLOCKED;
	int64_t end_ms;

	play_open(&play);
	end_ms = loop_now_ms(play.stage.loop) + 800;
	while (loop_now_ms(play.stage.loop) < end_ms)
		event_base_loop(loop_base(play.stage.loop), EVLOOP_NONBLOCK);
	say(&play, 0, some, strlen(some));
	STAGE_RUN_UNTIL(&play.stage, play.n_changes == 1);
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_SILENT) == 1);
	CU_ASSERT(loop_now_ms(play.stage.loop) - end_ms < 700);
	play_close(&play);
}

/* The clock decides, also for a loop that was held up and has a heartbeat waiting. */
static void a_loop_that_was_held_up_has_a_gap(void)
{
	struct play play;
	uint64_t before;

	play_open(&play);
	before = watch(&play);
	usleep(1100 * 1000);
	CU_ASSERT_EQUAL(watch(&play), 0);
	say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
	expect_loss(&play, CONTROL_LOSS_SILENT, before);
	play_close(&play);
}

static void what_is_no_line_ends_it(void)
{
	static const char *const lines[] = {
		"\n",
		"hello\n",
		HEARTBEAT "{\"hb\":2}\n",
		"{\"end\":\"" DEV "\",\"epoch\":3}\n",
		"{\"end\":\"" DEV
		"\",\"epoch\":3,\"reason\":\"device_blocked\",\"x\":1}\n",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct play play;

		play_open(&play);
		say(&play, 0, lines[i], strlen(lines[i]));
		expect_loss(&play, CONTROL_LOSS_MALFORMED, watch(&play));
		CU_ASSERT_EQUAL(play.n_changes, 0);
		play_close(&play);
	}
}

static void a_line_without_end_is_not_gathered(void)
{
	static char text[2 * CONTROL_LINE_BYTES];
	struct play play;

	memset(text, ' ', sizeof(text));
	play_open(&play);
	say(&play, 0, text, CONTROL_LINE_BYTES + 1);
	expect_loss(&play, CONTROL_LOSS_MALFORMED, watch(&play));
	play_close(&play);
	/* The same, with an end: it has been too long before. */
	text[sizeof(text) - 1] = '\n';
	play_open(&play);
	say(&play, 0, text, sizeof(text));
	expect_loss(&play, CONTROL_LOSS_MALFORMED, watch(&play));
	play_close(&play);
}

static void nothing_after_a_bad_line_is_heard(void)
{
	struct play play;

	play_open(&play);
	say(&play, 0, "bad\n" BLOCKED HEARTBEAT, strlen("bad\n" BLOCKED HEARTBEAT));
	expect_loss(&play, CONTROL_LOSS_MALFORMED, watch(&play));
	CU_ASSERT_EQUAL(play.n_changes, 0);
	play_close(&play);
}

static void the_server_may_end_it(void)
{
	struct play play;

	play_open(&play);
	exchange_send_end(play.streams[0]);
	expect_loss(&play, CONTROL_LOSS_ENDED, watch(&play));
	play_close(&play);
}

static void a_connection_that_breaks_ends_it(void)
{
	struct play play;

	play_open(&play);
	link_free(play.stage.links[0]);
	play.stage.links[0] = NULL;
	expect_loss(&play, CONTROL_LOSS_UNREACHABLE, watch(&play));
	play_close(&play);
}

static void nobody_there_is_asked_later_and_later(void)
{
	struct play play;
	int64_t start_ms;

	play_prepare(&play);
	stage_stop_listening(&play.stage);
	start_ms = loop_now_ms(play.stage.loop);
	play_begin(&play, 1);
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_UNREACHABLE) == 4);
	/* 100, 200 and 400 ms at least, twice that at most. */
	CU_ASSERT(loop_now_ms(play.stage.loop) - start_ms >= 690);
	CU_ASSERT_EQUAL(watch(&play), 0);
	play_close(&play);
}

/* Every address has a stream, and one that is heard is enough; but whatever is lost or
 * new has everybody authenticate again. */
static void one_of_two_is_enough(void)
{
	struct play play;
	uint64_t one, two, left;

	play_prepare(&play);
	play_begin(&play, 2);
	STAGE_RUN_UNTIL(&play.stage, play.n_streams == 2);
	say(&play, 0, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play.stage, watch(&play));
	one = watch(&play);
	say(&play, 1, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play.stage, metrics_sum(GATEWAY_CONTROL_STREAMS) == 2);
	two = watch(&play);
	exchange_send_end(play.streams[0]);
	STAGE_RUN_UNTIL(&play.stage, losses(&play, CONTROL_LOSS_ENDED) == 1);
	left = watch(&play);
	CU_ASSERT(one && two && left && one != two && two != left && one != left);
	play_close(&play);
}

TEST_MAIN("control", TEST(nothing_holds_before_the_first_heartbeat),
	  TEST(heartbeats_keep_the_watch), TEST(changes_are_told_however_they_are_cut),
	  TEST(a_second_of_silence_ends_it), TEST(other_bytes_are_no_heartbeat),
	  TEST(a_loop_that_was_held_up_has_a_gap), TEST(what_is_no_line_ends_it),
	  TEST(a_line_without_end_is_not_gathered),
	  TEST(nothing_after_a_bad_line_is_heard), TEST(the_server_may_end_it),
	  TEST(a_connection_that_breaks_ends_it),
	  TEST(nobody_there_is_asked_later_and_later), TEST(one_of_two_is_enough))
