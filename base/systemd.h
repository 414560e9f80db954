/*
 * The little that passes between systemd and a service: what it is told of our state,
 * the sockets that it has opened for us, and how often it wants to hear that we live.
 * Does without libsystemd (doc/decisions/023-systemd.md).
 */
#ifndef BASE_SYSTEMD_H
#define BASE_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>

#define SYSTEMD_FIRST_SOCKET 3 /* the others follow */

/**
 * Send a state like "READY=1" to the socket that NOTIFY_SOCKET names; do nothing when
 * there is none. Waits a second at most for room; a failure is logged.
 * Source: sd_notify(3).
 */
void systemd_notify(const char *state);
/**
 * How many descriptors this process was given, from SYSTEMD_FIRST_SOCKET on: of a
 * socket unit. Tells it once, so that no other program takes them for its own. More
 * than 256 or no number is logged and none.
 * Source: sd_listen_fds(3).
 */
size_t systemd_take_sockets(void);
/**
 * Within which time systemd wants to hear "WATCHDOG=1" of this process, again and
 * again; 0: not at all.
 * Source: sd_watchdog_enabled(3).
 */
int64_t systemd_watchdog_ms(void);

#endif
