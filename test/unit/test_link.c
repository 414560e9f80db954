#include "test/unit/exchange_world.h"
#include "test/unit/http_vector.h"

/* ---- A server and what strangers send ---- */

static const char two_requests[] = "PUT /whole HTTP/1.1\r\nHost: a\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
				   "PUT /whole HTTP/1.1\r\nHost: a\r\n"
				   "Content-Length: 4\r\nConnection: close\r\n\r\nfghi";

static void expect_two_answers(const struct world *world)
{
	const char *first = strstr(world->text, "\r\n\r\nabcde");

	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	CU_ASSERT_PTR_NOT_NULL(strstr(first, "\r\n\r\nfghi"));
	CU_ASSERT_PTR_NOT_NULL(strstr(first, "Connection: close"));
	CU_ASSERT(world->is_raw_ended);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "closed");
}

static void reads_pipelined_requests_however_cut(void)
{
	struct world *world = world_new();
	const size_t n = sizeof(two_requests) - 1;

	for (size_t cut = 0; cut <= n; cut++) {
		raw_client(world);
		raw_write(world, two_requests, cut);
		raw_write(world, two_requests + cut, n - cut);
		expect_two_answers(world);
		hang_up(world);
	}
	raw_client(world);
	for (size_t i = 0; i < n; i++)
		raw_write(world, two_requests + i, 1);
	expect_two_answers(world);
	CU_ASSERT_EQUAL(world->n_done, 2 * (n + 2));
	world_free(world);
}

static void tells_a_truncated_request_at_every_byte(void)
{
	struct world *world = world_new();
	const size_t n = sizeof(two_requests) - 1;

	for (size_t cut = 0; cut < n; cut++) {
		const unsigned done = world->n_done;

		raw_client(world);
		raw_write(world, two_requests, cut);
		raw_close(world);
		CU_ASSERT_PTR_NULL_FATAL(world->server);
		if (cut == 0 ||
		    (world->n_done > done &&
		     cut == (size_t)(strstr(two_requests + 1, "PUT") - two_requests)))
			CU_ASSERT_STRING_EQUAL(world->server_reason, "eof")
		else
			CU_ASSERT_STRING_EQUAL(world->server_reason, "truncated");
		hang_up(world);
	}
	world_free(world);
}

static void answers_a_half_closed_client(void)
{
	struct world *world = world_new();

	raw_client(world);
	raw_say(world, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(world->raw, SHUT_WR);
	pump(world);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->held);
	exchange_reply(world->held, 200, NULL, 0, SLICE("still"));
	raw_read(world);
	CU_ASSERT(says(world, "still"));
	CU_ASSERT(says(world, "Connection: close") || world->is_raw_ended);
	world_free(world);
}

/* An answer without end is for who listens. */
static void ends_an_endless_answer_with_its_listener(void)
{
	struct world *world = world_new();

	raw_client(world);
	raw_say(world, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->held);
	exchange_send_head(world->held, &(struct http_head){ .status = 200,
							     .framing = HTTP_CHUNKED,
							     .keep_alive = true });
	exchange_end_with_peer(world->held);
	pump(world);
	CU_ASSERT_EQUAL(world->n_failed, 0);
	shutdown(world->raw, SHUT_WR);
	pump(world);
	CU_ASSERT_EQUAL(world->n_failed, 1);
	CU_ASSERT_PTR_NULL(world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "eof");
	world_free(world);
}

