/*
 * The watchdog of a daemon, when systemd has one for it: it is told that all is well as
 * long as the supervisor and all its processes go on. A process whose loop stands still
 * for half of the time is killed here, alone, so that another takes its place; systemd
 * ends all of us only when that does not help. Who has no systemd has no watchdog.
 */
#ifndef BASE_WATCHDOG_H
#define BASE_WATCHDOG_H

#include "base/board.h"
#include "base/loop.h"

/**
 * Watch the processes on @p board, which is borrowed until watchdog_close().
 * @return how often each of them is to beat (beat.h), ms; 0: there is no watchdog
 */
int64_t watchdog_open(struct loop *loop, const struct board *board);
/** Before the loop is freed. */
void watchdog_close(void);

#endif
