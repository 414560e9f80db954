#include "test/unit/test.h"

#include "base/exchange.h"
#include "test/unit/pki.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- A world: a server with some resources, and a client or a bare socket ---- */

struct world {
	struct loop *loop;
	struct pki *pki;
	struct tls_context *server_tls, *client_tls;
	/* A Unix socket: what is written has arrived when write() returns. */
	struct listener *listener;
	int listen_fd;
	struct sockaddr_storage address;
	socklen_t address_size;
	char path[64];
	struct link_settings server_settings, client_settings;

	struct link *server;
	struct exchange *held; /* of the server, under /hold */
	const char *server_reason;
	unsigned n_requests, n_done, n_failed;
	size_t most_held; /* of a request body, in the server's hands */

	struct link *client;
	struct exchange *request;
	const char *client_reason;
	unsigned n_open, n_idle;
	size_t to_send, sent;
	unsigned status;
	size_t received, most_received;
	uint32_t sum_sent, sum_received;
	char answer[4096]; /* the beginning of the response's body */
	unsigned n_heads, n_ends, n_client_done, n_client_failed;
	bool is_lazy; /* the client takes nothing */
	const char *failed_reason;

	int raw; /* the bare socket, or -1 */
	char text[262144];
	size_t n_text;
	bool is_raw_ended;
};

/* Run everything that can run without waiting. */
static void pump(struct world *world)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(loop_base(world->loop), EVLOOP_NONBLOCK);
}

static void on_moment(void *arg)
{
	loop_stop(arg);
}

static void run_ms(struct world *world, int64_t ms)
{
	struct timer moment;

	timer_init(&moment, world->loop, on_moment, world->loop);
	timer_start(&moment, ms);
	loop_run(world->loop);
	timer_cancel(&moment);
}

/* Until a counter of the world is not zero any more. */
#define RUN_UNTIL(world, condition)                                             \
	do {                                                                    \
		int64_t end_ = loop_now_ms((world)->loop) + 20000;              \
		while (!(condition)) {                                          \
			event_base_loop(loop_base((world)->loop), EVLOOP_ONCE); \
			if (loop_now_ms((world)->loop) > end_)                  \
				break;                                          \
		}                                                               \
		CU_ASSERT((condition) != 0);                                    \
	} while (0)

/* ---- The server -------------------------------------------------------------- */

static bool is_target(const struct exchange *exchange, const char *target)
{
	return slice_eq(exchange_head(exchange)->target, slice_of(target));
}

static void echo_more(struct exchange *exchange, struct world *world)
{
	struct evbuffer *body = exchange_body(exchange);

	if (evbuffer_get_length(body) > world->most_held)
		world->most_held = evbuffer_get_length(body);
	if (exchange_is_full(exchange))
		return;
	if (evbuffer_get_length(body) > 0)
		exchange_send_body(exchange, body);
	if (exchange_is_received(exchange))
		exchange_send_end(exchange);
	else
		exchange_resume(exchange);
}

static void reply_with_body(struct exchange *exchange)
{
	struct evbuffer *body = exchange_body(exchange);
	size_t n = evbuffer_get_length(body);

	exchange_reply(exchange, 200, NULL, 0,
		       slice_make(evbuffer_pullup(body, -1), n));
}

static void on_server_exchange(struct exchange *exchange, enum exchange_event event,
			       void *arg)
{
	struct world *world = arg;

	CU_ASSERT_NOT_EQUAL(event, EXCHANGE_HEAD);
	if (event == EXCHANGE_DONE)
		world->n_done++;
	if (event == EXCHANGE_FAILED) {
		world->n_failed++;
		CU_ASSERT_PTR_NOT_NULL(exchange_reason(exchange));
	}
	if (event == EXCHANGE_DONE || event == EXCHANGE_FAILED) {
		world->held = NULL;
		return;
	}
	if (is_target(exchange, "/echo"))
		echo_more(exchange, world);
	else if (is_target(exchange, "/whole") && event == EXCHANGE_END)
		reply_with_body(exchange);
}

