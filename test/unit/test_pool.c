#include "gateway/pool.h"

#include "gateway/landnet.h"
#include "test/unit/gateway_stage.h"

struct caller {
	struct stage *stage;
	struct link *link;
	struct exchange *exchange;
	enum auth_reason reason;
	bool is_called;
	bool is_taking; /* begins an exchange with its link */
	size_t *left;   /* callers not yet called; the last stops the loop */
};

#define QUEUE_LIMIT 20

static struct pool *pool_open_at(struct stage *stage, size_t size,
				 const char *const *addresses, size_t n_addresses)
{
	return pool_new(stage->loop, &(struct pool_settings){
					     .srv = "prov.example.com:8443",
					     .host = "prov.example.com",
					     .addresses = addresses,
					     .n_addresses = n_addresses,
					     .link = stage_link_settings(),
					     .size = size,
					     .queue_limit = QUEUE_LIMIT,
				     });
}

static struct pool *pool_open(struct stage *stage, size_t size,
			      const char *const *address)
{
	return pool_open_at(stage, size, address, 1);
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
	if (!--*caller->left)
		loop_stop(caller->stage->loop);
}

static void lends_a_link_to_one_caller_at_a_time(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 3;
	struct caller callers[3];
	struct pool *pool;

	stage_open(&stage);
	stage.answer = stage_answer_ok;
	pool = pool_open(&stage, 1, addresses);
	for (size_t i = 0; i < 3; i++) {
		callers[i] = (struct caller){ .stage = &stage,
					      .is_taking = true,
					      .left = &left };
		CU_ASSERT_PTR_NOT_NULL(
			pool_get(pool, POOL_SHORT, 5000, on_link, &callers[i]));
	}
	CU_ASSERT_FALSE(callers[0].is_called);
	stage_run(&stage);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(callers[i].reason, REASON_NONE);
	/* Three exchanges, one after another on one connection. */
	CU_ASSERT_EQUAL(stage.n_links, 1);
	CU_ASSERT_PTR_EQUAL(callers[0].link, callers[2].link);
	pool_free(pool);
	stage_close(&stage);
}

