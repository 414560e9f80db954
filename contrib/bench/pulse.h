/*
 * What the machine alone does to waits: a byte goes over loopback to a bare loop on the
 * proxy's core and back, every other millisecond, beside the load. Where its wait is
 * long, that of a handset is not the proxy's fault.
 */
#ifndef CONTRIB_BENCH_PULSE_H
#define CONTRIB_BENCH_PULSE_H

#include "base/loop.h"
#include "contrib/bench/waits.h"

struct pulse;

/** @param port  of `bench echo` on 127.0.0.1 */
struct pulse *pulse_new(struct loop *loop, uint64_t port);
/** Send the next byte, when the last has come back and it is time. */
void pulse_tick(struct pulse *pulse, int64_t now_us);
/** Borrowed. */
struct waits *pulse_waits(struct pulse *pulse);

#endif
