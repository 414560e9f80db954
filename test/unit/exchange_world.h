/*
 * A world for tests of links and exchanges: a server with some resources, and either a
 * client of ours or a bare socket that talks to it; or a client and a bare socket.
 */
#ifndef TEST_UNIT_EXCHANGE_WORLD_H
#define TEST_UNIT_EXCHANGE_WORLD_H

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/exchange.h"
#include "base/listener.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

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
static inline void pump(struct world *world)
{
	for (int i = 0; i < 12; i++)
		event_base_loop(loop_base(world->loop), EVLOOP_NONBLOCK);
}

static inline void on_moment(void *arg)
{
	loop_stop(arg);
}

static inline void run_ms(struct world *world, int64_t ms)
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

/* ---- The server ---- */

static inline bool is_target(const struct exchange *exchange, const char *target)
{
	return slice_eq(exchange_head(exchange)->target, slice_of(target));
}

static inline void echo_more(struct exchange *exchange, struct world *world)
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

static inline void reply_with_body(struct exchange *exchange)
{
	struct evbuffer *body = exchange_body(exchange);
	size_t n = evbuffer_get_length(body);

	exchange_reply(exchange, 200, NULL, 0,
		       slice_make(evbuffer_pullup(body, -1), n));
}

static inline void on_server_exchange(struct exchange *exchange,
				      enum exchange_event event, void *arg)
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

static inline void on_request(struct world *world, struct exchange *exchange)
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
		exchange_problem(exchange, 413, "body_too_large", "Too \"much\".",
				 NULL);
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

static inline void on_server(struct link *link, enum link_event event,
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

static inline void accept_server(struct world *world, int fd)
{
	CU_ASSERT_PTR_NULL_FATAL(world->server);
	world->server_reason = NULL;
	world->server =
		link_accept(world->loop, fd, &world->server_settings, on_server, world);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->server);
}

static inline void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	accept_server(arg, fd);
}

/* ---- The client ---- */

static inline void send_more(struct world *world)
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

static inline void take(struct world *world, struct exchange *exchange)
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

static inline void on_client_exchange(struct exchange *exchange,
				      enum exchange_event event, void *arg)
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

static inline void on_client(struct link *link, enum link_event event,
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

static inline void ask(struct world *world, enum http_method method, const char *target,
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

/* ---- Making worlds ---- */

static inline struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN);
	world->raw = -1;
	world->loop = loop_new();
	snprintf(world->path, sizeof(world->path), "unix:/tmp/provbox-test-%d.sock",
		 (int)getpid());
	CU_ASSERT_FATAL(
		address_parse(world->path, &world->address, &world->address_size));
	world->listen_fd = listener_open(world->path);
	CU_ASSERT_FATAL(world->listen_fd >= 0);
	return world;
}

static inline void dial(struct world *world)
{
	world->client_reason = NULL;
	world->n_open = 0;
	world->client = link_connect(world->loop, (struct sockaddr *)&world->address,
				     world->address_size, &world->client_settings,
				     on_client, world);
}

/* A client and a server that talk to each other. */
static inline struct world *world_of_two(bool is_tls)
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
static inline void raw_client(struct world *world)
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
static inline void raw_server(struct world *world)
{
	dial(world);
	pump(world);
	world->raw = accept4(world->listen_fd, NULL, NULL, SOCK_NONBLOCK);
	CU_ASSERT_FATAL(world->raw >= 0);
	world->n_text = 0;
	world->is_raw_ended = false;
	RUN_UNTIL(world, world->n_open);
}

static inline void raw_read(struct world *world)
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
static inline void raw_write(struct world *world, const char *bytes, size_t n)
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

static inline void raw_say(struct world *world, const char *text)
{
	raw_write(world, text, strlen(text));
}

static inline void raw_close(struct world *world)
{
	if (world->raw >= 0)
		close(world->raw);
	world->raw = -1;
	pump(world);
}

/* Both ends away, for another try in the same world. */
static inline void hang_up(struct world *world)
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

static inline void world_free(struct world *world)
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

static inline bool says(const struct world *world, const char *text)
{
	return strstr(world->text, text) != NULL;
}

#endif
