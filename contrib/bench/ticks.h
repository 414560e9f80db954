/*
 * A clock that ticks 2,000 times a second. The loop's own timers are as coarse as the
 * kernel's, 4 ms and more.
 */
#ifndef CONTRIB_BENCH_TICKS_H
#define CONTRIB_BENCH_TICKS_H

#include "base/loop.h"

struct ticks;

/** Call @p fn at each tick; ticks that were missed are one. Never NULL. */
struct ticks *ticks_new(struct loop *loop, loop_fn *fn, void *arg);
/** Safe in its own callback. */
void ticks_free(struct ticks *ticks);

#endif
