/*
 * Listening sockets from generation to generation, on loopback and in files.
 */
#include "base/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/listener.h"
#include "test/unit/caught.h"
#include "test/unit/directory.h"

#define TCP "127.0.0.1:0"

static struct directory directory;
static char file[600];

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void begin(void)
{
	directory_open(&directory);
	snprintf(file, sizeof(file), "unix:%s", directory_file(&directory, "s"));
}

static void hands_a_socket_from_generation_to_generation(void)
{
	struct sockets sockets = { 0 };
	int fd;

	begin();
	fd = sockets_get(&sockets, file, 0, 0);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(sockets_get(&sockets, file, 0, 1), fd);
	sockets_release(&sockets, 0);
	CU_ASSERT(is_open(fd));
	sockets_release(&sockets, 1);
	CU_ASSERT_FALSE(is_open(fd));
	CU_ASSERT_PTR_NULL(sockets.rows);
	directory_close(&directory);
}

static void closes_what_no_generation_names(void)
{
	struct sockets sockets = { 0 };
	int old, kept;

	begin();
	old = sockets_get(&sockets, TCP, 0, 0);
	kept = sockets_get(&sockets, file, 0, 0);
	CU_ASSERT_FATAL(old >= 0 && kept >= 0);
	CU_ASSERT_EQUAL(sockets_get(&sockets, file, 0, 1), kept);
	sockets_release(&sockets, 0);
	CU_ASSERT_FALSE(is_open(old));
	CU_ASSERT(is_open(kept));
	CU_ASSERT_EQUAL(sockets_count(&sockets, TCP), 0);
	CU_ASSERT_EQUAL(sockets_count(&sockets, file), 1);
	sockets_release(&sockets, 1);
	directory_close(&directory);
}

/* Workers have a socket each on one port; of a file there is one for all. */
static void gives_each_slot_its_own(void)
{
	struct sockets sockets = { 0 };
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	char tcp[32];
	int first, second;

	begin();
	first = listener_open(TCP);
	CU_ASSERT_FATAL(first >= 0);
	CU_ASSERT_FATAL(getsockname(first, (void *)&address, &size) == 0);
	snprintf(tcp, sizeof(tcp), "127.0.0.1:%d", ntohs(address.sin_port));
	close(first);
	first = sockets_get(&sockets, tcp, 0, 0);
	second = sockets_get(&sockets, tcp, 1, 0);
	CU_ASSERT(first >= 0 && second >= 0);
	CU_ASSERT_NOT_EQUAL(first, second);
	CU_ASSERT_EQUAL(sockets_count(&sockets, tcp), 2);
	CU_ASSERT_EQUAL(sockets_get(&sockets, file, 0, 0),
			sockets_get(&sockets, file, 1, 0));
	CU_ASSERT_EQUAL(sockets_count(&sockets, file), 1);
	sockets_release(&sockets, 0);
	CU_ASSERT_FALSE(is_open(first));
	CU_ASSERT_FALSE(is_open(second));
	directory_close(&directory);
}

/* An admin socket of that address is another; its file goes with it. */
static void keeps_the_admin_socket_apart(void)
{
	struct sockets sockets = { 0 };
	int fd;

	begin();
	fd = sockets_get_admin(&sockets, file, (uid_t)-1, (gid_t)-1, 0);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(sockets_count(&sockets, file), 0);
	CU_ASSERT_EQUAL(sockets_get_admin(&sockets, file, (uid_t)-1, (gid_t)-1, 1), fd);
	CU_ASSERT(access(directory.file, F_OK) == 0);
	sockets_release(&sockets, 0);
	CU_ASSERT(is_open(fd));
	sockets_release(&sockets, 1);
	CU_ASSERT_FALSE(is_open(fd));
	CU_ASSERT(access(directory.file, F_OK) != 0);
	directory_close(&directory);
}

static void remembers_nothing_that_cannot_listen(void)
{
	struct sockets sockets = { 0 };

	begin();
	snprintf(file, sizeof(file), "unix:%s/none/s", directory.path);
	CU_ASSERT_EQUAL(sockets_get(&sockets, file, 0, 0), -1);
	CU_ASSERT_EQUAL(sockets.n, 0);
	directory_close(&directory);
}

