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

	if (n == 0)
		return;
	if (n >= sizeof(address.sun_path)) {
		log_warn("notify_failed", log_str("why", "NOTIFY_SOCKET is too long"));
		return;
	}
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

/* Is it this process that a variable, if it is there, names? */
static bool is_for_us(const char *of)
{
	const char *pid = getenv(of);
	uint64_t whose;

	return !pid || (slice_to_u64(slice_of(pid), INT32_MAX, &whose) &&
			whose == (uint64_t)getpid());
}

size_t systemd_take_sockets(void)
{
	const char *said = getenv("LISTEN_FDS");
	uint64_t n = 0;

	if (said && getenv("LISTEN_PID") && is_for_us("LISTEN_PID") &&
	    !slice_to_u64(slice_of(said), MAX_SOCKETS, &n))
		log_warn("sockets_not_taken", log_str("listen_fds", said),
			 log_num("max", MAX_SOCKETS));
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return (size_t)n;
}

int64_t systemd_watchdog_ms(void)
{
	const char *said = getenv("WATCHDOG_USEC");
	uint64_t us;

	/* Without WATCHDOG_PID it is meant for whoever reads it. */
	if (!said || !is_for_us("WATCHDOG_PID") ||
	    !slice_to_u64(slice_of(said), INT64_MAX, &us))
		return 0;
	return (int64_t)(us / 1000);
}
