#include "base/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"

#define BACKLOG         4096
#define PAUSE_MS        100 /* when there are no descriptors; spins otherwise */
#define ACCEPT_PER_TURN 16

struct listener {
	struct loop *loop;
	struct event readable;
	struct timer pause;
	int fd;
	bool is_held;
	bool is_short; /* of descriptors or memory, since it was last said */
	bool is_freed;
	listener_fn *fn;
	void *arg;
};

/* Not the listener's fault, but the connection's that was to be accepted. */
static bool is_transient(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO ||
	       error == EPERM;
}

/* One line for each shortage, however many pauses it lasts. */
static void pause_accepting(struct listener *listener, int error)
{
	if (!listener->is_short)
		log_warn("accept_paused", log_str("why", strerror(error)),
			 log_num("ms", PAUSE_MS));
	listener->is_short = true;
	event_del(&listener->readable);
	timer_start(&listener->pause, PAUSE_MS);
}

static void accept_some(struct listener *listener, int fd, int n)
{
	for (int i = 0; i < n && !listener->is_freed && !listener->is_held; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			listener->is_short = false;
			listener->fn(listener, peer, listener->arg);
			continue;
		}
		if (is_transient(errno))
			continue;
		if (errno != EAGAIN)
			pause_accepting(listener, errno);
		return;
	}
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	accept_some(arg, fd, ACCEPT_PER_TURN);
}

static void on_pause_over(void *arg)
{
	struct listener *listener = arg;

	if (!listener->is_held)
		event_add(&listener->readable, NULL);
}

struct listener *listener_new(struct loop *loop, int fd, listener_fn *fn, void *arg)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	BUG_ON(!listener);
	listener->loop = loop;
	listener->fd = fd;
	listener->fn = fn;
	listener->arg = arg;
	event_assign(&listener->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_connection, listener);
	timer_init(&listener->pause, loop, on_pause_over, listener);
	BUG_ON(event_add(&listener->readable, NULL) != 0);
	return listener;
}

void listener_hold(struct listener *listener, bool is_held)
{
	if (listener->is_held == is_held)
		return;
	listener->is_held = is_held;
	if (is_held)
		event_del(&listener->readable);
	else if (!timer_is_pending(&listener->pause))
		event_add(&listener->readable, NULL);
}

void listener_finish(struct listener *listener)
{
	listener->is_held = false;
	accept_some(listener, listener->fd, BACKLOG);
	listener_free(listener);
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	listener->is_freed = true;
	event_del(&listener->readable);
	timer_cancel(&listener->pause);
	/* Perhaps called from its own callback. */
	loop_defer(listener->loop, free, listener);
}

/* Whether a socket file is left over: nobody answers there. */
static bool is_stale(const struct sockaddr_un *address, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;
	bool is_refused;

	if (fd < 0)
		return false;
	/* Any other file refuses as well, and is somebody's. */
	is_refused = lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		     connect(fd, (const struct sockaddr *)address, size) != 0 &&
		     errno == ECONNREFUSED;
	close(fd);
	return is_refused;
}

static bool set_on(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

static bool listen_file(int fd, const struct sockaddr_storage *address, socklen_t size)
{
	const struct sockaddr_un *file = (const struct sockaddr_un *)address;

	if (bind(fd, (const struct sockaddr *)address, size) != 0 &&
	    (errno != EADDRINUSE || !is_stale(file, size) ||
	     unlink(file->sun_path) != 0 ||
	     bind(fd, (const struct sockaddr *)address, size) != 0))
		return false;
	return listen(fd, BACKLOG) == 0;
}

/*
 * The first socket of an address listens before it may be joined. A process of the same
 * user could join one that may from the start, and would take connections from it.
 */
static bool listen_port(int fd, const struct sockaddr_storage *address, socklen_t size,
			bool is_first)
{
	return set_on(fd, SOL_SOCKET, SO_REUSEADDR) &&
	       (is_first || set_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
	       (address->ss_family != AF_INET6 ||
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
	       bind(fd, (const struct sockaddr *)address, size) == 0 &&
	       listen(fd, BACKLOG) == 0 &&
	       (!is_first || set_on(fd, SOL_SOCKET, SO_REUSEPORT));
}

static const struct {
	int error;
	const char *hint;
} hints[] = {
	{ EADDRINUSE, "another process listens there, or the address is listed twice" },
	{ EADDRNOTAVAIL, "no address of this machine; 0.0.0.0 is all that it has" },
	{ EACCES, "a port below 1024 is for root or a socket unit, and the folder of a "
		  "socket must be writable" },
	{ ENOENT,
	  "the folder of the socket is missing; systemd-tmpfiles --create makes "
	  "/run/provbox" },
};

static void log_failure(const char *address, int error)
{
	const char *hint = "ss -ltn shows what listens here";

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].error == error)
			hint = hints[i].hint;
	log_error("listen_failed", log_str("address", address),
		  log_str("why", strerror(error)), log_str("hint", hint));
}

static int open_at(const char *address, bool is_first)
{
	struct sockaddr_storage where;
	socklen_t size;

	if (!address_parse(address, &where, &size)) {
		log_error("listen_failed", log_str("address", address),
			  log_str("why", "not ip:port, [ip6]:port or unix:/path"));
		return -1;
	}
	int fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    (where.ss_family == AF_UNIX ? listen_file(fd, &where, size)
					: listen_port(fd, &where, size, is_first)))
		return fd;
	log_failure(address, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

int listener_open(const char *address)
{
	return open_at(address, true);
}

int listener_join(const char *address)
{
	return open_at(address, false);
}
