#include "test/unit/test.h"

#include "base/conn.h"
#include "base/log.h"
#include "test/unit/pki.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define GUARD_MS 20000

/* ---- A world with two ends ---- */

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

static void on_guard(void *arg)
{
	struct world *world = arg;

	CU_FAIL("nothing happened for too long");
	loop_stop(world->loop);
}

static void run_until(struct world *world, bool (*is_done)(const struct world *world))
{
	world->is_done = is_done;
	timer_start(&world->guard, GUARD_MS);
	if (!is_done(world))
		loop_run(world->loop);
	timer_cancel(&world->guard);
	world->is_done = NULL;
}

/* Fill the connection as far as it allows. */
static void send_more(struct end *end)
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

static void take(struct end *end)
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

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
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

static void on_accept(struct listener *listener, int fd, void *arg)
{
	struct world *world = arg;

	(void)listener;
	CU_ASSERT_PTR_NULL_FATAL(world->server.conn);
	world->server.conn = conn_accept(world->loop, fd, &world->server_settings,
					 on_conn, &world->server);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world->server.conn);
}

static struct world *world_new(void)
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

static struct tls_context *context(enum tls_role role, const struct pki *pki,
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

static struct world *world_with_tls(const char *client_usage)
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

static void dial(struct world *world)
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

static void world_free(struct world *world)
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

static bool both_are_open(const struct world *world)
{
	return world->server.n[CONN_OPEN] && world->client.n[CONN_OPEN];
}

static bool server_failed(const struct world *world)
{
	return world->server.n[CONN_FAILED] > 0;
}

static bool client_failed(const struct world *world)
{
	return world->client.n[CONN_FAILED] > 0;
}

static bool both_failed(const struct world *world)
{
	return server_failed(world) && client_failed(world);
}

/* ---- Bytes ---- */

static bool client_has_its_echo(const struct world *world)
{
	return world->client.received == world->client.to_send;
}

static void echo_ten_megabytes(struct world *world)
{
	world->client.to_send = 10 << 20;
	world->server.is_echo = true;
	world->server_settings.rx_limit = 32768;
	dial(world);
	run_until(world, client_has_its_echo);
	CU_ASSERT_EQUAL(world->server.received, world->client.to_send);
	CU_ASSERT_EQUAL(world->server.sum, world->client.sum);
	CU_ASSERT_EQUAL(world->client.sum != 0, true);
	CU_ASSERT(world->server.most_held <= 32768);
	CU_ASSERT(world->client.most_held <= 65536);
	CU_ASSERT(world->client.n[CONN_WRITABLE] > 1);
	CU_ASSERT_EQUAL(conn_rx_total(world->client.conn), 10 << 20);
	CU_ASSERT_EQUAL(conn_tx_total(world->client.conn), 10 << 20);
	CU_ASSERT_EQUAL(conn_failure(world->client.conn), CONN_FAILURE_NONE);
}

static void echoes_plain(void)
{
	struct world *world = world_new();

	echo_ten_megabytes(world);
	CU_ASSERT_PTR_NULL(conn_ssl(world->client.conn));
	CU_ASSERT(strncmp(conn_peer(world->server.conn), "127.0.0.1:", 10) == 0);
	world_free(world);
}

static void echoes_tls(void)
{
	struct world *world = world_with_tls("clientAuth");

	echo_ten_megabytes(world);
	CU_ASSERT_PTR_NOT_NULL(conn_ssl(world->client.conn));
	world_free(world);
}

static bool server_has_a_byte(const struct world *world)
{
	return world->server.received > 0;
}

static bool server_has_two_bytes(const struct world *world)
{
	return world->server.received == 2;
}

static bool server_holds_its_limit(const struct world *world)
{
	return world->server.n[CONN_READABLE] > 0 &&
	       evbuffer_get_length(conn_rx(world->server.conn)) == 1000;
}

static bool a_moment_passed(const struct world *world)
{
	(void)world;
	return false;
}

static void on_moment(void *arg)
{
	loop_stop(arg);
}

static void run_a_moment(struct world *world)
{
	struct timer moment;

	timer_init(&moment, world->loop, on_moment, world->loop);
	timer_start(&moment, 50);
	run_until(world, a_moment_passed);
	timer_cancel(&moment);
}

static void stops_at_its_limit_and_resumes(struct world *world)
{
	world->server_settings.rx_limit = 1000;
	world->client.to_send = 3000;
	dial(world);
	run_until(world, both_are_open);
	world->server.is_hoarding = true;
	run_until(world, server_holds_its_limit);
	run_a_moment(world);
	CU_ASSERT_EQUAL(evbuffer_get_length(conn_rx(world->server.conn)), 1000);
	world->server.is_hoarding = false;
	take(&world->server);
	while (world->server.received < 3000)
		run_a_moment(world);
	CU_ASSERT_EQUAL(world->server.received, 3000);
}

static void holds_no_more_than_its_limit(void)
{
	struct world *plain = world_new(), *tls = world_with_tls("clientAuth");

	stops_at_its_limit_and_resumes(plain);
	stops_at_its_limit_and_resumes(tls);
	world_free(plain);
	world_free(tls);
}

static bool server_has_six_megabytes(const struct world *world)
{
	return world->server.received == 6 << 20;
}

static void add_zeros(struct conn *conn, size_t n)
{
	void *zeros = calloc(1, n);

	CU_ASSERT_FATAL(zeros && evbuffer_add(conn_tx(conn), zeros, n) == 0);
	free(zeros);
}

/* An owner may add in one turn and flush in the next; between them the socket may have
 * taken what was before it. */
static void tells_of_room_that_came_before_the_flush(void)
{
	struct world *world = world_new();
	struct conn *conn;

	world->client_settings.tx_high = 4 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn = world->client.conn;
	conn_pause(world->server.conn);
	add_zeros(conn, 2 << 20);
	conn_flush(conn);
	run_a_moment(world);
	CU_ASSERT_TRUE(evbuffer_get_length(conn_tx(conn)) > 0);
	CU_ASSERT_FALSE(conn_is_full(conn));
	add_zeros(conn, 4 << 20);
	CU_ASSERT_TRUE(conn_is_full(conn));
	conn_resume(world->server.conn);
	run_until(world, server_has_six_megabytes);
	CU_ASSERT_EQUAL(world->client.n[CONN_WRITABLE], 1);
	world_free(world);
}

static void reads_nothing_while_paused(void)
{
	struct world *world = world_with_tls("clientAuth");

	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	world->client.to_send = 100;
	send_more(&world->client);
	run_a_moment(world);
	CU_ASSERT_EQUAL(world->server.received, 0);
	conn_resume(world->server.conn);
	run_until(world, server_has_a_byte);
	CU_ASSERT_EQUAL(world->server.received, 100);
	world_free(world);
}

/* ---- Ends ---- */

static bool server_saw_eof(const struct world *world)
{
	return world->server.n[CONN_EOF] > 0;
}

/* The queue goes out before the end, and the end is a proper one. */
static void close_after_a_megabyte(struct world *world)
{
	world->client_settings.tx_high = 2 << 20;
	world->client.to_send = 1 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_close(world->client.conn);
	world->client.conn = NULL;
	run_until(world, server_saw_eof);
	CU_ASSERT_EQUAL(world->server.received, 1 << 20);
	CU_ASSERT_FALSE(server_failed(world));
	CU_ASSERT_EQUAL(conn_failure(world->server.conn), CONN_FAILURE_NONE);
}

static void closes_after_its_queue(void)
{
	struct world *plain = world_new(), *tls = world_with_tls("clientAuth");

	close_after_a_megabyte(plain);
	close_after_a_megabyte(tls);
	world_free(plain);
	world_free(tls);
}

/* The server closes with an answer while megabytes of the client lie unread. */
static bool client_is_over(const struct world *world)
{
	return world->client.n[CONN_EOF] || world->client.n[CONN_FAILED];
}

static void delivers_its_last_words_to_a_talking_peer(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client.to_send = 4 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	evbuffer_add(conn_tx(world->server.conn), "enough", 6);
	conn_close(world->server.conn);
	world->server.conn = NULL;
	run_until(world, client_is_over);
	CU_ASSERT_EQUAL(world->client.received, 6);
	CU_ASSERT_EQUAL(world->client.n[CONN_EOF], 1);
	world_free(world);
}

/* Bytes that are unread at the end would make the kernel send a reset. */
static void ends_without_a_reset(struct world *world, bool is_tls)
{
	/* To TLS, a ClientHello of one byte. */
	static const char garbage[60000] = "\x16\x03\x01\x00\x05\x01\x00\x00\x01";
	char bytes[64];
	int fds[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	CU_ASSERT_EQUAL(send(fds[0], garbage, sizeof(garbage), 0), sizeof(garbage));
	world->server.conn = conn_accept(world->loop, fds[1], &world->server_settings,
					 on_conn, &world->server);
	conn_pause(world->server.conn);
	run_a_moment(world);
	if (!is_tls) {
		evbuffer_add(conn_tx(world->server.conn), "enough", 6);
		conn_close(world->server.conn);
		world->server.conn = NULL;
	}
	run_a_moment(world);
	/* The last word, or the alert; then an end. */
	CU_ASSERT(recv(fds[0], bytes, sizeof(bytes), 0) > 0);
	CU_ASSERT_EQUAL(recv(fds[0], bytes, sizeof(bytes), 0), 0);
	close(fds[0]);
	run_a_moment(world);
}

static void lets_the_peer_read_its_last_words(void)
{
	struct world *plain = world_new(), *tls = world_with_tls("clientAuth");

	ends_without_a_reset(plain, false);
	ends_without_a_reset(tls, true);
	CU_ASSERT_EQUAL(tls->server.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(tls->server.tls_failure, TLS_FAILURE_PROTOCOL);
	world_free(plain);
	world_free(tls);
}

/* Writing fails at once; what the peer said before is still heard, to the end. */
static void hears_a_peer_that_hears_no_more(void)
{
	struct world *world = world_new();
	int fds[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	world->server.conn = conn_accept(world->loop, fds[1], &world->server_settings,
					 on_conn, &world->server);
	run_a_moment(world);
	CU_ASSERT_EQUAL(send(fds[0], "bye", 3, 0), 3);
	close(fds[0]);
	world->server.to_send = 1;
	send_more(&world->server);
	CU_ASSERT_EQUAL(world->server.n[CONN_FAILED], 0);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.received, 3);
	CU_ASSERT_EQUAL(world->server.n[CONN_EOF], 1);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_RESET);
	world_free(world);
}

/* Who has an answer finds its line in the log. */
static void logs_before_it_answers(void)
{
	struct world *world = world_new();
	int fds[2], log_fds[2], saved_stderr = dup(STDERR_FILENO);
	char byte, line[256];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	CU_ASSERT_FATAL(pipe2(log_fds, O_NONBLOCK) == 0);
	world->server.conn = conn_accept(world->loop, fds[1], &world->server_settings,
					 on_conn, &world->server);
	run_a_moment(world);
	dup2(log_fds[1], STDERR_FILENO);
	log_open("provbox", LOG_LEVEL_INFO);
	log_gather();
	log_info("answered");
	CU_ASSERT_EQUAL(read(log_fds[0], line, sizeof(line)), -1);
	evbuffer_add(conn_tx(world->server.conn), "x", 1);
	conn_flush_later(world->server.conn);
	CU_ASSERT_EQUAL(recv(fds[0], &byte, 1, 0), -1);
	conn_flush(world->server.conn);
	CU_ASSERT_EQUAL(recv(fds[0], &byte, 1, 0), 1);
	CU_ASSERT(read(log_fds[0], line, sizeof(line)) > 0);
	log_info("ended");
	conn_free(world->server.conn);
	world->server.conn = NULL;
	CU_ASSERT(read(log_fds[0], line, sizeof(line)) > 0);
	dup2(saved_stderr, STDERR_FILENO);
	log_open("provbox", LOG_LEVEL_INFO);
	close(saved_stderr);
	close(fds[0]);
	close(log_fds[0]);
	close(log_fds[1]);
	world_free(world);
}

static void tells_a_cut_from_an_end(void)
{
	struct world *world = world_with_tls("clientAuth");

	dial(world);
	run_until(world, both_are_open);
	conn_free(world->client.conn);
	world->client.conn = NULL;
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.n[CONN_EOF], 0);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TRUNCATED);
	CU_ASSERT_STRING_EQUAL(conn_failure_name(world->server.conn), "truncated");
	world_free(world);
}