/* A listening port, twice: as systemd opens it for two workers. */
static int given(char *tcp, size_t size)
{
	struct sockaddr_in address;
	socklen_t n = sizeof(address);
	int first = listener_open(TCP);

	CU_ASSERT_FATAL(first >= 0);
	CU_ASSERT_FATAL(getsockname(first, (void *)&address, &n) == 0);
	snprintf(tcp, size, "127.0.0.1:%d", ntohs(address.sin_port));
	CU_ASSERT_FATAL(listener_join(tcp) == first + 1);
	return first;
}

/* They stay, whether a generation names them or not: they may be of another user's. */
static void shares_what_was_given(void)
{
	struct sockets sockets = { 0 };
	char tcp[32];
	int first = given(tcp, sizeof(tcp));

	CU_ASSERT_TRUE_FATAL(sockets_take(&sockets, first, 2));
	CU_ASSERT_EQUAL(sockets_count(&sockets, tcp), 2);
	CU_ASSERT_EQUAL(sockets_count(&sockets, "127.0.0.2:1"), 0);
	for (size_t slot = 0; slot < 4; slot++)
		CU_ASSERT_EQUAL(sockets_get(&sockets, tcp, slot, 0),
				first + (int)(slot % 2));
	CU_ASSERT_EQUAL(sockets.n, 0);
	sockets_release(&sockets, 0);
	CU_ASSERT(is_open(first) && is_open(first + 1));
	CU_ASSERT_EQUAL(sockets_get(&sockets, tcp, 0, 1), first);
	CU_ASSERT(fcntl(first, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT(fcntl(first, F_GETFL) & O_NONBLOCK);
	sockets_close_taken(&sockets);
	CU_ASSERT_FALSE(is_open(first) || is_open(first + 1));
}

/* However the configuration writes them. */
static void finds_what_was_given_by_its_address(void)
{
	struct sockets sockets = { 0 };
	char tcp6[64], other[64];
	struct sockaddr_in6 address;
	socklen_t n = sizeof(address);

	begin();
	int first = listener_open("[::1]:0"), second = listener_open(file);
	CU_ASSERT_FATAL(first >= 0 && second == first + 1);
	CU_ASSERT_FATAL(getsockname(first, (void *)&address, &n) == 0);
	snprintf(tcp6, sizeof(tcp6), "[0:0::0:1]:%d", ntohs(address.sin6_port));
	snprintf(other, sizeof(other), "127.0.0.1:%d", ntohs(address.sin6_port));
	CU_ASSERT_TRUE_FATAL(sockets_take(&sockets, first, 2));
	CU_ASSERT_EQUAL(sockets_count(&sockets, other), 0);
	CU_ASSERT_EQUAL(sockets_get(&sockets, tcp6, 0, 0), first);
	struct caught log = caught_begin(stderr);
	sockets_tell_unused(&sockets);
	CU_ASSERT_EQUAL(caught_count(caught_end(log), "ev=socket_unused address=unix"),
			1);
	CU_ASSERT_EQUAL(sockets_get(&sockets, file, 3, 0), second);
	log = caught_begin(stderr);
	sockets_tell_unused(&sockets);
	CU_ASSERT_STRING_EQUAL(caught_end(log), "");
	sockets_close_taken(&sockets);
	directory_close(&directory);
}

static void refuses_what_does_not_listen(void)
{
	struct sockets sockets = { 0 };
	int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_FALSE(sockets_take(&sockets, datagrams, 1));
	sockets_close_taken(&sockets);
	close(datagrams);
	int quiet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_FALSE(sockets_take(&sockets, quiet, 1));
	sockets_close_taken(&sockets);
	close(quiet);
}

TEST_MAIN("sockets", TEST(shares_what_was_given),
	  TEST(finds_what_was_given_by_its_address), TEST(refuses_what_does_not_listen),
	  TEST(hands_a_socket_from_generation_to_generation),
	  TEST(closes_what_no_generation_names), TEST(gives_each_slot_its_own),
	  TEST(keeps_the_admin_socket_apart),
	  TEST(remembers_nothing_that_cannot_listen))