static void makes_pipelined_requests_wait(void)
{
	struct world *world = world_new();

	raw_client(world);
	raw_say(world, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
		       "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_EQUAL(world->n_requests, 1);
	exchange_reply(world->held, 200, NULL, 0, SLICE("1"));
	pump(world);
	CU_ASSERT_EQUAL(world->n_requests, 2);
	world_free(world);
}

/* Each malformed message gets its status, a reason, and the end. */
static void expect_refusal(const struct http_vector *vector, void *arg)
{
	const bool is_chunked = strcmp(vector->kind, "chunked") == 0;
	struct world *world = arg;
	char line[32] = "", reason[64];

	if ((!is_chunked && strcmp(vector->kind, "request") != 0) ||
	    strcmp(vector->result, "ok") == 0 || strcmp(vector->result, "more") == 0)
		return;
	for (int i = 0; i < HTTP_N_ERRORS; i++)
		if (strcmp(http_error_name((enum http_error)i), vector->result) == 0)
			snprintf(line, sizeof(line), "HTTP/1.1 %u ",
				 http_error_status((enum http_error)i));
	snprintf(reason, sizeof(reason), "\"reason\":\"%s\"", vector->result);
	raw_client(world);
	if (is_chunked)
		raw_say(world, "PUT /whole HTTP/1.1\r\nHost: a\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n");
	raw_write(world, vector->bytes.p, vector->bytes.n);
	if (strncmp(world->text, line, strlen(line)) != 0)
		printf("\n%s: %s", vector->name, world->text);
	CU_ASSERT(*line && strncmp(world->text, line, strlen(line)) == 0);
	CU_ASSERT(says(world, reason));
	CU_ASSERT(says(world, "Content-Type: application/problem+json\r\n"));
	CU_ASSERT(says(world, "Connection: close\r\n"));
	CU_ASSERT(world->is_raw_ended);
	CU_ASSERT_PTR_NULL(world->server);
	if (!world->server)
		CU_ASSERT_STRING_EQUAL(world->server_reason, vector->result);
	hang_up(world);
}

static void refuses_every_malformed_request(void)
{
	struct world *world = world_new();

	http_vector_walk(expect_refusal, world);
	CU_ASSERT_EQUAL(world->n_done, 0);
	world_free(world);
}

/* ---- Time limits ---- */

static void limits_what_a_server_waits_for(void)
{
	static const struct {
		const char *text, *reason, *answer;
	} cases[] = {
		{ "", "idle_timeout", "" },
		{ "GET / HTTP/1.1\r\nHost", "head_timeout", "HTTP/1.1 408 " },
		{ "PUT /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
		  "body_timeout", "HTTP/1.1 408 " },
		{ "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
		  "body_timeout", "HTTP/1.1 200 " },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "idle_timeout",
		  "HTTP/1.1 200 " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_new();
		int64_t start;

		world->server_settings.idle_timeout_ms = 150;
		world->server_settings.head_timeout_ms = 100;
		world->server_settings.body_timeout_ms = 120;
		raw_client(world);
		raw_say(world, cases[i].text);
		start = loop_now_ms(world->loop);
		RUN_UNTIL(world, !world->server);
		CU_ASSERT(loop_now_ms(world->loop) - start >= 90);
		CU_ASSERT(loop_now_ms(world->loop) - start < 2000);
		raw_read(world);
		CU_ASSERT_STRING_EQUAL(world->server_reason, cases[i].reason);
		CU_ASSERT(strncmp(world->text, cases[i].answer,
				  strlen(cases[i].answer)) == 0);
		CU_ASSERT(world->is_raw_ended);
		world_free(world);
	}
}

/* A dripping head ends at its deadline; a dripping body goes on. */
static void drips_do_not_stretch_a_head(void)
{
	static const char head[] = "PUT /whole HTTP/1.1\r\nHost: a\r\n"
				   "Content-Length: 20\r\n\r\n";
	struct world *world = world_new();

	world->server_settings.head_timeout_ms = 200;
	world->server_settings.body_timeout_ms = 200;
	raw_client(world);
	raw_say(world, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	for (size_t i = 0; i < sizeof(head) - 1 && world->server; i++) {
		raw_write(world, head + i, 1);
		run_ms(world, 20);
	}
	CU_ASSERT_PTR_NULL(world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "head_timeout");
	hang_up(world);

	raw_client(world);
	raw_say(world, head);
	for (int i = 0; i < 20 && world->server; i++) {
		run_ms(world, 20);
		raw_write(world, "x", 1);
	}
	CU_ASSERT(says(world, "xxxxxxxxxxxxxxxxxxxx"));
	world_free(world);
}

/* What the owner makes wait is not the client's fault. */
static void blames_no_client_that_it_makes_wait(void)
{
	struct world *world = world_new();

	world->server_settings.body_timeout_ms = 50;
	world->server_settings.idle_timeout_ms = 50;
	raw_client(world);
	raw_say(world, "PUT /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
		       "Expect: 100-continue\r\n\r\n");
	run_ms(world, 200);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->held);
	exchange_continue(world->held);
	raw_say(world, "hi");
	CU_ASSERT_STRING_EQUAL(world->text, "HTTP/1.1 100 Continue\r\n\r\n");
	run_ms(world, 200);
	CU_ASSERT_PTR_NOT_NULL(world->held);
	world_free(world);
}

static void limits_what_a_client_waits_for(void)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "", "head_timeout" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", "head_timeout" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "body_timeout" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "idle_timeout" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_new();

		world->client_settings.idle_timeout_ms = 150;
		world->client_settings.head_timeout_ms = 100;
		world->client_settings.body_timeout_ms = 120;
		raw_server(world);
		ask(world, HTTP_GET, "/", 0);
		raw_say(world, cases[i].text);
		RUN_UNTIL(world, !world->client);
		CU_ASSERT_STRING_EQUAL(world->client_reason, cases[i].reason);
		CU_ASSERT_EQUAL(world->n_client_failed, i < 3);
		world_free(world);
	}
}

