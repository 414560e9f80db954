/*
 * The admin listener of a daemon: /metrics /livez /readyz /status over HTTP on a Unix
 * socket or loopback. Read-only; runs in a process of its own that holds no secrets.
 * Knows no daemon.
 */
#ifndef BASE_ADMIN_H
#define BASE_ADMIN_H

#include <event2/buffer.h>
#include <jansson.h>
#include <sys/types.h>

#include "base/loop.h"

struct admin;

struct admin_settings {
	bool (*is_ready)(void);
	json_t *(*status)(void); /* the document of /status; new reference */
	/* Append what is not in the table of metrics, Prometheus text. */
	void (*metrics)(struct evbuffer *out);
};

/** Whether @p address is "unix:/path" or "ip:port" of loopback. */
bool admin_is_local(const char *address);
/**
 * Open the listening socket.
 * @param address  admin_is_local(); a socket file has mode 0660, a stale one is
 *                 replaced
 * @param uid,gid  owner of the socket file; -1: unchanged
 * @return fd, or -1 after logging why it cannot listen
 */
int admin_listen(const char *address, uid_t uid, gid_t gid)
	__attribute__((warn_unused_result));
/** The socket file, if it is one, belongs to others now. @return false after logging
 * why it cannot */
bool admin_give(const char *address, uid_t uid, gid_t gid)
	__attribute__((warn_unused_result));
/** Close it, and remove the socket file. */
void admin_unlisten(const char *address, int fd);

/** Answer on @p fd (borrowed) until admin_free(). */
struct admin *admin_new(struct loop *loop, int fd,
			const struct admin_settings *settings);
/** Take no one new, answer those who ask; @p fn when they have gone, then free it. */
void admin_drain(struct admin *admin, loop_fn *fn, void *arg);
void admin_free(struct admin *admin);

#endif
