#include "test/unit/exchange_world.h"

/* ---- Two of ours ---- */

static void keeps_a_link_for_a_hundred(void)
{
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct world *world = world_of_two(is_tls);

		for (unsigned i = 0; i < 100; i++) {
			static const char *const targets[] = { "/", "/none", "/whole",
							       "/same", "/echo" };
			size_t n = i % 5 == 2 || i % 5 == 4 ? 10 + i : 0;

			ask(world, n ? HTTP_PUT : HTTP_GET, targets[i % 5], n);
			CU_ASSERT_EQUAL(link_count(world->client), i);
			RUN_UNTIL(world, world->n_client_done);
			CU_ASSERT_EQUAL(world->n_heads, 1);
			CU_ASSERT_EQUAL(world->n_ends, 1);
			CU_ASSERT_EQUAL(world->received, n ? n : i % 5 == 0 ? 5 : 0);
			CU_ASSERT_EQUAL(n ? world->sum_sent : 0,
					n ? world->sum_received : 0);
		}
		CU_ASSERT_EQUAL(world->n_requests, 100);
		CU_ASSERT_EQUAL(world->n_done, 100);
		CU_ASSERT_EQUAL(world->n_idle, 100);
		CU_ASSERT_EQUAL(link_count(world->server), 100);
		CU_ASSERT_EQUAL(world->n_failed + world->n_client_failed, 0);
		world_free(world);
	}
}

static void streams_ten_megabytes_both_ways(void)
{
	for (int is_tls = 0; is_tls < 2; is_tls++) {
		struct world *world = world_of_two(is_tls);

		ask(world, HTTP_PUT, "/echo", 10 << 20);
		RUN_UNTIL(world, world->n_client_done);
		CU_ASSERT_EQUAL(world->received, 10 << 20);
		CU_ASSERT_EQUAL(world->sum_received, world->sum_sent);
		CU_ASSERT(world->most_held <= 65536);
		CU_ASSERT(world->most_received <= 65536);
		world_free(world);
	}
}

static void ends_where_either_side_wants(void)
{
	struct world *world = world_of_two(true);

	ask(world, HTTP_GET, "/close", 0);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_EQUAL(world->n_client_done, 1);
	CU_ASSERT_STRING_EQUAL(world->answer, "bye");
	CU_ASSERT_EQUAL(world->n_idle, 0);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "closed");
	CU_ASSERT_STRING_EQUAL(world->client_reason, "closed");

	dial(world);
	RUN_UNTIL(world, world->n_open);
	link_close(world->client);
	CU_ASSERT_PTR_NOT_NULL(world->client);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "closed");
	CU_ASSERT_STRING_EQUAL(world->server_reason, "eof");

	dial(world);
	RUN_UNTIL(world, world->n_open && world->server);
	ask(world, HTTP_GET, "/hold", 0);
	RUN_UNTIL(world, world->held);
	link_close(world->server); /* after the exchange */
	pump(world);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->server);
	exchange_reply(world->held, 200, NULL, 0, SLICE("late"));
	CU_ASSERT_EQUAL(world->n_client_done, 0);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_STRING_EQUAL(world->answer, "late");
	world_free(world);
}

static void aborts_on_cancel(void)
{
	struct world *world = world_of_two(true);

	ask(world, HTTP_GET, "/cancel", 0);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "cancelled");
	CU_ASSERT_STRING_EQUAL(world->client_reason, "truncated");
	CU_ASSERT_STRING_EQUAL(world->failed_reason, "truncated");
	CU_ASSERT_EQUAL(world->n_client_failed, 1);
	CU_ASSERT_EQUAL(world->n_failed + world->n_done, 0);

	dial(world);
	RUN_UNTIL(world, world->n_open && world->server);
	ask(world, HTTP_GET, "/hold", 0);
	RUN_UNTIL(world, world->held);
	exchange_cancel(world->request);
	CU_ASSERT_PTR_NOT_NULL(world->client);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "cancelled");
	CU_ASSERT_EQUAL(world->n_client_failed, 1);
	CU_ASSERT_EQUAL(world->n_failed, 1);
	world_free(world);
}

static void survives_being_freed_inside_a_request(void)
{
	struct world *world = world_of_two(true);

	ask(world, HTTP_GET, "/free", 0);
	RUN_UNTIL(world, !world->client);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "truncated");
	world_free(world);
}

