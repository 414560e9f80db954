#include "base/systemd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/unit/caught.h"
#include "test/unit/directory.h"

static char heard[64];

static int bind_socket(const char *path, size_t n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, path, n);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_FATAL(bind(fd, (void *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) ==
			0);
	return fd;
}

static const char *hear(int fd)
{
	ssize_t n = recv(fd, heard, sizeof(heard) - 1, 0);

	heard[n > 0 ? n : 0] = '\0';
	return heard;
}

static void tells_the_socket_that_is_named(void)
{
	struct directory directory;
	const char *path;
	int fd;

	directory_open(&directory);
	path = directory_file(&directory, "notify");
	fd = bind_socket(path, strlen(path));
	setenv("NOTIFY_SOCKET", path, 1);
	systemd_notify("READY=1");
	CU_ASSERT_STRING_EQUAL(hear(fd), "READY=1");
	close(fd);
	/* Nobody there: that is logged, and no more. */
	systemd_notify("READY=1");
	directory_close(&directory);
}

/* "@" stands for the NUL of the abstract name space. */
static void tells_a_socket_without_a_file(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@provbox-unit-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = bind_socket(name, 1 + strlen(name + 1));
	systemd_notify("STOPPING=1");
	CU_ASSERT_STRING_EQUAL(hear(fd), "STOPPING=1");
	/* Where systemd is not, nothing is said; nor to a name that is no address. */
	unsetenv("NOTIFY_SOCKET");
	systemd_notify("STOPPING=1");
	CU_ASSERT_STRING_EQUAL(hear(fd), "");
	close(fd);
}

static void says_that_a_name_is_too_long(void)
{
	char name[2 * sizeof(((struct sockaddr_un *)0)->sun_path)];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	struct caught caught = caught_begin(stderr);
	systemd_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	systemd_notify("READY=1");
	CU_ASSERT_EQUAL(caught_count(caught_end(caught), "ev=notify_failed why="), 1);
}

static size_t take_sockets(const char *n, const char *pid)
{
	setenv("LISTEN_FDS", n, 1);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	if (pid)
		setenv("LISTEN_PID", pid, 1);
	size_t taken = systemd_take_sockets();
	CU_ASSERT_PTR_NULL(getenv("LISTEN_FDS"));
	CU_ASSERT_PTR_NULL(getenv("LISTEN_PID"));
	CU_ASSERT_PTR_NULL(getenv("LISTEN_FDNAMES"));
	return taken;
}

static void takes_sockets_that_are_meant_for_it(void)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	CU_ASSERT_EQUAL(systemd_take_sockets(), 0);
	CU_ASSERT_EQUAL(take_sockets("2", own), 2);
	CU_ASSERT_EQUAL(take_sockets("2", NULL), 0);
	CU_ASSERT_EQUAL(take_sockets("2", "1"), 0);
	CU_ASSERT_EQUAL(take_sockets("2", "me"), 0);
	/* Else all that is said is that the addresses are taken. */
	struct caught caught = caught_begin(stderr);
	CU_ASSERT_EQUAL(take_sockets("100000", "1"), 0);
	CU_ASSERT_EQUAL(take_sockets("-1", own), 0);
	CU_ASSERT_EQUAL(take_sockets("100000", own), 0);
	CU_ASSERT_EQUAL(caught_count(caught_end(caught), "ev=sockets_not_taken"), 2);
}

static int64_t watchdog(const char *usec, const char *pid)
{
	setenv("WATCHDOG_USEC", usec, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	int64_t ms = systemd_watchdog_ms();
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return ms;
}

static void knows_whether_it_is_watched(void)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	CU_ASSERT_EQUAL(systemd_watchdog_ms(), 0);
	CU_ASSERT_EQUAL(watchdog("60000000", own), 60000);
	CU_ASSERT_EQUAL(watchdog("60000000", NULL), 60000);
	CU_ASSERT_EQUAL(watchdog("60000000", "1"), 0);
	CU_ASSERT_EQUAL(watchdog("soon", own), 0);
}

TEST_MAIN("systemd", TEST(takes_sockets_that_are_meant_for_it),
	  TEST(knows_whether_it_is_watched), TEST(tells_the_socket_that_is_named),
	  TEST(tells_a_socket_without_a_file), TEST(says_that_a_name_is_too_long))
