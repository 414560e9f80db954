#include "gateway/control.h"

#include "test/unit/caught.h"
#include "test/unit/gateway_stage.h"

#define DEV       "urn:gsma:imei:35209900-176148-0"
#define HEARTBEAT "{\"hb\":1}\n"
#define BLOCKED   "{\"end\":\"" DEV "\",\"epoch\":3,\"reason\":\"device_blocked\"}\n"
#define STREAMS   8

/* Streams, and a server that says on them what the test says. */
struct play {
	struct stage stage; /* first */
	char *addresses[2];
	struct route_config config;
	struct route route;
	struct control *control;
	struct exchange *streams[STREAMS]; /* of the server, in the order they came */
	size_t n_streams;
	/* How it answers. */
	unsigned status; /* 0: 200 */
	const char *media_type;
	const char *number;  /* NULL: the right one */
	const char *problem; /* the whole body of an answer; NULL: a stream */
	/* What was heard. */
	size_t n_changes;
	struct control_line last;
	size_t n_verdicts;                /* of refused_fn */
	int64_t losses[CONTROL_N_LOSSES]; /* metrics at the beginning */
	struct caught caught;
};

static void on_stream(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct play *play = arg;

	if (event != EXCHANGE_FAILED && event != EXCHANGE_DONE)
		return;
	for (size_t i = 0; i < play->n_streams; i++) {
		if (play->streams[i] == exchange)
			play->streams[i] = NULL;
	}
}

static void say(struct play *play, size_t stream, const char *text, size_t n)
{
	struct evbuffer *data = evbuffer_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(play->streams[stream]);
	evbuffer_add(data, text, n);
	exchange_send_body(play->streams[stream], data);
	evbuffer_free(data);
}

static void answer(struct stage *stage, struct exchange *exchange)
{
	struct play *play = (struct play *)stage;
	char number[24];
	struct http_field fields[] = {
		{ SLICE("Provbox-Exchange"), { NULL, 0 } },
		{ SLICE("Content-Type"), slice_of(play->media_type) },
	};

	CU_ASSERT_PTR_NOT_NULL(strstr(stage->last_head, "GET /v1/control\n"));
	snprintf(number, sizeof(number), "%" PRIu64,
		 link_count(exchange_link(exchange)));
	fields[0].value = slice_of(play->number ? play->number : number);
	CU_ASSERT_FATAL(play->n_streams < STREAMS);
	play->streams[play->n_streams++] = exchange;
	exchange_on(exchange, on_stream, play);
	if (play->problem) {
		exchange_send_head(
			exchange,
			&(struct http_head){ .status = play->status,
					     .fields = fields,
					     .n_fields = 2,
					     .framing = HTTP_LENGTH,
					     .content_length =
						     (int64_t)strlen(play->problem),
					     .keep_alive = true });
		say(play, play->n_streams - 1, play->problem, strlen(play->problem));
		exchange_send_end(exchange);
		return;
	}
	exchange_send_head(
		exchange,
		&(struct http_head){ .status = play->status ? play->status : 200,
				     .fields = fields,
				     .n_fields = 2,
				     .framing = HTTP_CHUNKED,
				     .keep_alive = true });
}

static void on_change(void *arg, const struct route *route,
		      const struct control_line *line)
{
	struct play *play = arg;

	CU_ASSERT_PTR_EQUAL(route, &play->route);
	CU_ASSERT_FALSE(line->is_heartbeat);
	play->n_changes++;
	play->last = *line;
}

static void on_refused(void *arg, bool is_refused)
{
	struct play *play = arg;

	CU_ASSERT_EQUAL(control_is_refused(play->control), is_refused);
	play->n_verdicts++;
}

static void play_begin(struct play *play, size_t n_addresses)
{
	static const uint8_t gw[SHA256_BYTES] = { 0xff, 0xff, 0xff };
	const struct control_settings settings = {
		.route = &play->route,
		.link = stage_link_settings(),
		.gw = gw,
		.fn = on_change,
		.refused_fn = on_refused,
		.arg = play,
	};

	play->config.addresses =
		(struct config_list){ .items = play->addresses, .n = n_addresses };
	play->control = control_new(play->stage.loop, &settings);
}

static void play_prepare(struct play *play)
{
	memset(play, 0, sizeof(*play));
	stage_metrics_open();
	stage_open(&play->stage);
	play->stage.answer = answer;
	play->media_type = "application/x-ndjson";
	play->addresses[0] = play->addresses[1] = play->stage.address;
	play->route = (struct route){ .srv = "prov.example.com:8443",
				      .host = "prov.example.com",
				      .config = &play->config };
	for (size_t i = 0; i < CONTROL_N_LOSSES; i++)
		play->losses[i] = metrics_sum(GATEWAY_CONTROL_LOSSES + i);
}

static void play_close(struct play *play)
{
	control_free(play->control);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_CONTROL_STREAMS), 0);
	stage_close(&play->stage);
}

static int64_t losses(const struct play *play, enum control_loss loss)
{
	return metrics_sum(GATEWAY_CONTROL_LOSSES + loss) - play->losses[loss];
}

static uint64_t watch(const struct play *play)
{
	return control_watch(play->control);
}

/* One stream, of which a heartbeat was heard. */
static void play_open(struct play *play)
{
	play_prepare(play);
	play_begin(play, 1);
	STAGE_RUN_UNTIL(&play->stage, play->n_streams == 1);
	say(play, 0, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play->stage, watch(play));
}

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
	  TEST(an_answer_that_is_no_stream_is_refused),
	  TEST(a_gateway_that_no_server_lists_says_so_once),
	  TEST(a_refusal_gives_its_reason), TEST(a_long_refusal_is_not_gathered),
	  TEST(one_that_lists_it_is_enough),
	  TEST(nobody_there_is_asked_later_and_later), TEST(one_of_two_is_enough))
