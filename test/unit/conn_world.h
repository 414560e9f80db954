/*
 * A world with two ends for tests of connections: a listener, the server that it
 * accepts and a client that dials it, plain or by TLS. Each end counts its events,
 * sends a pattern of bytes, and takes, echoes or hoards what comes.
 */
#ifndef TEST_UNIT_CONN_WORLD_H
#define TEST_UNIT_CONN_WORLD_H

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/conn.h"
#include "base/listener.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

#define GUARD_MS 20000

struct end {
	struct world *world;
	struct conn *conn;
	bool is_in_call; /* inside a function of conn.h: no callback may come */
	unsigned n[CONN_FAILED + 1];
	size_t to_send, sent, received, most_held;
	uint32_t sum;
	bool is_echo;     /* sends back what comes */
	bool is_hoarding; /* takes nothing */
	bool is_free_at[CONN_FAILED + 1];
	enum conn_failure failure;
	enum tls_failure tls_failure;
};

struct world {
	struct loop *loop;
	struct timer guard;
	struct pki *pki;
	struct tls_context *server_tls, *client_tls;
	struct listener *listener;
	int listen_fd;
	struct conn_settings server_settings, client_settings;
	struct end server, client;
	bool (*is_done)(const struct world *world);
};

static inline void on_guard(void *arg)
{
	struct world *world = arg;

	CU_FAIL("nothing happened for too long");
	loop_stop(world->loop);
}

static inline void run_until(struct world *world,
			     bool (*is_done)(const struct world *world))
{
	world->is_done = is_done;
	timer_start(&world->guard, GUARD_MS);
	if (!is_done(world))
		loop_run(world->loop);
	timer_cancel(&world->guard);
	world->is_done = NULL;
}

/* Fill the connection as far as it allows. */
static inline void send_more(struct end *end)
{
	static char block[8192];

	while (end->conn && end->sent < end->to_send && !conn_is_full(end->conn)) {
		size_t n = end->to_send - end->sent;

		n = n < sizeof(block) ? n : sizeof(block);
		for (size_t i = 0; i < n; i++)
			block[i] = (char)((end->sent + i) * 7 >> 3);
		evbuffer_add(conn_tx(end->conn), block, n);
		end->sent += n;
		end->is_in_call = true;
		conn_flush(end->conn);
		end->is_in_call = false;
	}
}

static inline void take(struct end *end)
{
	struct evbuffer *rx = conn_rx(end->conn);
	size_t n = evbuffer_get_length(rx);
	const uint8_t *bytes = evbuffer_pullup(rx, -1);

	if (n > end->most_held)
		end->most_held = n;
	for (size_t i = 0; i < n; i++)
		end->sum = end->sum * 31 + bytes[i];
	end->received += n;
	end->is_in_call = true;
	if (end->is_echo) {
		evbuffer_add_buffer(conn_tx(end->conn), rx);
		conn_flush(end->conn);
	} else {
		evbuffer_drain(rx, n);
	}
	if (!conn_is_full(end->conn))
		conn_resume(end->conn);
	end->is_in_call = false;
}

static inline void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct end *end = arg;

	CU_ASSERT_PTR_EQUAL(end->conn, conn);
	CU_ASSERT_FALSE(end->is_in_call);
	CU_ASSERT_EQUAL(end->n[CONN_FAILED], 0);
	end->n[event]++;
	if (event == CONN_READABLE && !end->is_hoarding)
		take(end);
	if (event == CONN_WRITABLE && end->is_echo)
		conn_resume(conn);
	if (event == CONN_OPEN || event == CONN_WRITABLE)
		send_more(end);
	if (event == CONN_FAILED) {
		end->failure = conn_failure(conn);
		end->tls_failure = conn_tls_failure(conn);
	}
	if (end->is_free_at[event]) {
		conn_free(conn);
		end->conn = NULL;
	}
	if (end->world->is_done && end->world->is_done(end->world))
		loop_stop(end->world->loop);
}

static inline void on_accept(struct listener *listener, int fd, void *arg)
{
	struct world *world = arg;

	(void)listener;
	CU_ASSERT_PTR_NULL_FATAL(world->server.conn);
	world->server.conn = conn_accept(world->loop, fd, &world->server_settings,
					 on_conn, &world->server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->server.conn);
}

static inline struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	signal(SIGPIPE, SIG_IGN);
	world->loop = loop_new();
	timer_init(&world->guard, world->loop, on_guard, world);
	world->server.world = world->client.world = world;
	world->listen_fd = listener_open("127.0.0.1:0");
	CU_ASSERT_FATAL(world->listen_fd >= 0);
	world->listener = listener_new(world->loop, world->listen_fd, on_accept, world);
	return world;
}

static inline struct tls_context *context(enum tls_role role, const struct pki *pki,
					  const struct pki_leaf *leaf)
{
	char why[256];
	struct tls_context *made =
		tls_context_new(&(struct tls_settings){ .role = role,
							.chain_path = leaf->path,
							.key = leaf->key,
							.trust_path = pki->ca_path,
							.crl_path = pki->crl_path },
				why, sizeof(why));

	CU_ASSERT_PTR_NOT_NULL_FATAL(made);
	return made;
}

static inline struct world *world_with_tls(const char *client_usage)
{
	struct world *world = world_new();
	const struct pki_leaf *server, *client;

	world->pki = pki_new("Airnet");
	server = pki_issue(world->pki, "server",
			   &(struct pki_options){ .san = "DNS:gw.example.com",
						  .eku = "serverAuth" });
	client = pki_issue(world->pki, "client",
			   &(struct pki_options){ .eku = client_usage });
	pki_write_crl(world->pki, 3600);
	world->server_tls = context(TLS_SERVER, world->pki, server);
	world->client_tls = context(TLS_CLIENT, world->pki, client);
	world->server_settings.tls = world->server_tls;
	world->client_settings.tls = world->client_tls;
	world->client_settings.server_name = "gw.example.com";
	return world;
}

static inline void dial(struct world *world)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	CU_ASSERT_FATAL(
		getsockname(world->listen_fd, (struct sockaddr *)&address, &size) == 0);
	world->client.is_in_call = true;
	world->client.conn =
		conn_connect(world->loop, (struct sockaddr *)&address, size,
			     &world->client_settings, on_conn, &world->client);
	world->client.is_in_call = false;
}

static inline void world_free(struct world *world)
{
	if (world->server.conn)
		conn_free(world->server.conn);
	if (world->client.conn)
		conn_free(world->client.conn);
	listener_free(world->listener);
	close(world->listen_fd);
	loop_free(world->loop);
	tls_context_free(world->server_tls);
	tls_context_free(world->client_tls);
	if (world->pki)
		pki_free(world->pki);
	free(world);
}

static inline bool both_are_open(const struct world *world)
{
	return world->server.n[CONN_OPEN] && world->client.n[CONN_OPEN];
}

static inline bool server_failed(const struct world *world)
{
	return world->server.n[CONN_FAILED] > 0;
}

static inline bool client_failed(const struct world *world)
{
	return world->client.n[CONN_FAILED] > 0;
}

static inline bool both_failed(const struct world *world)
{
	return server_failed(world) && client_failed(world);
}

static inline bool a_moment_passed(const struct world *world)
{
	(void)world;
	return false;
}

static inline void on_moment(void *arg)
{
	loop_stop(arg);
}

static inline void run_a_moment(struct world *world)
{
	struct timer moment;

	timer_init(&moment, world->loop, on_moment, world->loop);
	timer_start(&moment, 50);
	run_until(world, a_moment_passed);
	timer_cancel(&moment);
}

#endif
