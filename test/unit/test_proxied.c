/*
 * Connections that come through a proxy, on loopback; what would become a session, and
 * what is counted, is kept here.
 */
#include "gateway/proxied.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/listener.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"
#include "test/unit/test.h"

#define WAIT_MS 10000
#define HEADER                                 \
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" \
	"\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x20\xfb"
#define LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"
#define HELLO "\x16\x03\x01"

static int64_t counted[GATEWAY_N_METRICS];
static int n_sessions, n_gone;
static struct proxy_header header; /* of the last session */
static int session_fd;
static struct gateway_config config;
static struct airnet airnet;
static struct network loopback;
static int listening, client;

/* ---- Played ---- */

void session_accept(struct airnet *its_airnet, int fd, const struct proxy_header *from)
{
	CU_ASSERT_PTR_EQUAL(its_airnet, &airnet);
	n_sessions++;
	session_fd = fd;
	header = *from;
}

void airnet_session_gone(struct airnet *its_airnet)
{
	(void)its_airnet;
	n_gone++;
}

void metrics_add(size_t metric, int64_t n)
{
	counted[metric] += n;
}

static void on_hold(bool is_held, void *arg)
{
	(void)is_held;
	(void)arg;
}

/* ---- A worker, and one connection to it ---- */

static void begin(const char *proxies)
{
	memset(counted, 0, sizeof(counted));
	n_sessions = n_gone = 0;
	session_fd = -1;
	config.handshake_timeout_ms = WAIT_MS;
	CU_ASSERT_FATAL(network_parse(proxies, &loopback));
	airnet = (struct airnet){ .loop = loop_new(),
				  .config = &config,
				  .proxies = &loopback,
				  .n_proxies = 1 };
	TAILQ_INIT(&airnet.proxied);
	gate_init(&airnet.gate, airnet.loop, 8, 8, on_hold, NULL);
	listening = listener_open("127.0.0.1:0");
	CU_ASSERT_FATAL(listening >= 0);
}

/* The proxy connects; @return our side of it */
static int connect_proxy(void)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct timeval patience = { .tv_sec = WAIT_MS / 1000 };
	int fd;

	CU_ASSERT_FATAL(getsockname(listening, (void *)&address, &size) == 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_FATAL(connect(client, (void *)&address, size) == 0);
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && errno == EAGAIN);
	CU_ASSERT_FATAL(fd >= 0);
	proxied_accept(&airnet, fd);
	return fd;
}

static void end(void)
{
	proxied_cut_all(&airnet);
	CU_ASSERT(TAILQ_EMPTY(&airnet.proxied));
	if (session_fd >= 0)
		close(session_fd);
	close(client);
	close(listening);
	loop_free(airnet.loop);
}

static void run_until(const int *count, int n)
{
	int64_t end_ms = loop_now_ms(airnet.loop) + WAIT_MS;

	while (*count < n && loop_now_ms(airnet.loop) < end_ms) {
		event_base_loop(loop_base(airnet.loop), EVLOOP_NONBLOCK);
		usleep(1000);
	}
	CU_ASSERT_EQUAL_FATAL(*count, n);
}

static void say(const char *bytes, size_t n)
{
	CU_ASSERT_EQUAL(write(client, bytes, n), (ssize_t)n);
}

/* The proxy hears nothing but the end. */
static void expect_closed(void)
{
	char byte;

	CU_ASSERT(recv(client, &byte, 1, 0) <= 0);
	CU_ASSERT_EQUAL(n_sessions, 0);
}

/* ---- Tests ---- */

static void makes_a_session_of_who_is_behind(void)
{
	const struct sockaddr_in *source = (const void *)&header.source;
	char bytes[8];

	begin("127.0.0.0/8");
	connect_proxy();
	say(HEADER HELLO, sizeof(HEADER HELLO) - 1);
	run_until(&n_sessions, 1);
	CU_ASSERT_FALSE(header.is_local);
	CU_ASSERT_EQUAL(source->sin_family, AF_INET);
	CU_ASSERT_EQUAL(ntohl(source->sin_addr.s_addr), 0xc0000201);
	/* What TLS has sent is all there. */
	CU_ASSERT_EQUAL(recv(session_fd, bytes, sizeof(bytes), 0), 3);
	CU_ASSERT_EQUAL(memcmp(bytes, HELLO, 3), 0);
	CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_PASSED], 1);
	CU_ASSERT_EQUAL(n_gone, 1);
	end();
}

static void takes_a_header_byte_by_byte(void)
{
	begin("127.0.0.0/8");
	connect_proxy();
	for (size_t i = 0; i < sizeof(HEADER) - 1; i++) {
		CU_ASSERT_EQUAL(n_sessions, 0);
		say(HEADER + i, 1);
		for (int j = 0; j < 3; j++)
			event_base_loop(loop_base(airnet.loop), EVLOOP_NONBLOCK);
	}
	run_until(&n_sessions, 1);
	end();
}

static void takes_a_proxy_that_speaks_for_itself(void)
{
	begin("127.0.0.0/8");
	connect_proxy();
	say(LOCAL, sizeof(LOCAL) - 1);
	run_until(&n_sessions, 1);
	CU_ASSERT(header.is_local);
	CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_LOCAL], 1);
	CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_PASSED], 0);
	end();
}

/* Who is no proxy of ours cannot say who is behind it. */
static void refuses_who_is_not_listed(void)
{
	int fd;

	begin("192.0.2.0/24");
	fd = connect_proxy();
	CU_ASSERT(fcntl(fd, F_GETFD) < 0);
	CU_ASSERT(TAILQ_EMPTY(&airnet.proxied));
	expect_closed();
	CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_FORBIDDEN], 1);
	end();
}

/* TLS without a header, half a header and the end, a version that is not known. */
static void refuses_what_is_no_header(void)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03xxxxx", 16 },
		{ HEADER, sizeof(HEADER) - 2 },
		{ "", 0 },
		{ "\r\n\r\n\0\r\nQUIT\n\x11\x11\x00\x0c", 16 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin("127.0.0.0/8");
		connect_proxy();
		say(rows[i].bytes, rows[i].n);
		shutdown(client, SHUT_WR);
		run_until(&n_gone, 1);
		expect_closed();
		CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_MALFORMED], 1);
		end();
	}
}

static void waits_for_a_header_only_so_long(void)
{
	begin("127.0.0.0/8");
	config.handshake_timeout_ms = 20;
	connect_proxy();
	say(HEADER, 5);
	run_until(&n_gone, 1);
	expect_closed();
	CU_ASSERT_EQUAL(counted[GATEWAY_PROXY_TIMEOUT], 1);
	end();
}

static void cuts_those_that_are_left(void)
{
	begin("127.0.0.0/8");
	connect_proxy();
	CU_ASSERT_FALSE(TAILQ_EMPTY(&airnet.proxied));
	proxied_cut_all(&airnet);
	CU_ASSERT_EQUAL(n_gone, 1);
	expect_closed();
	end();
}

TEST_MAIN("proxied", TEST(makes_a_session_of_who_is_behind),
	  TEST(takes_a_header_byte_by_byte), TEST(takes_a_proxy_that_speaks_for_itself),
	  TEST(refuses_who_is_not_listed), TEST(refuses_what_is_no_header),
	  TEST(waits_for_a_header_only_so_long), TEST(cuts_those_that_are_left))