static void tells_a_reset(void)
{
	struct world *world = world_new();
	const struct linger now = { .l_onoff = 1 };
	int fd;

	dial(world);
	run_until(world, both_are_open);
	conn_free(world->client.conn);
	world->client.conn = NULL;
	run_until(world, server_saw_eof);
	conn_free(world->server.conn);
	world->server.conn = NULL;
	world->server.n[CONN_OPEN] = 0;

	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	getsockname(world->listen_fd, (struct sockaddr *)&address, &size);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&address, size) == 0);
	while (!world->server.n[CONN_OPEN])
		run_a_moment(world);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_RESET);
	world_free(world);
}

static void lets_the_owner_free_it_in_every_callback(void)
{
	for (int event = 0; event <= CONN_FAILED; event++) {
		struct world *world = world_with_tls("clientAuth");

		world->server.is_free_at[event] = true;
		world->client.is_free_at[event] = true;
		world->client.to_send = 1 << 20;
		world->server.is_echo = true;
		dial(world);
		run_a_moment(world);
		if (world->client.conn)
			conn_close(world->client.conn);
		world->client.conn = NULL;
		run_a_moment(world);
		world_free(world);
	}
}

/* ---- Failures ---- */

static void reports_a_refused_connection_later(void)
{
	struct world *world = world_new();

	/* Nobody listens where the listener was. */
	listener_free(world->listener);
	world->listener = NULL;
	shutdown(world->listen_fd, SHUT_RDWR);
	dial(world);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_CONNECT);
	world_free(world);
}

