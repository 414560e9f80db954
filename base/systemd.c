#include "base/systemd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

#define MAX_SOCKETS 256

void systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	const struct timeval limit = { .tv_sec = 1 }; /* who does not listen */

	if (n == 0 || n >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* the abstract name space */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (void *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_warn("notify_failed", log_str("why", strerror(errno)));
	if (fd >= 0)
		close(fd);
}

/* A number of the environment that systemd means for the process that @p of names;
 * 0 when there is none for us. */
static uint64_t number_for_us(const char *name, const char *of, uint64_t max)
{
	const char *text = getenv(name), *pid = getenv(of);
	uint64_t number, whose;

	if (!text || !slice_to_u64(slice_of(text), max, &number))
		return 0;
	if (pid && (!slice_to_u64(slice_of(pid), INT32_MAX, &whose) ||
		    whose != (uint64_t)getpid()))
		return 0;
	return number;
}

size_t systemd_take_sockets(void)
{
	uint64_t n = getenv("LISTEN_PID")
			     ? number_for_us("LISTEN_FDS", "LISTEN_PID", MAX_SOCKETS)
			     : 0;

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return (size_t)n;
}

int64_t systemd_watchdog_ms(void)
{
	/* Without WATCHDOG_PID it is meant for whoever reads it. */
	return (int64_t)(number_for_us("WATCHDOG_USEC", "WATCHDOG_PID", INT64_MAX) /
			 1000);
}
