#include "gateway/pool.h"

#include "gateway/landnet.h"
#include "test/unit/gateway_stage.h"

/* A pool, and the servers it has its links to: the last address is one that answers. */
struct play {
	struct stage stage;
	const char *addresses[2];
	struct pool *pool;
	size_t left; /* callers not yet called; the last stops the loop */
};

struct caller {
	struct play *play;
	struct link *link;
	struct exchange *exchange;
	enum auth_reason reason;
	bool is_called;
	bool is_taking; /* begins an exchange with its link */
};

#define QUEUE_LIMIT 20

/* @param other  an address before that of the stage, or NULL */
static void play_open_with(struct play *play, size_t size, const char *other)
{
	stage_open(&play->stage);
	play->left = 1;
	play->addresses[0] = other ? other : play->stage.address;
	play->addresses[1] = play->stage.address;
	play->pool = pool_new(play->stage.loop, &(struct pool_settings){
							.srv = "prov.example.com:8443",
							.host = "prov.example.com",
							.addresses = play->addresses,
							.n_addresses = other ? 2 : 1,
							.link = stage_link_settings(),
							.size = size,
							.queue_limit = QUEUE_LIMIT,
						});
}

static void play_open(struct play *play, size_t size)
{
	play_open_with(play, size, NULL);
}

static void play_close(struct play *play)
{
	pool_free(play->pool);
	stage_close(&play->stage);
}

static void on_link(void *arg, struct link *link, enum auth_reason reason)
{
	struct caller *caller = arg;

	CU_ASSERT_FALSE(caller->is_called);
	caller->is_called = true;
	caller->reason = reason;
	caller->link = link;
	if (link && caller->is_taking) {
		caller->exchange = link_request(link, landnet_ignore, NULL);
		exchange_send_head(
			caller->exchange,
			&(struct http_head){ .method = HTTP_GET,
					     .target = SLICE("/"),
					     .host = SLICE("prov.example.com"),
					     .keep_alive = true });
	}
	if (!--caller->play->left)
		loop_stop(caller->play->stage.loop);
}

/* All want a link for an exchange, the first of them a long one. */
static void want(struct play *play, struct caller *callers, size_t n_long, size_t n,
		 int64_t deadline_ms)
{
	play->left = n;
	for (size_t i = 0; i < n; i++) {
		callers[i] = (struct caller){ .play = play, .is_taking = true };
		CU_ASSERT_PTR_NOT_NULL(pool_get(play->pool,
						i < n_long ? POOL_LONG : POOL_SHORT,
						deadline_ms, on_link, &callers[i]));
	}
}

/* Until each has been called. */
static void get_all(struct play *play, struct caller *callers, size_t n_long, size_t n,
		    int64_t deadline_ms)
{
	want(play, callers, n_long, n, deadline_ms);
	stage_run(&play->stage);
}

static void lends_a_link_to_one_caller_at_a_time(void)
{
	struct play play;
	struct caller callers[3];

	play_open(&play, 1);
	play.stage.answer = stage_answer_ok;
	want(&play, callers, 0, 3, 5000);
	CU_ASSERT_FALSE(callers[0].is_called);
	stage_run(&play.stage);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(callers[i].reason, REASON_NONE);
	/* Three exchanges, one after another on one connection. */
	CU_ASSERT_EQUAL(play.stage.n_links, 1);
	CU_ASSERT_PTR_EQUAL(callers[0].link, callers[2].link);
	play_close(&play);
}