static void limits_the_handshake(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->server_settings.handshake_timeout_ms = 100;
	world->client_settings.tls = NULL; /* connects and is silent */
	dial(world);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_HANDSHAKE_TIMEOUT);
	CU_ASSERT_EQUAL(world->server.n[CONN_OPEN], 0);
	world_free(world);
}

static void limits_the_client_handshake(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.handshake_timeout_ms = 100;
	world->server_settings.tls = NULL;
	dial(world);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_HANDSHAKE_TIMEOUT);
	world_free(world);
}

static void limits_a_write_without_progress(void)
{
	struct world *world = world_with_tls("clientAuth");
	int64_t start;

	world->client_settings.write_timeout_ms = 200;
	world->client.to_send = 64 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	start = loop_now_ms(world->loop);
	run_until(world, client_failed);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_WRITE_TIMEOUT);
	CU_ASSERT(loop_now_ms(world->loop) - start >= 150);
	world_free(world);
}

static void limits_the_last_write_too(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.write_timeout_ms = 200;
	world->client.to_send = 64 << 20;
	dial(world);
	run_until(world, both_are_open);
	conn_pause(world->server.conn);
	conn_close(world->client.conn);
	world->client.conn = NULL;
	for (int i = 0; i < 10; i++)
		run_a_moment(world);
	conn_resume(world->server.conn);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TRUNCATED);
	world_free(world);
}

