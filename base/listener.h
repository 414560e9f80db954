/*
 * A listening socket: opened where nobody listens yet, and what is accepted on it. Who
 * accepts makes a connection of it (base/conn.h), or closes it.
 */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include "base/loop.h"

struct listener;
/** @p fd is taken: connected and non-blocking. */
typedef void listener_fn(struct listener *listener, int fd, void *arg);
/**
 * Accept on a listening socket; out of descriptors it pauses for 100 ms.
 * @param fd  borrowed; non-blocking
 */
struct listener *listener_new(struct loop *loop, int fd, listener_fn *fn, void *arg);
/** Accept no more, or again: what comes meanwhile waits in the kernel. Safe in its own
 * callback. */
void listener_hold(struct listener *listener, bool is_held);
/** Accept what waits already, all of it, and free: its fd may be closed then. */
void listener_finish(struct listener *listener);
/** Safe in its own callback; NULL is nothing. */
void listener_free(struct listener *listener);
/**
 * Open a listening socket where nobody listens yet, not even another process of our
 * user; a socket file that nobody answers at is replaced.
 * @return fd, non-blocking, or -1 with a logged reason
 */
int listener_open(const char *address);
/**
 * Open one more socket of an ip:port at which a socket of listener_open() listens: the
 * kernel spreads the connections over all (SO_REUSEPORT).
 * @return as listener_open()
 */
int listener_join(const char *address);

#endif
