/*
 * The courier role: takes effects out of the outbox and brings them to the servers of
 * others, here billing events (CloudEvents 1.0, doc/billing.md). An effect is leased
 * and its transaction over before anything is sent; what came of it is told to the
 * database, which decides about the next attempt. Also ends offers that nobody
 * answered.
 */
#ifndef PROVISIONING_COURIER_H
#define PROVISIONING_COURIER_H

#include "base/supervisor.h"

/** What comes of an effect by the answer to it. */
enum courier_verdict {
	COURIER_DONE,    /* brought */
	COURIER_FAILED,  /* now; the same may be taken later */
	COURIER_REFUSED, /* and would be each time: a person must look */
};
/**
 * Read an answer: 2xx is done. 3xx, which would bring it to where nobody configured it,
 * and 4xx are refusals, but for those that speak of time: 408, 425, 429.
 *
 * @param status  of the response, 0: there was none
 * Source: RFC 9110, 15; RFC 8470, 5.2; RFC 6585, 4; doc/billing.md
 */
enum courier_verdict courier_judge(unsigned status);

/* What the role gives the supervisor. */
bool courier_load(const void *config, void **secrets);
bool courier_start(struct worker *worker);
void courier_stop(struct worker *worker);
size_t courier_cut(struct worker *worker);

#endif
