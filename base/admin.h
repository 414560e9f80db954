/*
 * The admin listener of a supervisor: /metrics /livez /readyz /status over HTTP on
 * a Unix socket or loopback. Read-only; knows no daemon.
 */
#ifndef BASE_ADMIN_H
#define BASE_ADMIN_H

#include "base/loop.h"

struct admin;

struct admin_settings {
	const char *address; /* "unix:/path" (mode 0660) or "ip:port", loopback only */
	const char *program;
	const char *version;
	bool (*is_ready)(void *arg);
	/* Members of /status as JSON text, without braces; arena memory or static. */
	const char *(*status)(void *arg);
	void *arg;
};

/** @return NULL after logging why it cannot listen */
struct admin *admin_open(struct loop *loop, const struct admin_settings *settings);
void admin_close(struct admin *admin);

#endif
