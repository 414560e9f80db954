/*
 * The event loop of a process: one libevent base, monotonic timers and work put
 * off to the next turn. Single-threaded. Objects that may still be touched in
 * this turn are freed by loop_defer().
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/slice.h"

struct loop;
typedef void loop_fn(void *arg);

/** Never NULL: a process that cannot have a loop aborts. Freed by loop_free(). */
struct loop *loop_new(void);
/** Runs what was deferred, then frees. */
void loop_free(struct loop *loop);
/** In a forked child: free the parent's loop, running nothing and changing nothing
 * that the parent still uses. */
void loop_forget(struct loop *loop);
/** Run until loop_stop(); not at all when that has been called already. Lines that
 * log_gather() gathers are written at the end of each turn. */
void loop_run(struct loop *loop);
/** loop_run() returns after the current callback. */
void loop_stop(struct loop *loop);
/** As loop_stop(), as soon as nobody holds the loop. */
void loop_finish(struct loop *loop);
/** What has no owner any more, like bytes on their way to a peer, holds the loop until
 * it is through. Each hold is released once. */
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);
/** For events of one's own; borrowed for the life of the loop. */
struct event_base *loop_base(struct loop *loop);
/** Monotonic milliseconds, now; no system call. */
int64_t loop_now_ms(struct loop *loop);
/** Call @p fn exactly once, after the current callback has returned, and in
 * loop_free() at the latest. Never fails. */
void loop_defer(struct loop *loop, loop_fn *fn, void *arg);
/** Call @p fn at each arrival of @p signum, in the loop, until that is freed. */
void loop_on_signal(struct loop *loop, int signum, loop_fn *fn, void *arg);

/** A one-shot timer inside its owner's struct. */
struct timer {
	struct event event;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
};

/** Prepare it; it does not run yet. Its owner cancels it before it goes. */
void timer_init(struct timer *timer, struct loop *loop, loop_fn *fn, void *arg);
/** (Re)start: @p fn is called once, @p ms from now at the earliest. */
void timer_start(struct timer *timer, int64_t ms);
/** The callback will not come. Safe when not started, or inside it. */
void timer_cancel(struct timer *timer);
bool timer_is_pending(const struct timer *timer);

#endif