static void opens_no_more_links_than_its_size(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 4;
	struct caller callers[4];
	struct pool *pool;

	stage_open(&stage);
	stage.answer = NULL; /* keeps every link busy */
	pool = pool_open(&stage, 2, addresses);
	for (size_t i = 0; i < 4; i++) {
		callers[i] = (struct caller){ .stage = &stage,
					      .is_taking = true,
					      .left = &left };
		pool_get(pool, POOL_SHORT, 300, on_link, &callers[i]);
	}
	stage_run(&stage);
	CU_ASSERT_EQUAL(stage.n_links, 2);
	CU_ASSERT_EQUAL(callers[0].reason, REASON_NONE);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_EQUAL(callers[2].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_EQUAL(callers[3].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_PTR_NULL(callers[3].link);
	pool_free(pool);
	stage_close(&stage);
}

static void takes_back_a_link_that_was_not_used(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 2;
	struct caller callers[2];
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 1, addresses);
	for (size_t i = 0; i < 2; i++) {
		callers[i] = (struct caller){ .stage = &stage, .left = &left };
		pool_get(pool, POOL_SHORT, 2000, on_link, &callers[i]);
	}
	stage_run(&stage);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_PTR_EQUAL(callers[0].link, callers[1].link);
	pool_free(pool);
	stage_close(&stage);
}

static void says_when_no_server_can_be_reached(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller caller = { .stage = &stage, .left = &left };
	struct pool *pool;

	stage_open(&stage);
	stage_stop_listening(&stage);
	pool = pool_open(&stage, 2, addresses);
	pool_get(pool, POOL_SHORT, 5000, on_link, &caller);
	stage_run(&stage);
	CU_ASSERT_PTR_NULL(caller.link);
	CU_ASSERT_EQUAL(caller.reason, REASON_LANDNET_UNREACHABLE);
	pool_free(pool);
	stage_close(&stage);
}

/* Many wait at once, and every second connect is refused. */
static void passes_over_a_server_that_is_away(void)
{
	struct stage stage;
	const char *addresses[] = { "127.0.0.1:1", stage.address };
	size_t left = 8;
	struct caller callers[8];
	struct pool *pool;

	stage_open(&stage);
	stage.answer = stage_answer_ok;
	pool = pool_open_at(&stage, 8, addresses, 2);
	for (size_t i = 0; i < 8; i++) {
		callers[i] = (struct caller){ .stage = &stage,
					      .is_taking = true,
					      .left = &left };
		pool_get(pool, POOL_SHORT, 5000, on_link, &callers[i]);
	}
	stage_run(&stage);
	for (size_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(callers[i].reason, REASON_NONE);
	pool_free(pool);
	stage_close(&stage);
}

/* ---- Long loans ---- */

/* All want a link at once, the first of them long; until each has been called. */
static void get_all(struct stage *stage, struct pool *pool, struct caller *callers,
		    size_t n_long, size_t n, int64_t deadline_ms)
{
	size_t left = n;

	for (size_t i = 0; i < n; i++) {
		callers[i] = (struct caller){ .stage = stage,
					      .is_taking = true,
					      .left = &left };
		pool_get(pool, i < n_long ? POOL_LONG : POOL_SHORT, deadline_ms,
			 on_link, &callers[i]);
	}
	stage_run(stage);
}

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
		struct stage stage;
		const char *addresses[] = { stage.address };
		struct caller callers[16];
		struct pool *pool;

		stage_open(&stage);
		pool = pool_open(&stage, rows[i].size, addresses);
		get_all(&stage, pool, callers, 16, 16, 100);
		CU_ASSERT_EQUAL(n_lent(callers, 16), rows[i].n_long);
		/* Nor is a connection opened for those who may not have it. */
		CU_ASSERT_EQUAL(stage.n_links, rows[i].n_long);
		get_all(&stage, pool, callers, 0, 16, 100);
		CU_ASSERT_EQUAL(n_lent(callers, 16), rows[i].size - rows[i].n_long);
		pool_free(pool);
		stage_close(&stage);
	}
}

static struct exchange *held[2];

static void answer_hold(struct stage *stage, struct exchange *exchange)
{
	held[stage->n_requests - 1] = exchange;
}

static void a_long_loan_waits_for_another_to_end(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller callers[2];
	struct pool *pool;

	stage_open(&stage);
	stage.answer = answer_hold;
	pool = pool_open(&stage, 2, addresses);
	for (size_t i = 0; i < 2; i++) {
		callers[i] = (struct caller){ .stage = &stage,
					      .is_taking = true,
					      .left = &left };
		pool_get(pool, POOL_LONG, 5000, on_link, &callers[i]);
	}
	STAGE_RUN_UNTIL(&stage, stage.n_requests == 1);
	CU_ASSERT_FALSE(callers[1].is_called);
	stage_reply(held[0], 200, "fine");
	STAGE_RUN_UNTIL(&stage, stage.n_requests == 2);
	CU_ASSERT_PTR_EQUAL(callers[1].link, callers[0].link);
	pool_free(pool);
	stage_close(&stage);
}

static void a_short_loan_becomes_long_where_there_is_room(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	struct caller callers[4];
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 4, addresses);
	get_all(&stage, pool, callers, 0, 4, 5000);
	CU_ASSERT_TRUE(pool_lengthen(pool, callers[0].link));
	CU_ASSERT_TRUE(pool_lengthen(pool, callers[1].link));
	CU_ASSERT_FALSE(pool_lengthen(pool, callers[2].link));
	/* What is long, is. */
	CU_ASSERT_TRUE(pool_lengthen(pool, callers[0].link));
	pool_free(pool);
	stage_close(&stage);
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
	struct stage stage;
	const char *addresses[] = { stage.address };
	struct caller slow[2], callers[2];
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 4, addresses);
	get_all(&stage, pool, slow, 0, 2, 5000);
	stage_pause(&stage, 1050);
	get_all(&stage, pool, callers, 1, 2, 100);
	CU_ASSERT_EQUAL(callers[0].reason, REASON_LANDNET_BUSY);
	CU_ASSERT_EQUAL(callers[1].reason, REASON_NONE);
	CU_ASSERT_FALSE(pool_lengthen(pool, callers[1].link));
	/* One of the two itself may: it holds its link anyway. */
	CU_ASSERT_TRUE(pool_lengthen(pool, slow[0].link));
	pool_free(pool);
	stage_close(&stage);
}

