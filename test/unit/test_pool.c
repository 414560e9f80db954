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
		CU_ASSERT_PTR_NOT_NULL(pool_get(pool, 5000, on_link, &callers[i]));
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
		pool_get(pool, 300, on_link, &callers[i]);
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
		pool_get(pool, 2000, on_link, &callers[i]);
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
	pool_get(pool, 5000, on_link, &caller);
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
		pool_get(pool, 5000, on_link, &callers[i]);
	}
	stage_run(&stage);
	for (size_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(callers[i].reason, REASON_NONE);
	pool_free(pool);
	stage_close(&stage);
}

static void on_pause(void *arg)
{
	struct stage *stage = arg;

	loop_stop(stage->loop);
}

static void a_cancelled_wait_is_never_called(void)
{
	struct stage stage;
	const char *addresses[] = { stage.address };
	size_t left = 1;
	struct caller caller = { .stage = &stage, .left = &left };
	struct timer pause;
	struct pool *pool;

	stage_open(&stage);
	pool = pool_open(&stage, 2, addresses);
	pool_cancel(pool_get(pool, 10, on_link, &caller));
	timer_init(&pause, stage.loop, on_pause, &stage);
	timer_start(&pause, 100);
	stage_run(&stage);
	CU_ASSERT_FALSE(caller.is_called);
	pool_free(pool);
	stage_close(&stage);
}

TEST_MAIN("pool", TEST(lends_a_link_to_one_caller_at_a_time),
	  TEST(opens_no_more_links_than_its_size),
	  TEST(takes_back_a_link_that_was_not_used),
	  TEST(says_when_no_server_can_be_reached),
	  TEST(passes_over_a_server_that_is_away),
	  TEST(a_cancelled_wait_is_never_called))
