/*
 * Tells a provisioning server why a verified session ended: one POST for each sid, kept
 * while the server is away, at most 1,000 for each route.
 */
#ifndef GATEWAY_REPORT_H
#define GATEWAY_REPORT_H

#include "gateway/route.h"

struct report_queue;

/** Queue for one server. @param route  borrowed for its life  @param deadline_ms  of
 * each report. Never NULL; freed by report_queue_free(). */
struct report_queue *report_queue_new(struct loop *loop, struct route *route,
				      int64_t deadline_ms);
void report_queue_free(struct report_queue *queue);
/** Send what waits, but stop at the first failure, which loses the rest; counted and
 * logged. @p fn is called exactly once, later; then only report_queue_free() may be. */
typedef void report_fn(void *arg);
void report_queue_finish(struct report_queue *queue, report_fn *fn, void *arg);
/** Queue one; past the bound the oldest goes, counted and logged. */
void report_session_end(struct report_queue *queue, const struct auth_claims *claims,
			enum auth_reason reason);

#endif