static void on_request(struct world *world, struct exchange *exchange)
{
	const struct http_field field = { SLICE("X-Answer"), SLICE("yes") };

	world->n_requests++;
	exchange_on(exchange, on_server_exchange, world);
	if (is_target(exchange, "/echo")) {
		exchange_send_head(exchange,
				   &(struct http_head){ .status = 200,
							.framing = HTTP_CHUNKED,
							.keep_alive = true });
		echo_more(exchange, world);
	} else if (is_target(exchange, "/whole")) {
		if (exchange_is_received(exchange))
			reply_with_body(exchange);
		else
			exchange_resume(exchange);
	} else if (is_target(exchange, "/hold")) {
		world->held = exchange;
	} else if (is_target(exchange, "/early")) {
		exchange_problem(exchange, 413, "body_too_large", "Too \"much\".");
	} else if (is_target(exchange, "/none")) {
		exchange_reply(exchange, 204, &field, 1, SLICE(""));
	} else if (is_target(exchange, "/same")) {
		exchange_reply(exchange, 304, &field, 1, SLICE(""));
	} else if (is_target(exchange, "/close")) {
		link_close(world->server);
		exchange_reply(exchange, 200, NULL, 0, SLICE("bye"));
	} else if (is_target(exchange, "/cancel")) {
		exchange_cancel(exchange);
	} else if (is_target(exchange, "/free")) {
		link_free(world->server);
		world->server = NULL;
	} else if (is_target(exchange, "/short")) {
		exchange_send_head(exchange,
				   &(struct http_head){ .status = 200,
							.framing = HTTP_LENGTH,
							.content_length = 9,
							.keep_alive = true });
		exchange_send_end(exchange);
	} else {
		exchange_reply(exchange, 200, &field, 1, SLICE("hello"));
	}
}

static void on_server(struct link *link, enum link_event event,
		      struct exchange *exchange, void *arg)
{
	struct world *world = arg;

	CU_ASSERT_EQUAL(event == LINK_REQUEST, exchange != NULL);
	if (event == LINK_REQUEST)
		on_request(world, exchange);
	if (event != LINK_CLOSED)
		return;
	world->server_reason = link_reason(link);
	link_free(link);
	world->server = NULL;
}

static void accept_server(struct world *world, int fd)
{
	CU_ASSERT_PTR_NULL_FATAL(world->server);
	world->server_reason = NULL;
	world->server =
		link_accept(world->loop, fd, &world->server_settings, on_server, world);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->server);
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	accept_server(arg, fd);
}

/* ---- The client -------------------------------------------------------------- */

static void send_more(struct world *world)
{
	static char block[10000];

	while (world->sent < world->to_send && !exchange_is_full(world->request)) {
		struct evbuffer *data = evbuffer_new();
		size_t n = world->to_send - world->sent;

		n = n < sizeof(block) ? n : sizeof(block);
		for (size_t i = 0; i < n; i++) {
			block[i] = (char)((world->sent + i) * 7 >> 3);
			world->sum_sent = world->sum_sent * 31 + (uint8_t)block[i];
		}
		evbuffer_add(data, block, n);
		world->sent += n;
		exchange_send_body(world->request, data);
		CU_ASSERT_EQUAL(evbuffer_get_length(data), 0);
		evbuffer_free(data);
		if (world->sent == world->to_send)
			exchange_send_end(world->request);
	}
}

static void take(struct world *world, struct exchange *exchange)
{
	struct evbuffer *body = exchange_body(exchange);
	const size_t n = evbuffer_get_length(body);
	const uint8_t *bytes = evbuffer_pullup(body, -1);

	if (n > world->most_received)
		world->most_received = n;
	for (size_t i = 0; i < n; i++) {
		world->sum_received = world->sum_received * 31 + bytes[i];
		if (world->received + i + 1 < sizeof(world->answer))
			world->answer[world->received + i] = (char)bytes[i];
	}
	world->received += n;
	evbuffer_drain(body, n);
	exchange_resume(exchange);
}

static void on_client_exchange(struct exchange *exchange, enum exchange_event event,
			       void *arg)
{
	struct world *world = arg;

	CU_ASSERT_PTR_EQUAL(exchange, world->request);
	switch (event) {
	case EXCHANGE_HEAD:
		world->n_heads++;
		world->status = exchange_head(exchange)->status;
		break;
	case EXCHANGE_BODY:
		if (!world->is_lazy)
			take(world, exchange);
		break;
	case EXCHANGE_END:
		CU_ASSERT(exchange_is_received(exchange));
		world->n_ends++;
		break;
	case EXCHANGE_WRITABLE: send_more(world); break;
	case EXCHANGE_DONE:
		world->n_client_done++;
		world->request = NULL;
		break;
	case EXCHANGE_FAILED:
		world->n_client_failed++;
		world->failed_reason = exchange_reason(exchange);
		world->request = NULL;
		break;
	}
}

static void on_client(struct link *link, enum link_event event,
		      struct exchange *exchange, void *arg)
{
	struct world *world = arg;

	CU_ASSERT_PTR_NULL(exchange);
	if (event == LINK_OPEN)
		world->n_open++;
	if (event == LINK_IDLE) {
		world->n_idle++;
		CU_ASSERT(link_is_ready(link));
	}
	if (event != LINK_CLOSED)
		return;
	world->client_reason = link_reason(link);
	link_free(link);
	world->client = NULL;
}

