#include "base/linger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISCARD_BYTES 65536 /* at most, in one turn */

struct linger_socket {
	TAILQ_ENTRY(linger_socket) next;
	struct event readable;
	struct timer deadline;
	struct loop *loop;
	int fd;
};

/* Of the process: all sockets that are being closed, the oldest first. */
static TAILQ_HEAD(, linger_socket) sockets = TAILQ_HEAD_INITIALIZER(sockets);
static unsigned n_sockets;

static void end(struct linger_socket *linger)
{
	TAILQ_REMOVE(&sockets, linger, next);
	n_sockets--;
	event_del(&linger->readable);
	timer_cancel(&linger->deadline);
	close(linger->fd);
	loop_release(linger->loop);
	free(linger);
}

static void on_deadline(void *arg)
{
	end(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	char bytes[4096];
	ssize_t n = 1;

	(void)what;
	for (size_t total = 0; n > 0 && total < DISCARD_BYTES; total += (size_t)n)
		n = recv(fd, bytes, sizeof(bytes), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		end(arg);
}

void linger_start(struct loop *loop, int fd)
{
	struct linger_socket *linger = malloc(sizeof(*linger));

	if (!linger || shutdown(fd, SHUT_WR) != 0) {
		close(fd);
		free(linger);
		return;
	}
	if (n_sockets == LINGER_SOCKETS)
		end(TAILQ_FIRST(&sockets));
	linger->fd = fd;
	linger->loop = loop;
	loop_hold(loop);
	event_assign(&linger->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_readable, linger);
	timer_init(&linger->deadline, loop, on_deadline, linger);
	event_add(&linger->readable, NULL);
	timer_start(&linger->deadline, LINGER_MS);
	TAILQ_INSERT_TAIL(&sockets, linger, next);
	n_sockets++;
}