static void fails_a_body_that_is_too_short(void)
{
	struct world *world = world_of_two(false);

	ask(world, HTTP_GET, "/short", 0);
	RUN_UNTIL(world, !world->client && !world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "short_body");
	CU_ASSERT_EQUAL(world->n_failed, 1);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "truncated");
	world_free(world);
}

static void answers_heads_without_bodies(void)
{
	struct world *world = world_of_two(false);

	ask(world, HTTP_HEAD, "/", 0);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_EQUAL(world->received, 0);
	ask(world, HTTP_HEAD, "/echo", 0);
	RUN_UNTIL(world, world->n_client_done);
	ask(world, HTTP_HEAD, "/early", 0);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_EQUAL(world->status, 413);
	ask(world, HTTP_GET, "/", 0);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_STRING_EQUAL(world->answer, "hello");
	world_free(world);
}

static void waits_for_a_lazy_owner(void)
{
	struct world *world = world_of_two(false);

	world->is_lazy = true;
	world->client_settings.body_timeout_ms = 50;
	ask(world, HTTP_PUT, "/echo", 32 << 20);
	run_ms(world, 200);
	CU_ASSERT_EQUAL(world->n_client_done + world->n_client_failed, 0);
	CU_ASSERT(world->sent < 32 << 20);
	CU_ASSERT(evbuffer_get_length(exchange_body(world->request)) <= 65536);
	CU_ASSERT(world->most_held <= 65536);
	world->is_lazy = false;
	take(world, world->request);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_EQUAL(world->sum_sent, world->sum_received);
	world_free(world);
}

static void keeps_a_small_body_until_it_is_taken(void)
{
	struct world *world = world_of_two(false);

	world->is_lazy = true;
	ask(world, HTTP_GET, "/", 0);
	RUN_UNTIL(world, world->n_ends);
	run_ms(world, 20);
	CU_ASSERT_EQUAL(world->n_client_done, 0);
	CU_ASSERT_FALSE(link_is_ready(world->client));
	take(world, world->request);
	CU_ASSERT_EQUAL(world->n_client_done, 0);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_STRING_EQUAL(world->answer, "hello");
	world_free(world);
}

/* ---- Bodies that nobody wants ---- */