static void ask(struct world *world, enum http_method method, const char *target,
		size_t body_bytes)
{
	struct http_head head = {
		.method = method,
		.target = slice_of(target),
		.host = SLICE("a"),
		.framing = body_bytes ? HTTP_LENGTH : HTTP_NO_BODY,
		.content_length = body_bytes,
		.keep_alive = true,
	};

	CU_ASSERT_FATAL(link_is_ready(world->client));
	world->status = 0;
	world->to_send = body_bytes;
	world->sent = world->received = 0;
	world->sum_sent = world->sum_received = 0;
	world->n_heads = world->n_ends = world->n_client_done = 0;
	memset(world->answer, 0, sizeof(world->answer));
	world->request = link_request(world->client, on_client_exchange, world);
	exchange_send_head(world->request, &head);
	send_more(world);
}

/* ---- Making worlds ----------------------------------------------------------- */

static struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN);
	world->raw = -1;
	world->loop = loop_new();
	snprintf(world->path, sizeof(world->path), "unix:/tmp/provbox-test-%d.sock",
		 (int)getpid());
	CU_ASSERT_FATAL(
		conn_address(world->path, &world->address, &world->address_size));
	world->listen_fd = listener_open(world->path);
	CU_ASSERT_FATAL(world->listen_fd >= 0);
	return world;
}

static void dial(struct world *world)
{
	world->client_reason = NULL;
	world->n_open = 0;
	world->client = link_connect(world->loop, (struct sockaddr *)&world->address,
				     world->address_size, &world->client_settings,
				     on_client, world);
}

/* A client and a server that talk to each other. */
static struct world *world_of_two(bool is_tls)
{
	struct world *world = world_new();

	if (is_tls) {
		const struct pki_leaf *server, *client;
		char why[256];

		world->pki = pki_new("Airnet");
		server = pki_issue(
			world->pki, "server",
			&(struct pki_options){ .san = "DNS:a", .eku = "serverAuth" });
		client = pki_issue(world->pki, "client",
				   &(struct pki_options){ .eku = "clientAuth" });
		pki_write_crl(world->pki, 3600);
		world->server_tls = tls_context_new(
			&(struct tls_settings){ .role = TLS_SERVER,
						.chain_path = server->path,
						.key = server->key,
						.trust_path = world->pki->ca_path,
						.crl_path = world->pki->crl_path },
			why, sizeof(why));
		world->client_tls = tls_context_new(
			&(struct tls_settings){ .role = TLS_CLIENT,
						.chain_path = client->path,
						.key = client->key,
						.trust_path = world->pki->ca_path,
						.crl_path = world->pki->crl_path },
			why, sizeof(why));
		world->server_settings.conn.tls = world->server_tls;
		world->client_settings.conn.tls = world->client_tls;
		world->client_settings.conn.server_name = "a";
	}
	world->listener = listener_new(world->loop, world->listen_fd, on_accept, world);
	dial(world);
	RUN_UNTIL(world, world->n_open);
	return world;
}

/* A server and a bare socket that talks to it. */
static void raw_client(struct world *world)
{
	int fds[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	world->raw = fds[0];
	world->n_text = 0;
	world->is_raw_ended = false;
	accept_server(world, fds[1]);
	pump(world);
}

/* A client and a bare socket that answers it. */
static void raw_server(struct world *world)
{
	dial(world);
	pump(world);
	world->raw = accept4(world->listen_fd, NULL, NULL, SOCK_NONBLOCK);
	CU_ASSERT_FATAL(world->raw >= 0);
	world->n_text = 0;
	world->is_raw_ended = false;
	RUN_UNTIL(world, world->n_open);
}

static void raw_read(struct world *world)
{
	ssize_t n = 1;

	pump(world);
	while (n > 0) {
		n = recv(world->raw, world->text + world->n_text,
			 sizeof(world->text) - world->n_text - 1, 0);
		if (n > 0)
			world->n_text += (size_t)n;
		if (n == 0 || (n < 0 && errno != EAGAIN))
			world->is_raw_ended = true;
		pump(world);
	}
	world->text[world->n_text] = '\0';
}

/* Write and read what comes back; what cannot be written any more is left. */
static void raw_write(struct world *world, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t written = send(world->raw, bytes, n, MSG_NOSIGNAL);

		if (written < 0 && errno != EAGAIN)
			break;
		if (written > 0) {
			bytes += written;
			n -= (size_t)written;
		}
		raw_read(world);
	}
	raw_read(world);
}

static void raw_say(struct world *world, const char *text)
{
	raw_write(world, text, strlen(text));
}