static void learns_of_its_rejection_by_the_alert(void)
{
	struct world *world = world_with_tls("serverAuth");

	/* In TLS 1.3 the client is open, and has sent, before it is judged. */
	world->client.to_send = 1 << 20;
	dial(world);
	run_until(world, both_failed);
	CU_ASSERT_EQUAL(world->server.n[CONN_OPEN], 0);
	CU_ASSERT_EQUAL(world->server.received, 0);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_WRONG_PURPOSE);
	CU_ASSERT_STRING_EQUAL(conn_failure_name(world->server.conn),
			       "certificate_wrong_purpose");
	CU_ASSERT_EQUAL(world->client.n[CONN_OPEN], 1);
	CU_ASSERT_EQUAL(world->client.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->client.tls_failure, TLS_FAILURE_ALERT);
	world_free(world);
}

/* OpenSSL reads on as long as they come, and a loop serves nobody meanwhile. */
static void gives_up_a_peer_that_talks_of_keys_without_end(void)
{
	struct world *world = world_with_tls("clientAuth");
	SSL *ssl;

	world->client.to_send = 1;
	dial(world);
	run_until(world, both_are_open);
	ssl = conn_ssl(world->client.conn);
	for (int i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) &&
					SSL_do_handshake(ssl),
				1);
	world->client.to_send = 2;
	send_more(&world->client);
	run_until(world, server_has_two_bytes);
	CU_ASSERT_EQUAL(world->server.n[CONN_FAILED], 0);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) &&
					SSL_do_handshake(ssl),
				1);
	world->client.to_send = 3;
	send_more(&world->client);
	run_until(world, server_failed);
	CU_ASSERT_EQUAL(world->server.failure, CONN_FAILURE_TLS);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_PROTOCOL);
	CU_ASSERT_EQUAL(world->server.received, 2);
	CU_ASSERT_EQUAL(world->server.n[CONN_EOF], 0);
	world_free(world);
}

