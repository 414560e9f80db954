/*
 * Which of a server's few connections an exchange may hold, and for how long: what may
 * last needs a place among the long ones.
 */
#include "gateway/forward.h"

#include "test/unit/forward_play.h"

#define LARGE_BYTES (128 * 1024)

static void answer_bytes(struct exchange *exchange, size_t n, bool is_chunked)
{
	struct evbuffer *body = evbuffer_new();
	char number[24];
	struct http_field field = { SLICE("Provbox-Exchange"), { NULL, 0 } };
	char *bytes = calloc(1, n + 1);

	memset(bytes, 'a', n);
	evbuffer_add(body, bytes, n);
	free(bytes);
	snprintf(number, sizeof(number), "%" PRIu64,
		 link_count(exchange_link(exchange)));
	field.value = slice_of(number);
	exchange_send_head(exchange,
			   &(struct http_head){
				   .status = 200,
				   .fields = &field,
				   .n_fields = 1,
				   .framing = is_chunked ? HTTP_CHUNKED : HTTP_LENGTH,
				   .content_length = n,
				   .keep_alive = true,
			   });
	exchange_send_body(exchange, body);
	exchange_send_end(exchange);
	evbuffer_free(body);
}

static void answer_large(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, LARGE_BYTES, false);
}

static void answer_chunked(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, 4, true);
}

static void answer_held(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, 65536, false);
}

static void on_kept(void *arg, struct link *link, enum auth_reason reason)
{
	struct play *play = arg;

	CU_ASSERT_EQUAL(reason, REASON_NONE);
	play->kept = link_request(link, on_rest, NULL);
}

/* The one long loan that a pool of two may have is out. */
static void play_keep_long(struct play *play)
{
	pool_get(play->pool, POOL_LONG, 5000, on_kept, play);
	STAGE_RUN_UNTIL(&play->stage, play->kept);
}

static const struct {
	void (*answer)(struct stage *, struct exchange *);
	bool is_put, is_long;
	bool is_put_back;
	enum auth_reason result;
} loans[] = {
	/* What the gateway can hold needs no place among the long ones. */
	{ stage_answer_ok, false, false, false, REASON_NONE },
	{ answer_held, false, false, false, REASON_NONE },
	{ stage_answer_ok, true, false, false, REASON_NONE },
	/* It has none: the answer is given back unread, or nobody is asked. */
	{ answer_large, false, false, true, REASON_LANDNET_BUSY },
	{ answer_chunked, false, false, true, REASON_LANDNET_BUSY },
	{ answer_large, true, false, true, REASON_LANDNET_BUSY },
	{ stage_answer_ok, false, true, false, REASON_LANDNET_BUSY },
};

static void what_may_last_needs_a_place_among_the_long_ones(void)
{
	stage_metrics_open();
	for (size_t i = 0; i < sizeof(loans) / sizeof(loans[0]); i++) {
		const int64_t n = metrics_sum(GATEWAY_LANDNET_PUT_BACK);
		struct play play;

		play_open(&play, loans[i].is_put ? &put_request : &get_request,
			  loans[i].is_put ? "hello" : NULL, loans[i].answer);
		play.is_long = loans[i].is_long;
		play_keep_long(&play);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, loans[i].result);
		CU_ASSERT_EQUAL(play.status, loans[i].result ? 0 : 200);
		CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_PUT_BACK) - n,
				loans[i].is_put_back);
		play_close(&play);
	}
}

static void an_answer_that_was_put_back_comes_when_there_is_place(void)
{
	struct play play;
	int64_t n;

	stage_metrics_open();
	n = metrics_sum(GATEWAY_LANDNET_PUT_BACK);
	play_open(&play, &get_request, NULL, answer_large);
	play_keep_long(&play);
	STAGE_RUN_UNTIL(&play.stage, metrics_sum(GATEWAY_LANDNET_PUT_BACK) == n + 1);
	CU_ASSERT_EQUAL(play.status, 0);
	exchange_cancel(play.kept);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.status, 200);
	CU_ASSERT_EQUAL(play.stage.n_requests, 2);
	CU_ASSERT_EQUAL(play.n_body_bytes, LARGE_BYTES);
	play_close(&play);
}

/* An answer that comes in two halves, the second a little later. */
static struct {
	struct exchange *exchange;
	struct timer timer;
} halves;

static void send_half(void *arg)
{
	struct evbuffer *body = evbuffer_new();
	char bytes[32768] = { 0 };

	evbuffer_add(body, bytes, sizeof(bytes));
	exchange_send_body(halves.exchange, body);
	evbuffer_free(body);
	if (arg) /* the second */
		exchange_send_end(halves.exchange);
}

static void answer_in_halves(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("0") };

	exchange_send_head(exchange, &(struct http_head){ .status = 200,
							  .fields = &field,
							  .n_fields = 1,
							  .framing = HTTP_LENGTH,
							  .content_length = 65536,
							  .keep_alive = true });
	halves.exchange = exchange;
	send_half(NULL);
	timer_init(&halves.timer, stage->loop, send_half, stage);
	timer_start(&halves.timer, 50);
}

static void on_lent(void *arg, struct link *link, enum auth_reason reason)
{
	struct play *play = arg;

	(void)link;
	CU_ASSERT_EQUAL(reason, REASON_NONE);
	loop_stop(play->stage.loop);
}

/* However slowly the handset reads: the other link is out, this one is free again. */
static void a_small_answer_leaves_the_link_at_once(void)
{
	struct play play;

	play_open(&play, NULL, NULL, answer_in_halves);
	play.device_tx_high = 2;
	play_keep_long(&play);
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 1);
	pool_get(play.pool, POOL_SHORT, 2000, on_lent, &play);
	stage_run(&play.stage);
	CU_ASSERT_PTR_NOT_NULL(play.forward);
	play_close(&play);
}

static void nobody_is_invited_to_wait_without_a_place(void)
{
	for (int is_kept = 0; is_kept < 2; is_kept++) {
		struct play play;

		play_open(&play, &get_request, NULL, answer_and_remember);
		if (is_kept)
			play_keep_long(&play);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, REASON_NONE);
		CU_ASSERT_EQUAL(strstr(play.body, "Prefer: wait=5\n") == NULL, is_kept);
		play_close(&play);
	}
}

TEST_MAIN("forward_loans", TEST(what_may_last_needs_a_place_among_the_long_ones),
	  TEST(an_answer_that_was_put_back_comes_when_there_is_place),
	  TEST(a_small_answer_leaves_the_link_at_once),
	  TEST(nobody_is_invited_to_wait_without_a_place))
