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

bool courier_load(const void *config, void **secrets);
bool courier_start(struct worker *worker);
void courier_stop(struct worker *worker);
size_t courier_cut(struct worker *worker);

#endif