static void rejects_a_server_of_another_name(void)
{
	struct world *world = world_with_tls("clientAuth");

	world->client_settings.server_name = "gw.example.org";
	dial(world);
	run_until(world, both_failed);
	CU_ASSERT_EQUAL(world->client.n[CONN_OPEN], 0);
	CU_ASSERT_EQUAL(world->client.tls_failure, TLS_FAILURE_WRONG_NAME);
	CU_ASSERT_EQUAL(world->server.tls_failure, TLS_FAILURE_ALERT);
	world_free(world);
}

static void names_every_failure(void)
{
	struct world *world = world_new();

	dial(world);
	CU_ASSERT_STRING_EQUAL(conn_failure_name(world->client.conn), "none");
	world_free(world);
}

/* ---- Listeners and addresses ---- */

static void pauses_when_descriptors_run_out(void)
{
	struct world *world = world_new();
	struct rlimit limit, none;

	dial(world); /* the connection waits to be accepted */
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = (rlim_t)dup(0);
	close((int)none.rlim_cur);
	CU_ASSERT_FATAL(setrlimit(RLIMIT_NOFILE, &none) == 0);
	run_a_moment(world);
	CU_ASSERT_PTR_NULL(world->server.conn);
	setrlimit(RLIMIT_NOFILE, &limit);
	run_until(world, both_are_open);
	world_free(world);
}

/* What comes meanwhile waits, and is there when it may be accepted. */
static void a_held_listener_accepts_nothing(void)
{
	struct world *world = world_with_tls("clientAuth");

	listener_hold(world->listener, true);
	dial(world);
	run_a_moment(world);
	CU_ASSERT_PTR_NULL(world->server.conn);
	listener_hold(world->listener, false);
	run_until(world, both_are_open);
	world_free(world);
}

/* Being held is no reason to lose those who wait when there will be no listener. */
static void a_held_listener_finishes(void)
{
	struct world *world = world_with_tls("clientAuth");

	listener_hold(world->listener, true);
	dial(world);
	run_a_moment(world);
	listener_finish(world->listener);
	world->listener = NULL;
	run_until(world, both_are_open);
	world_free(world);
}