static void raw_close(struct world *world)
{
	if (world->raw >= 0)
		close(world->raw);
	world->raw = -1;
	pump(world);
}

/* Both ends away, for another try in the same world. */
static void hang_up(struct world *world)
{
	raw_close(world);
	if (world->server)
		link_free(world->server);
	if (world->client)
		link_free(world->client);
	world->server = world->client = NULL;
	world->held = world->request = NULL;
	pump(world);
}

static void world_free(struct world *world)
{
	hang_up(world);
	listener_free(world->listener);
	close(world->listen_fd);
	unlink(world->path + strlen("unix:"));
	loop_free(world->loop);
	tls_context_free(world->server_tls);
	tls_context_free(world->client_tls);
	if (world->pki)
		pki_free(world->pki);
	free(world);
}

/* ---- Two of ours ------------------------------------------------------------- */

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

/* ---- A server and what strangers send ---------------------------------------- */

static bool says(const struct world *world, const char *text)
{
	return strstr(world->text, text) != NULL;
}

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

/* Each malformed message of the table gets its status, a reason, and the end. */
static void refuses_every_malformed_request(void)
{
	static const struct {
		const char *text, *reason;
		unsigned status;
	} cases[] = {
		{ "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "bad_version", 505 },
		{ "GET /../ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_target", 400 },
		{ "GET / HTTP/1.1\nHost: a\n\n", "bare_lf", 400 },
		{ "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "unknown_method", 501 },
		{ "PUT /hold HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "5;x\r\n",
		  "bad_chunk", 400 },
		{ "PUT /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "5\r\nabcdefg\r\n",
		  "bad_chunk", 400 },
	};
	struct world *world = world_new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[32], reason[64];

		raw_client(world);
		raw_say(world, cases[i].text);
		snprintf(line, sizeof(line), "HTTP/1.1 %u ", cases[i].status);
		snprintf(reason, sizeof(reason), "\"reason\":\"%s\"", cases[i].reason);
		CU_ASSERT(strncmp(world->text, line, strlen(line)) == 0);
		CU_ASSERT(says(world, reason));
		CU_ASSERT(says(world, "Content-Type: application/problem+json\r\n"));
		CU_ASSERT(says(world, "Connection: close\r\n"));
		CU_ASSERT(world->is_raw_ended);
		CU_ASSERT_STRING_EQUAL(world->server_reason, cases[i].reason);
		hang_up(world);
	}
	world_free(world);
}

static void refuses_a_huge_head(void)
{
	struct world *world = world_new();
	static char huge[1 << 20];

	memset(huge, 'a', sizeof(huge));
	raw_client(world);
	raw_say(world, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	raw_write(world, huge, sizeof(huge));
	CU_ASSERT(says(world, "HTTP/1.1 431 "));
	CU_ASSERT_STRING_EQUAL(world->server_reason, "head_too_large");
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

/* ---- Bodies that nobody wants ------------------------------------------------ */

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

/* ---- Time limits ------------------------------------------------------------- */

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

/* ---- A client and what strangers answer -------------------------------------- */

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

TEST_MAIN("exchange", TEST(keeps_a_link_for_a_hundred),
	  TEST(streams_ten_megabytes_both_ways), TEST(ends_where_either_side_wants),
	  TEST(aborts_on_cancel), TEST(survives_being_freed_inside_a_request),
	  TEST(fails_a_body_that_is_too_short), TEST(answers_heads_without_bodies),
	  TEST(waits_for_a_lazy_owner), TEST(keeps_a_small_body_until_it_is_taken),
	  TEST(reads_pipelined_requests_however_cut),
	  TEST(tells_a_truncated_request_at_every_byte),
	  TEST(answers_a_half_closed_client), TEST(makes_pipelined_requests_wait),
	  TEST(refuses_every_malformed_request), TEST(refuses_a_huge_head),
	  TEST(writes_problem_documents),
	  TEST(discards_a_small_body_after_an_early_answer),
	  TEST(closes_after_an_early_answer_to_a_large_body),
	  TEST(asks_a_client_that_expects_it_to_go_on),
	  TEST(stops_reading_for_an_owner_that_takes_nothing),
	  TEST(makes_no_answers_for_one_who_reads_none),
	  TEST(limits_what_a_server_waits_for), TEST(drips_do_not_stretch_a_head),
	  TEST(limits_what_a_client_waits_for), TEST(judges_what_a_server_says),
	  TEST(trusts_no_byte_before_its_request),
	  TEST(eats_no_endless_interim_responses),
	  TEST(tells_a_truncated_response_at_every_byte), TEST(hears_an_early_answer),
	  TEST(reports_a_failed_connection))
