#include "base/conn.h"

#include <fcntl.h>

#include "base/log.h"
#include "test/unit/conn_world.h"

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

static bool server_holds_its_limit(const struct world *world)
{
	return world->server.n[CONN_READABLE] > 0 &&
	       evbuffer_get_length(conn_rx(world->server.conn)) == 1000;
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

TEST_MAIN("conn", TEST(echoes_plain), TEST(echoes_tls),
	  TEST(holds_no_more_than_its_limit),
	  TEST(tells_of_room_that_came_before_the_flush),
	  TEST(reads_nothing_while_paused), TEST(closes_after_its_queue),
	  TEST(delivers_its_last_words_to_a_talking_peer),
	  TEST(lets_the_peer_read_its_last_words),
	  TEST(hears_a_peer_that_hears_no_more), TEST(logs_before_it_answers),
	  TEST(tells_a_cut_from_an_end), TEST(tells_a_reset),
	  TEST(lets_the_owner_free_it_in_every_callback))