static void opens_no_more_links_than_its_size(void)
{
	struct play play;
	struct caller callers[4];

	play_open(&play, 2);
	play.stage.answer = NULL; /* keeps every link busy */
	get_all(&play, callers, 0, 4, 300);
	CU_ASSERT_EQUAL(play.stage.n_links, 2);
	CU_ASSERT_EQUAL(callers[0].reason, REASON_NONE);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_EQUAL(callers[2].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_EQUAL(callers[3].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_PTR_NULL(callers[3].link);
	play_close(&play);
}

static void takes_back_a_link_that_was_not_used(void)
{
	struct play play;
	struct caller callers[2];

	play_open(&play, 1);
	play.left = 2;
	for (size_t i = 0; i < 2; i++) {
		callers[i] = (struct caller){ .play = &play };
		pool_get(play.pool, POOL_SHORT, 2000, on_link, &callers[i]);
	}
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_PTR_EQUAL(callers[0].link, callers[1].link);
	play_close(&play);
}

static void says_when_no_server_can_be_reached(void)
{
	struct play play;
	struct caller caller = { .play = &play };

	play_open(&play, 2);
	stage_stop_listening(&play.stage);
	pool_get(play.pool, POOL_SHORT, 5000, on_link, &caller);
	stage_run(&play.stage);
	CU_ASSERT_PTR_NULL(caller.link);
	CU_ASSERT_EQUAL(caller.reason, REASON_LANDNET_UNREACHABLE);
	play_close(&play);
}

/* Many wait at once, and every second connect is refused. */
static void passes_over_a_server_that_is_away(void)
{
	struct play play;
	struct caller callers[8];

	play_open_with(&play, 8, "127.0.0.1:1");
	play.stage.answer = stage_answer_ok;
	get_all(&play, callers, 0, 8, 5000);
	for (size_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(callers[i].reason, REASON_NONE);
	play_close(&play);
}

/* ---- Long loans ---- */

static size_t n_lent(const struct caller *callers, size_t n)
{
	size_t n_links = 0;

	for (size_t i = 0; i < n; i++) {
		n_links += callers[i].link != NULL;
		CU_ASSERT_EQUAL(callers[i].reason,
				callers[i].link ? REASON_NONE : REASON_LANDNET_BUSY);
	}
	return n_links;
}

static void long_loans_have_half_of_the_links(void)
{
	static const struct {
		size_t size, n_long;
	} rows[] = { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 5, 2 }, { 8, 4 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct play play;
		struct caller callers[16];

		play_open(&play, rows[i].size);
		get_all(&play, callers, 16, 16, 100);
		CU_ASSERT_EQUAL(n_lent(callers, 16), rows[i].n_long);
		/* Nor is a connection opened for those who may not have it. */
		CU_ASSERT_EQUAL(play.stage.n_links, rows[i].n_long);
		get_all(&play, callers, 0, 16, 100);
		CU_ASSERT_EQUAL(n_lent(callers, 16), rows[i].size - rows[i].n_long);
		play_close(&play);
	}
}

static struct exchange *held[2];

static void answer_hold(struct stage *stage, struct exchange *exchange)
{
	held[stage->n_requests - 1] = exchange;
}

static void a_long_loan_waits_for_another_to_end(void)
{
	struct play play;
	struct caller callers[2];

	play_open(&play, 2);
	play.stage.answer = answer_hold;
	want(&play, callers, 2, 2, 5000);
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 1);
	CU_ASSERT_FALSE(callers[1].is_called);
	stage_reply(held[0], 200, "fine");
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 2);
	CU_ASSERT_PTR_EQUAL(callers[1].link, callers[0].link);
	play_close(&play);
}

static void a_short_loan_becomes_long_where_there_is_room(void)
{
	struct play play;
	struct caller callers[4];

	play_open(&play, 4);
	get_all(&play, callers, 0, 4, 5000);
	CU_ASSERT_TRUE(pool_lengthen(play.pool, callers[0].link));
	CU_ASSERT_TRUE(pool_lengthen(play.pool, callers[1].link));
	CU_ASSERT_FALSE(pool_lengthen(play.pool, callers[2].link));
	/* What is long, is. */
	CU_ASSERT_TRUE(pool_lengthen(play.pool, callers[0].link));
	play_close(&play);
}

static void on_pause(void *arg)
{
	struct stage *stage = arg;

	loop_stop(stage->loop);
}

static void stage_pause(struct stage *stage, int64_t ms)
{
	struct timer pause;

	timer_init(&pause, stage->loop, on_pause, stage);
	timer_start(&pause, ms);
	stage_run(stage);
}

static void an_exchange_of_a_second_counts_as_long(void)
{
	struct play play;
	struct caller slow[2], callers[2];

	play_open(&play, 4);
	get_all(&play, slow, 0, 2, 5000);
	stage_pause(&play.stage, 1050);
	get_all(&play, callers, 1, 2, 100);
	CU_ASSERT_EQUAL(callers[0].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_FALSE(pool_lengthen(play.pool, callers[1].link));
	/* One of the two itself may: it holds its link anyway. */
	CU_ASSERT_TRUE(pool_lengthen(play.pool, slow[0].link));
	play_close(&play);
}

static void a_full_queue_refuses_at_once(void)
{
	struct play play;
	struct caller callers[QUEUE_LIMIT + 3];

	play_open(&play, 1);
	for (size_t i = 0; i < QUEUE_LIMIT + 2; i++)
		callers[i] = (struct caller){ .play = &play, .is_taking = true };
	pool_get(play.pool, POOL_SHORT, 60000, on_link, &callers[0]);
	stage_run(&play.stage);
	play.left = 1;
	for (size_t i = 1; i < QUEUE_LIMIT + 2; i++)
		pool_get(play.pool, POOL_SHORT, 60000, on_link, &callers[i]);
	stage_run(&play.stage);
	CU_ASSERT_FALSE(callers[QUEUE_LIMIT].is_called);
	CU_ASSERT_EQUAL(callers[QUEUE_LIMIT + 1].reason, REASON_LANDNET_BUSY);
	play_close(&play);
}

/* ---- Servers that answer no connect ---- */

/* Nobody accepts and the queue is full, so that the kernel drops what comes: until
 * hole_open() takes them out. */
struct hole {
	int listener, fillers[4];
	char address[32];
};

static void hole_close(struct hole *hole)
{
	struct sockaddr_in bound = { .sin_family = AF_INET,
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(bound);

	hole->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CU_ASSERT_FATAL(!bind(hole->listener, (struct sockaddr *)&bound, size) &&
			!listen(hole->listener, 0) &&
			!getsockname(hole->listener, (struct sockaddr *)&bound, &size));
	for (size_t i = 0; i < 4; i++) {
		hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(hole->fillers[i], (struct sockaddr *)&bound, size);
	}
	snprintf(hole->address, sizeof(hole->address), "127.0.0.1:%u",
		 ntohs(bound.sin_port));
}

static void hole_open(struct hole *hole)
{
	int fd;

	for (size_t i = 0; i < 4; i++)
		close(hole->fillers[i]);
	while ((fd = accept(hole->listener, NULL, NULL)) >= 0)
		close(fd);
}

static void the_next_server_is_tried_beside_one_that_is_silent(void)
{
	struct play play;
	struct hole hole;
	int64_t connects;
	struct caller caller;

	stage_metrics_open();
	hole_close(&hole);
	connects = metrics_sum(GATEWAY_LANDNET_CONNECTS);
	play_open_with(&play, 1, hole.address);
	/* Much less than the handshake may take. */
	get_all(&play, &caller, 0, 1, 1500);
	CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	CU_ASSERT_EQUAL(play.stage.n_links, 1);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_CONNECTS), connects + 2);
	/* Nobody waits for it a second time. */
	for (size_t i = 0; i < 3; i++) {
		link_free(play.stage.links[i]);
		play.stage.links[i] = NULL;
		get_all(&play, &caller, 0, 1, 1500);
		CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	}
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_CONNECTS), connects + 5);
	pool_free(play.pool);
	hole_open(&hole);
	close(hole.listener);
	stage_close(&play.stage);
}

