/*
 * Listening sockets from generation to generation, on loopback and in files.
 */
#include "base/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/conn.h"
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

TEST_MAIN("sockets", TEST(hands_a_socket_from_generation_to_generation),
	  TEST(closes_what_no_generation_names), TEST(gives_each_slot_its_own),
	  TEST(keeps_the_admin_socket_apart),
	  TEST(remembers_nothing_that_cannot_listen))