/* ---- A client and what strangers answer ---- */

static void judges_what_a_server_says(void)
{
	static const struct {
		const char *text, *reason;
		bool is_done;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL, true },
		{ "HTTP/1.1 102 X\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
		  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
		  NULL, true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
		  "closed", true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokH", "surplus_bytes",
		  true },
		{ "HTTP/1.1 204 No Content\r\n\r\nX", "surplus_bytes", true },
		{ "HTTP/1.1 200 OK\r\n\r\n", "bad_length", false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "bad_version",
		  false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		  "bad_length", false },
		{ "HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n", "unwanted_upgrade", false },
		{ "SSH-2.0-x\r\n\r\n", "bad_line", false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n",
		  "bad_chunk", false },
	};
	struct world *world = world_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned failed = world->n_client_failed;

		raw_server(world);
		ask(world, HTTP_GET, "/", 0);
		raw_say(world, cases[i].text);
		CU_ASSERT_EQUAL(world->n_client_done, cases[i].is_done);
		CU_ASSERT_EQUAL(world->n_client_failed - failed, !cases[i].is_done);
		CU_ASSERT_EQUAL(world->client == NULL, cases[i].reason != NULL);
		if (cases[i].reason && world->client_reason)
			CU_ASSERT_STRING_EQUAL(world->client_reason, cases[i].reason);
		if (!cases[i].reason)
			CU_ASSERT_STRING_EQUAL(world->answer, "ok");
		hang_up(world);
	}
	world_free(world);
}

