/*
 * The servers of a route, used in turn: one that has just failed, or that keeps a
 * connect waiting, is passed over for a while. Knows no connections and no clock.
 */
#ifndef GATEWAY_TARGET_H
#define GATEWAY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_RETRY_MS 500 /* how long one that failed is passed over */

/** One server. The pool may read all of it and counts n_late. */
struct target {
	struct targets *all;
	const char *text; /* borrowed */
	struct sockaddr_storage address;
	socklen_t size;
	int64_t retry_ms; /* not to be connected to before */
	size_t n_late;    /* connects that wait for it: none is added to them */
	bool is_down;     /* the last connect failed */
};

struct targets {
	const char *srv; /* for the log; borrowed */
	struct target *items;
	size_t n, next;
};

/** @param addresses  numeric, @p n of them; borrowed, as @p srv */
void targets_open(struct targets *targets, const char *srv,
		  const char *const *addresses, size_t n);
void targets_close(struct targets *targets);
/** The next one in turn that is fit, or NULL. */
struct target *targets_next(struct targets *targets, int64_t now_ms);
/** Whether one is fit. */
bool targets_have_one(const struct targets *targets, int64_t now_ms);

/** A connect failed. One line when a server goes, not one for each try. */
void target_failed(struct target *target, int64_t now_ms, const char *reason);
/** A connect came through. */
void target_opened(struct target *target);

#endif
