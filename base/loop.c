#include "base/loop.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "base/log.h"

/* A duration started this often gets a queue of its own in libevent, O(1) instead of
 * a place in the heap. libevent has room for 256. */
#define COMMON_AFTER 32
#define N_DURATIONS  64

struct duration {
	int64_t ms;
	unsigned seen;
	const struct timeval *common;
};

struct deferred {
	STAILQ_ENTRY(deferred) next;
	loop_fn *fn;
	void *arg;
};
STAILQ_HEAD(deferred_list, deferred);

struct signal_hook {
	SLIST_ENTRY(signal_hook) next;
	struct event event;
	loop_fn *fn;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct deferred_list deferred;
	struct event run_deferred;
	SLIST_HEAD(, signal_hook) signals;
	struct duration durations[N_DURATIONS];
	int64_t tick_us; /* libevent's clock may lag by this much */
	size_t n_held;
	bool is_finishing;
	bool is_stopped;
};

/* Once round: what is deferred meanwhile waits for the next activation. */
static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	struct deferred_list list = STAILQ_HEAD_INITIALIZER(list);

	(void)fd;
	(void)what;
	STAILQ_CONCAT(&list, &loop->deferred);
	while (!STAILQ_EMPTY(&list)) {
		struct deferred deferred = *STAILQ_FIRST(&list);
		struct deferred *spent = STAILQ_FIRST(&list);
		STAILQ_REMOVE_HEAD(&list, next);
		free(spent);
		deferred.fn(deferred.arg);
	}
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	BUG_ON(!config);
	/* Timers count from when they are started, not from when the turn began. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	BUG_ON(!base);
	return base;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct timespec tick;

	BUG_ON(!loop);
	loop->base = base_new();
	STAILQ_INIT(&loop->deferred);
	SLIST_INIT(&loop->signals);
	event_assign(&loop->run_deferred, loop->base, -1, 0, on_deferred, loop);
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	loop->tick_us = tick.tv_nsec / 1000 + 1;
	return loop;
}

static void release(struct loop *loop)
{
	while (!SLIST_EMPTY(&loop->signals)) {
		struct signal_hook *hook = SLIST_FIRST(&loop->signals);
		SLIST_REMOVE_HEAD(&loop->signals, next);
		event_del(&hook->event);
		free(hook);
	}
	event_del(&loop->run_deferred);
	event_base_free(loop->base);
	free(loop);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (!STAILQ_EMPTY(&loop->deferred))
		on_deferred(-1, 0, loop);
	release(loop);
}

void loop_forget(struct loop *loop)
{
	/* A new epoll instance first: changes to the inherited one are the parent's. */
	BUG_ON(event_reinit(loop->base) != 0);
	while (!STAILQ_EMPTY(&loop->deferred)) {
		struct deferred *deferred = STAILQ_FIRST(&loop->deferred);
		STAILQ_REMOVE_HEAD(&loop->deferred, next);
		free(deferred);
	}
	release(loop);
}

void loop_run(struct loop *loop)
{
	while (!loop->is_stopped) {
		int result = event_base_loop(loop->base,
					     EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
		BUG_ON(result < 0); /* else it would go round for ever */
		log_flush();
	}
	loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
	event_base_loopbreak(loop->base);
}

void loop_finish(struct loop *loop)
{
	loop->is_finishing = true;
	if (loop->n_held == 0)
		loop_stop(loop);
}

void loop_hold(struct loop *loop)
{
	loop->n_held++;
}

void loop_release(struct loop *loop)
{
	BUG_ON(loop->n_held == 0);
	loop->n_held--;
	if (loop->is_finishing && loop->n_held == 0)
		loop_stop(loop);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

int64_t loop_now_ms(struct loop *loop)
{
	struct timespec now;

	(void)loop;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void loop_defer(struct loop *loop, loop_fn *fn, void *arg)
{
	struct deferred *deferred = malloc(sizeof(*deferred));

	BUG_ON(!deferred);
	*deferred = (struct deferred){ .fn = fn, .arg = arg };
	STAILQ_INSERT_TAIL(&loop->deferred, deferred, next);
	event_active(&loop->run_deferred, EV_TIMEOUT, 0);
}

static void on_signal(evutil_socket_t signum, short what, void *arg)
{
	struct signal_hook *hook = arg;

	(void)signum;
	(void)what;
	hook->fn(hook->arg);
}

void loop_on_signal(struct loop *loop, int signum, loop_fn *fn, void *arg)
{
	struct signal_hook *hook = calloc(1, sizeof(*hook));

	BUG_ON(!hook);
	hook->fn = fn;
	hook->arg = arg;
	SLIST_INSERT_HEAD(&loop->signals, hook, next);
	evsignal_assign(&hook->event, loop->base, signum, on_signal, hook);
	BUG_ON(evsignal_add(&hook->event, NULL) != 0);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

void timer_init(struct timer *timer, struct loop *loop, loop_fn *fn, void *arg)
{
	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	evtimer_assign(&timer->event, loop->base, on_timeout, timer);
}

/* The common timeout of a duration that is seen often, or NULL. */
static const struct timeval *common_timeout(struct loop *loop, int64_t ms,
					    const struct timeval *tv)
{
	struct duration *duration = &loop->durations[(uint64_t)ms % N_DURATIONS];

	if (ms <= 0)
		return NULL;
	if (duration->ms != ms) {
		if (duration->common)
			return NULL;
		*duration = (struct duration){ .ms = ms };
	}
	if (!duration->common && ++duration->seen > COMMON_AFTER)
		duration->common = event_base_init_common_timeout(loop->base, tv);
	return duration->common;
}

void timer_start(struct timer *timer, int64_t ms)
{
	int64_t us = ms > 0 ? ms * 1000 + timer->loop->tick_us : 0;
	struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };

	const struct timeval *common = common_timeout(timer->loop, ms, &tv);
	BUG_ON(event_add(&timer->event, common ? common : &tv) != 0);
}

void timer_cancel(struct timer *timer)
{
	event_del(&timer->event);
}

bool timer_is_pending(const struct timer *timer)
{
	return event_pending(&timer->event, EV_TIMEOUT, NULL);
}
