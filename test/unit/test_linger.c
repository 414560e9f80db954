/*
 * Sockets whose owner is done with them: the peer gets everything, whatever it still
 * sends, and nothing stays open for ever.
 */
#include "base/linger.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "test/unit/test.h"

#define WAIT_MS 10000

static struct loop *loop;

static void begin_pair(int *ours, int *peer)
{
	int fds[2];

	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				   0, fds) == 0);
	*ours = fds[0];
	*peer = fds[1];
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static void reads_on_until_the_peer_has_closed(void)
{
	char bytes[64] = { 0 };
	int ours, peer;

	loop = loop_new();
	begin_pair(&ours, &peer);
	CU_ASSERT(write(ours, "bye", 3) == 3);
	CU_ASSERT(write(peer, "unread", 6) == 6);
	linger_start(loop, ours);
	turn();
	CU_ASSERT(is_open(ours));
	/* The peer reads what was said, then the end. */
	CU_ASSERT_EQUAL(read(peer, bytes, sizeof(bytes)), 3);
	CU_ASSERT_STRING_EQUAL(bytes, "bye");
	CU_ASSERT_EQUAL(read(peer, bytes, sizeof(bytes)), 0);
	CU_ASSERT(write(peer, "more", 4) == 4);
	turn();
	CU_ASSERT(is_open(ours));
	close(peer);
	turn();
	CU_ASSERT_FALSE(is_open(ours));
	loop_free(loop);
}

static void waits_no_longer_than_it_may(void)
{
	int64_t begin_ms, end_ms;
	int ours, peer;

	loop = loop_new();
	begin_pair(&ours, &peer);
	linger_start(loop, ours);
	begin_ms = loop_now_ms(loop);
	end_ms = begin_ms + WAIT_MS;
	while (is_open(ours) && loop_now_ms(loop) < end_ms) {
		usleep(10000);
		turn();
	}
	CU_ASSERT_FALSE(is_open(ours));
	CU_ASSERT(loop_now_ms(loop) - begin_ms >= LINGER_MS - 20);
	close(peer);
	loop_free(loop);
}

/* A loop that was told to finish runs until the last of them is closed. */
static void holds_its_loop(void)
{
	int ours, peer;

	loop = loop_new();
	begin_pair(&ours, &peer);
	linger_start(loop, ours);
	CU_ASSERT(shutdown(peer, SHUT_WR) == 0);
	loop_finish(loop);
	loop_run(loop);
	CU_ASSERT_FALSE(is_open(ours));
	close(peer);
	loop_free(loop);
}

static void closes_the_oldest_when_there_are_too_many(void)
{
	static int ours[LINGER_SOCKETS + 1], peers[LINGER_SOCKETS + 1];

	loop = loop_new();
	for (int i = 0; i <= LINGER_SOCKETS; i++) {
		begin_pair(&ours[i], &peers[i]);
		CU_ASSERT(is_open(ours[0]));
		linger_start(loop, ours[i]);
	}
	CU_ASSERT_FALSE(is_open(ours[0]));
	CU_ASSERT(is_open(ours[1]));
	CU_ASSERT(is_open(ours[LINGER_SOCKETS]));
	for (int i = 0; i <= LINGER_SOCKETS; i++)
		close(peers[i]);
	turn();
	for (int i = 1; i <= LINGER_SOCKETS; i++)
		CU_ASSERT_FALSE(is_open(ours[i]));
	loop_free(loop);
}

static void closes_at_once_what_is_not_connected(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	loop = loop_new();
	CU_ASSERT_FATAL(fd >= 0);
	linger_start(loop, fd);
	CU_ASSERT_FALSE(is_open(fd));
	loop_free(loop);
}

TEST_MAIN("linger", TEST(reads_on_until_the_peer_has_closed),
	  TEST(waits_no_longer_than_it_may), TEST(holds_its_loop),
	  TEST(closes_the_oldest_when_there_are_too_many),
	  TEST(closes_at_once_what_is_not_connected))
