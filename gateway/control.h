/*
 * The control streams of one route: a GET /v1/control at every address of its srv, on
 * connections that carry nothing else. Hears which devices' grants are worth nothing
 * any more, and says for how long an authentication may be believed. Knows no sessions.
 */
#ifndef GATEWAY_CONTROL_H
#define GATEWAY_CONTROL_H

#include "gateway/control_line.h"
#include "gateway/route.h"

struct control;

#define CONTROL_SILENCE_MS 1000

/** A device, or all, have to authenticate again. @p line is borrowed for the call. */
typedef void control_fn(void *arg, const struct route *route,
			const struct control_line *line);
/** control_is_refused() has changed to @p is_refused. */
typedef void control_refused_fn(void *arg, bool is_refused);

struct control_settings {
	const struct route *route; /* borrowed; with its configuration */
	struct link_settings link; /* how to connect, with the landnet TLS context */
	const uint8_t *gw;         /* hash of our key there; borrowed for the call */
	control_fn *fn;
	control_refused_fn *refused_fn; /* neither is called within control_new() */
	void *arg;
};

/**
 * Open the streams, and keep opening those that are lost, later and later up to 5 s.
 *
 * @return never NULL; freed by control_free()
 */
struct control *control_new(struct loop *loop, const struct control_settings *settings);
/** Tells the servers that nobody hears them any more. Safe within @p fn's turn, not
 * within @p fn. NULL is nothing. */
void control_free(struct control *control);
/**
 * The watch that is kept now: a time in which no stream is lost or opened. What is
 * authenticated in one holds until it ends.
 *
 * @return its number; 0: nothing is heard, an authentication holds for one request
 * Cost: O(addresses of the route).
 */
uint64_t control_watch(const struct control *control);
/**
 * Whether no server of the route serves this gateway, because they do not list it: one
 * has said so three times in a row, and no stream is heard. What cannot be reached, or
 * refuses for another reason, does not count: that may pass by itself.
 */
bool control_is_refused(const struct control *control);

#endif