static void discards_a_small_body_after_an_early_answer(void)
{
	struct world *world = world_new();

	raw_client(world);
	raw_say(world,
		"PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
	CU_ASSERT(says(world, "HTTP/1.1 413 "));
	CU_ASSERT_FALSE(says(world, "Connection: close"));
	CU_ASSERT_EQUAL(world->n_done, 0);
	raw_say(world, "67890GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_EQUAL(world->n_done, 2);
	CU_ASSERT(says(world, "hello"));
	CU_ASSERT_PTR_NOT_NULL(world->server);
	world_free(world);
}

static void closes_after_an_early_answer_to_a_large_body(void)
{
	struct world *world = world_new();
	static char block[100000];

	raw_client(world);
	raw_say(world,
		"PUT /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
	CU_ASSERT(says(world, "HTTP/1.1 413 "));
	CU_ASSERT(says(world, "Connection: close"));
	CU_ASSERT_EQUAL(world->n_done, 1);
	CU_ASSERT_PTR_NULL(world->server);
	hang_up(world);

	/* In chunks its size shows only with time. */
	memset(block, '\r', sizeof(block));
	raw_client(world);
	raw_say(world,
		"PUT /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		"100\r\n");
	CU_ASSERT_FALSE(says(world, "Connection: close"));
	raw_write(world, block, 256);
	CU_ASSERT_PTR_NOT_NULL(world->server);
	raw_say(world, "\r\n186a0\r\n");
	raw_write(world, block, sizeof(block));
	CU_ASSERT_PTR_NULL(world->server);
	CU_ASSERT_EQUAL(world->n_done, 2);
	CU_ASSERT_EQUAL(world->n_failed, 0);
	world_free(world);
}

static void asks_a_client_that_expects_it_to_go_on(void)
{
	static const char head[] = "PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
				   "Expect: 100-continue\r\n\r\n";
	struct world *world = world_new();
	char text[128];

	raw_client(world);
	snprintf(text, sizeof(text), head, "/whole");
	raw_say(world, text);
	CU_ASSERT_STRING_EQUAL(world->text, "HTTP/1.1 100 Continue\r\n\r\n");
	raw_say(world, "hi");
	CU_ASSERT(says(world, "\r\n\r\nhi"));
	CU_ASSERT_PTR_NOT_NULL(world->server);

	/* Not asked: whether a body will come is unknown, so that the link ends. */
	world->n_text = 0;
	snprintf(text, sizeof(text), head, "/early");
	raw_say(world, text);
	CU_ASSERT_FALSE(says(world, "100 Continue"));
	CU_ASSERT(says(world, "Connection: close"));
	CU_ASSERT_PTR_NULL(world->server);
	hang_up(world);

	/* A client that does not wait is not asked. */
	raw_client(world);
	snprintf(text, sizeof(text), head, "/hold");
	strcat(text, "hi");
	raw_say(world, text);
	CU_ASSERT_EQUAL(world->n_text, 0);
	exchange_resume(world->held);
	raw_read(world);
	CU_ASSERT_EQUAL(world->n_text, 0);
	world_free(world);
}

static void stops_reading_for_an_owner_that_takes_nothing(void)
{
	struct world *world = world_new();
	static char block[8192];
	size_t sent = 0;

	raw_client(world);
	raw_say(world,
		"PUT /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->held);
	for (int idle = 0; idle < 3;) {
		ssize_t n = send(world->raw, block, sizeof(block), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		pump(world);
	}
	CU_ASSERT(sent < 1 << 20);
	CU_ASSERT(evbuffer_get_length(exchange_body(world->held)) <= 65536);
	CU_ASSERT(evbuffer_get_length(conn_rx(link_conn(world->server))) <= 65536);
	evbuffer_drain(exchange_body(world->held), 65536);
	exchange_resume(world->held);
	pump(world);
	CU_ASSERT(evbuffer_get_length(exchange_body(world->held)) > 0);
	world_free(world);
}

static void makes_no_answers_for_one_who_reads_none(void)
{
	struct world *world = world_new();
	static const char request[] = "PUT /whole HTTP/1.1\r\nHost: a\r\n"
				      "Content-Length: 30000\r\n\r\n";
	static char message[sizeof(request) - 1 + 30000];
	size_t at = 0;

	memcpy(message, request, sizeof(request) - 1);
	raw_client(world);
	for (int idle = 0; idle < 3;) {
		ssize_t n = send(world->raw, message + at, sizeof(message) - at,
				 MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		at = n > 0 ? (at + (size_t)n) % sizeof(message) : at;
		pump(world);
	}
	CU_ASSERT(evbuffer_get_length(conn_tx(link_conn(world->server))) < 300000);
	/* It reads after all, and gets everything. */
	while (world->n_requests > world->n_done || world->n_text > 0) {
		world->n_text = 0;
		raw_read(world);
	}
	CU_ASSERT_PTR_NOT_NULL(world->server);
	world_free(world);
}

static void writes_problem_documents(void)
{
	struct world *world = world_of_two(false);
	json_t *problem;

	ask(world, HTTP_GET, "/early", 0);
	RUN_UNTIL(world, world->n_client_done);
	CU_ASSERT_EQUAL(world->status, 413);
	problem = json_loads(world->answer, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(problem);
	CU_ASSERT_EQUAL(json_object_size(problem), 5);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(problem, "status")), 413);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(problem, "reason")),
			       "body_too_large");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(problem, "detail")),
			       "Too \"much\".");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(problem, "title")),
			       "Content Too Large");
	json_decref(problem);
	world_free(world);
}

TEST_MAIN("exchange", TEST(keeps_a_link_for_a_hundred),
	  TEST(streams_ten_megabytes_both_ways), TEST(ends_where_either_side_wants),
	  TEST(aborts_on_cancel), TEST(survives_being_freed_inside_a_request),
	  TEST(fails_a_body_that_is_too_short), TEST(answers_heads_without_bodies),
	  TEST(waits_for_a_lazy_owner), TEST(keeps_a_small_body_until_it_is_taken),
	  TEST(discards_a_small_body_after_an_early_answer),
	  TEST(closes_after_an_early_answer_to_a_large_body),
	  TEST(asks_a_client_that_expects_it_to_go_on),
	  TEST(stops_reading_for_an_owner_that_takes_nothing),
	  TEST(makes_no_answers_for_one_who_reads_none), TEST(writes_problem_documents))
