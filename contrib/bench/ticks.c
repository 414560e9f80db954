#include "contrib/bench/ticks.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"

#define TICK_NS 500000

struct ticks {
	int fd;
	struct event event;
	loop_fn *fn;
	void *arg;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	const struct ticks *ticks = arg;
	uint64_t expired;

	(void)what;
	(void)!read(fd, &expired, sizeof(expired));
	ticks->fn(ticks->arg);
}

struct ticks *ticks_new(struct loop *loop, loop_fn *fn, void *arg)
{
	const struct timespec period = { .tv_nsec = TICK_NS };
	struct ticks *ticks = calloc(1, sizeof(*ticks));

	BUG_ON(!ticks);
	*ticks = (struct ticks){ .fn = fn, .arg = arg };
	ticks->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	BUG_ON(ticks->fd < 0 ||
	       timerfd_settime(ticks->fd, 0,
			       &(struct itimerspec){ .it_interval = period,
						     .it_value = period },
			       NULL) != 0);
	event_assign(&ticks->event, loop_base(loop), ticks->fd, EV_READ | EV_PERSIST,
		     on_tick, ticks);
	event_add(&ticks->event, NULL);
	return ticks;
}

void ticks_free(struct ticks *ticks)
{
	event_del(&ticks->event);
	close(ticks->fd);
	free(ticks);
}
