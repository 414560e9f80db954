#include "base/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "test/unit/conn_world.h"

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

TEST_MAIN("listener", TEST(pauses_when_descriptors_run_out),
	  TEST(a_held_listener_accepts_nothing), TEST(a_held_listener_finishes),
	  TEST(listens_on_a_unix_socket_again),
	  TEST(takes_no_file_of_others_for_a_socket_left_over),
	  TEST(shares_a_port_only_on_purpose))