static void trusts_no_byte_before_its_request(void)
{
	struct world *world = world_new();

	raw_server(world);
	raw_say(world, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	CU_ASSERT_PTR_NULL(world->client);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "surplus_bytes");

	/* Nor while a request is being made. */
	raw_server(world);
	world->client_reason = NULL;
	world->request = link_request(world->client, on_client_exchange, world);
	raw_say(world, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	CU_ASSERT_EQUAL(world->n_heads, 0);
	CU_ASSERT_EQUAL(world->n_client_failed, 1);
	CU_ASSERT_STRING_EQUAL(world->failed_reason, "surplus_bytes");
	world_free(world);
}

static void eats_no_endless_interim_responses(void)
{
	struct world *world = world_new();

	raw_server(world);
	ask(world, HTTP_GET, "/", 0);
	for (int i = 0; i < 20 && world->client; i++)
		raw_say(world, "HTTP/1.1 100 Continue\r\n\r\n");
	CU_ASSERT_PTR_NULL(world->client);
	CU_ASSERT_STRING_EQUAL_FATAL(world->client_reason, "interim_responses");
	world_free(world);
}

static void tells_a_truncated_response_at_every_byte(void)
{
	static const char response[] =
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"\r\n2\r\nok\r\n0\r\n\r\n";
	struct world *world = world_new();

	for (size_t cut = 0; cut < sizeof(response); cut++) {
		const unsigned failed = world->n_client_failed;
		const bool is_whole = cut == sizeof(response) - 1;

		raw_server(world);
		ask(world, HTTP_GET, "/", 0);
		raw_write(world, response, cut);
		raw_close(world);
		RUN_UNTIL(world, !world->client);
		CU_ASSERT_EQUAL(world->n_client_failed - failed, !is_whole);
		CU_ASSERT_EQUAL(world->n_client_done, is_whole);
		CU_ASSERT_STRING_EQUAL(world->client_reason,
				       is_whole ? "eof" : "truncated");
		hang_up(world);
	}
	world_free(world);
}

static void hears_an_early_answer(void)
{
	struct world *world = world_new();

	raw_server(world);
	ask(world, HTTP_PUT, "/", 64 << 20);
	raw_say(world, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n"
		       "Connection: close\r\n\r\nno");
	CU_ASSERT_EQUAL(world->n_heads, 1);
	CU_ASSERT_EQUAL(world->n_ends, 1);
	CU_ASSERT_EQUAL(world->status, 413);
	CU_ASSERT_EQUAL(world->n_client_done, 0); /* it still sends */
	exchange_cancel(world->request);
	pump(world);
	CU_ASSERT_PTR_NULL(world->client);
	world_free(world);
}

/* With TLS a peer that goes without a word looks like a line that was cut. */
static void says_that_it_goes_unless_in_the_middle_of_a_request(void)
{
	struct world *world = world_of_two(true);

	link_hang_up(world->client);
	world->client = NULL;
	RUN_UNTIL(world, !world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "eof");
	dial(world);
	RUN_UNTIL(world, world->n_open);
	ask(world, HTTP_GET, "/hold", 0); /* said, and not yet answered */
	RUN_UNTIL(world, world->held);
	exchange_end_with_peer(world->held);
	link_hang_up(world->client);
	world->client = NULL;
	RUN_UNTIL(world, !world->server);
	CU_ASSERT_STRING_EQUAL(world->server_reason, "eof");
	dial(world);
	RUN_UNTIL(world, world->n_open);
	ask(world, HTTP_PUT, "/echo", 10000000);
	RUN_UNTIL(world, world->n_requests == 2);
	link_hang_up(world->client);
	world->client = NULL;
	RUN_UNTIL(world, !world->server);
	CU_ASSERT_STRING_NOT_EQUAL(world->server_reason, "eof");
	world_free(world);
}

static void reports_a_failed_connection(void)
{
	struct world *world = world_new();

	shutdown(world->listen_fd, SHUT_RDWR);
	dial(world);
	RUN_UNTIL(world, !world->client);
	CU_ASSERT_STRING_EQUAL(world->client_reason, "connect_failed");
	CU_ASSERT_EQUAL(world->n_open, 0);
	world_free(world);
}

TEST_MAIN("link", TEST(reads_pipelined_requests_however_cut),
	  TEST(tells_a_truncated_request_at_every_byte),
	  TEST(answers_a_half_closed_client),
	  TEST(ends_an_endless_answer_with_its_listener),
	  TEST(makes_pipelined_requests_wait), TEST(refuses_every_malformed_request),
	  TEST(limits_what_a_server_waits_for), TEST(drips_do_not_stretch_a_head),
	  TEST(blames_no_client_that_it_makes_wait),
	  TEST(limits_what_a_client_waits_for), TEST(judges_what_a_server_says),
	  TEST(trusts_no_byte_before_its_request),
	  TEST(eats_no_endless_interim_responses),
	  TEST(tells_a_truncated_response_at_every_byte), TEST(hears_an_early_answer),
	  TEST(says_that_it_goes_unless_in_the_middle_of_a_request),
	  TEST(reports_a_failed_connection))