static void listens_on_a_unix_socket_again(void)
{
	char path[64], address[80];
	int first, second;

	snprintf(path, sizeof(path), "/tmp/provbox-test-%d.sock", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	first = listener_open(address);
	CU_ASSERT_FATAL(first >= 0);
	/* In use, then left over. */
	CU_ASSERT_EQUAL(listener_open(address), -1);
	close(first);
	second = listener_open(address);
	CU_ASSERT(second >= 0);
	close(second);
	unlink(path);
	CU_ASSERT_EQUAL(listener_open("localhost:80"), -1);
}

static void takes_no_file_of_others_for_a_socket_left_over(void)
{
	char path[64], address[80];
	int fd;

	snprintf(path, sizeof(path), "/tmp/provbox-test-%d.txt", (int)getpid());
	snprintf(address, sizeof(address), "unix:%s", path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	CU_ASSERT_EQUAL(listener_open(address), -1);
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* How many of @p n connections to a port wait at a socket. */
static size_t count_waiting(int fd, size_t n)
{
	size_t waiting = 0;

	for (int peer; waiting < n && (peer = accept(fd, NULL, NULL)) >= 0; waiting++)
		close(peer);
	return waiting;
}

static void shares_a_port_only_on_purpose(void)
{
	enum {
		N = 64
	};
	struct sockaddr_in where;
	socklen_t size = sizeof(where);
	char address[32];
	int clients[N];

	int first = listener_open("127.0.0.1:0");
	CU_ASSERT_FATAL(first >= 0);
	CU_ASSERT_EQUAL(getsockname(first, (struct sockaddr *)&where, &size), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(where.sin_port));
	CU_ASSERT_EQUAL(listener_open(address), -1);
	int second = listener_join(address);
	CU_ASSERT_FATAL(second >= 0);
	CU_ASSERT_EQUAL(listener_open(address), -1);
	for (size_t i = 0; i < N; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		CU_ASSERT_EQUAL(connect(clients[i], (struct sockaddr *)&where, size),
				0);
	}
	size_t n_first = count_waiting(first, N), n_second = count_waiting(second, N);
	CU_ASSERT_EQUAL(n_first + n_second, N);
	CU_ASSERT(n_first > 0 && n_second > 0);
	for (size_t i = 0; i < N; i++)
		close(clients[i]);
	close(first);
	close(second);
	/* Its last connections have not quite ended: a restart does not mind. */
	first = listener_open(address);
	CU_ASSERT(first >= 0);
	close(first);
}

static void reads_addresses_without_look_up(void)
{
	static const char *const good[] = { "127.0.0.1:8443", "[::1]:8443",
					    "[::ffff:192.0.2.1]:1", "0.0.0.0:0",
					    "unix:/run/x" };
	static const char *const bad[] = {
		"",
		"8443",
		"127.0.0.1",
		"127.0.0.1:",
		"a.b:1",
		"127.0.0.1:65536",
		"127.1:80",
		"::1:80",
		"[::1]",
		"[::1:80",
		"[1.2.3.4]:1",
		"127.0.0.1:+1",
		"unix:",
		"unix:x",
		":80",
		"127.0.0.1:80 ",
		"[]:80",
	};
	struct sockaddr_storage address;
	socklen_t size;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT(conn_address(good[i], &address, &size));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(conn_address(bad[i], &address, &size));
	CU_ASSERT(conn_address("[2001:db8::1]:4711", &address, &size));
	CU_ASSERT_EQUAL(((struct sockaddr_in6 *)&address)->sin6_port, htons(4711));
}

TEST_MAIN("conn", TEST(echoes_plain), TEST(echoes_tls),
	  TEST(holds_no_more_than_its_limit),
	  TEST(tells_of_room_that_came_before_the_flush),
	  TEST(reads_nothing_while_paused), TEST(closes_after_its_queue),
	  TEST(delivers_its_last_words_to_a_talking_peer),
	  TEST(lets_the_peer_read_its_last_words),
	  TEST(hears_a_peer_that_hears_no_more), TEST(logs_before_it_answers),
	  TEST(tells_a_cut_from_an_end), TEST(tells_a_reset),
	  TEST(lets_the_owner_free_it_in_every_callback),
	  TEST(reports_a_refused_connection_later), TEST(limits_the_handshake),
	  TEST(limits_the_client_handshake), TEST(limits_a_write_without_progress),
	  TEST(limits_the_last_write_too), TEST(learns_of_its_rejection_by_the_alert),
	  TEST(gives_up_a_peer_that_talks_of_keys_without_end),
	  TEST(rejects_a_server_of_another_name), TEST(names_every_failure),
	  TEST(pauses_when_descriptors_run_out), TEST(a_held_listener_accepts_nothing),
	  TEST(a_held_listener_finishes), TEST(listens_on_a_unix_socket_again),
	  TEST(takes_no_file_of_others_for_a_socket_left_over),
	  TEST(shares_a_port_only_on_purpose), TEST(reads_addresses_without_look_up))