static void a_full_queue_refuses_at_once(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller callers[QUEUE_LIMIT + 3];
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 1, addresses);
	for (size_t i = 0; i < QUEUE_LIMIT + 2; i++)
		callers[i] = (struct caller){ .stage = &stage,
					      .is_taking = true,
					      .left = &left };
	pool_get(pool, POOL_SHORT, 60000, on_link, &callers[0]);
	stage_run(&stage);
	left = 1;
	for (size_t i = 1; i < QUEUE_LIMIT + 2; i++)
		pool_get(pool, POOL_SHORT, 60000, on_link, &callers[i]);
	stage_run(&stage);
	CU_ASSERT_FALSE(callers[QUEUE_LIMIT].is_called);
	CU_ASSERT_EQUAL(callers[QUEUE_LIMIT + 1].reason, REASON_LANDNET_BUSY);
	pool_free(pool);
	stage_close(&stage);
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
	struct stage stage;
	struct hole hole;
	const char *addresses[] = { hole.address, stage.address };
	int64_t connects;
	struct caller caller;
	struct pool *pool;

	stage_open(&stage);
	stage_metrics_open();
	hole_close(&hole);
	connects = metrics_sum(GATEWAY_LANDNET_CONNECTS);
	pool = pool_open_at(&stage, 1, addresses, 2);
	/* Much less than the handshake may take. */
	get_all(&stage, pool, &caller, 0, 1, 1500);
	CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	CU_ASSERT_EQUAL(stage.n_links, 1);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_CONNECTS), connects + 2);
	/* Nobody waits for it a second time. */
	for (size_t i = 0; i < 3; i++) {
		link_free(stage.links[i]);
		stage.links[i] = NULL;
		get_all(&stage, pool, &caller, 0, 1, 1500);
		CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	}
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_CONNECTS), connects + 5);
	pool_free(pool);
	hole_open(&hole);
	close(hole.listener);
	stage_close(&stage);
}

/* Its connection is one too many when it comes at last. */
static void a_server_that_speaks_late_makes_the_pool_no_larger(void)
{
	struct stage stage;
	struct hole hole;
	const char *addresses[] = { hole.address, stage.address };
	struct caller caller;
	struct pool *pool;

	stage_open(&stage);
	stage_metrics_open();
	hole_close(&hole);
	pool = pool_open_at(&stage, 1, addresses, 2);
	get_all(&stage, pool, &caller, 0, 1, 1500);
	CU_ASSERT_EQUAL(caller.reason, REASON_NONE);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_OPEN), 2);
	hole_open(&hole);
	STAGE_RUN_UNTIL(&stage, metrics_sum(GATEWAY_LANDNET_OPEN) == 1);
	CU_ASSERT_PTR_NOT_NULL(stage.links[0]);
	pool_free(pool);
	close(hole.listener);
	stage_close(&stage);
}

static void a_cancelled_wait_is_never_called(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller caller = { .stage = &stage, .left = &left };
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 2, addresses);
	pool_cancel(pool_get(pool, POOL_SHORT, 10, on_link, &caller));
	stage_pause(&stage, 100);
	CU_ASSERT_FALSE(caller.is_called);
	pool_free(pool);
	stage_close(&stage);
}

/* The sanitizer sees whether the pool is looked at in the next turn. */
static void a_pool_may_go_when_somebody_has_just_asked(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller caller = { .stage = &stage, .left = &left };
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 2, addresses);
	pool_get(pool, POOL_SHORT, 10, on_link, &caller);
	pool_free(pool);
	stage_pause(&stage, 100);
	CU_ASSERT_FALSE(caller.is_called);
	stage_close(&stage);
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