/* Its connection is one too many when it comes at last. */
static void a_server_that_speaks_late_makes_the_pool_no_larger(void)
{
	struct play play;
	struct hole hole;
	struct caller caller;

	stage_metrics_open();
	hole_close(&hole);
	play_open_with(&play, 1, hole.address);
	get_all(&play, &caller, 0, 1, 1500);
	CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_OPEN), 2);
	hole_open(&hole);
	STAGE_RUN_UNTIL(&play.stage, metrics_sum(GATEWAY_LANDNET_OPEN) == 1);
	CU_ASSERT_PTR_NOT_NULL(play.stage.links[0]);
	pool_free(play.pool);
	close(hole.listener);
	stage_close(&play.stage);
}

static void a_cancelled_wait_is_never_called(void)
{
	struct play play;
	struct caller caller = { .play = &play };

	play_open(&play, 2);
	pool_cancel(pool_get(play.pool, POOL_SHORT, 10, on_link, &caller));
	stage_pause(&play.stage, 100);
	CU_ASSERT_FALSE(caller.is_called);
	play_close(&play);
}

/* The sanitizer sees whether the pool is looked at in the next turn. */
static void a_pool_may_go_when_somebody_has_just_asked(void)
{
	struct play play;
	struct caller caller = { .play = &play };

	play_open(&play, 2);
	pool_get(play.pool, POOL_SHORT, 10, on_link, &caller);
	pool_free(play.pool);
	stage_pause(&play.stage, 100);
	CU_ASSERT_FALSE(caller.is_called);
	stage_close(&play.stage);
}

TEST_MAIN("pool", TEST(lends_a_link_to_one_caller_at_a_time),
	  TEST(opens_no_more_links_than_its_size),
	  TEST(takes_back_a_link_that_was_not_used),
	  TEST(says_when_no_server_can_be_reached),
	  TEST(passes_over_a_server_that_is_away),
	  TEST(long_loans_have_half_of_the_links),
	  TEST(a_long_loan_waits_for_another_to_end),
	  TEST(a_short_loan_becomes_long_where_there_is_room),
	  TEST(an_exchange_of_a_second_counts_as_long),
	  TEST(a_full_queue_refuses_at_once),
	  TEST(the_next_server_is_tried_beside_one_that_is_silent),
	  TEST(a_server_that_speaks_late_makes_the_pool_no_larger),
	  TEST(a_cancelled_wait_is_never_called),
	  TEST(a_pool_may_go_when_somebody_has_just_asked))
