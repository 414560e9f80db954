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

/**
 * Open the streams, and keep opening those that are lost, later and later up to 5 s.
 *
 * @param route  borrowed; with its configuration
 * @param link   borrowed for the call: how to connect, with the landnet TLS context
 * @param fn     called for every line that is no heartbeat
 * @return never NULL; freed by control_free()
 */
struct control *control_new(struct loop *loop, const struct route *route,
			    const struct link_settings *link, control_fn *fn,
			    void *arg);
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

#endif
