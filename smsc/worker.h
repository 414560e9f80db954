/*
 * The worker of provbox-smsc: one link to one bearerbox, and what it needs. There is
 * one for each bearerbox; which numbers it serves is for the database to say, so that
 * workers of one machine or of several need not know of each other.
 */
#ifndef SMSC_WORKER_H
#define SMSC_WORKER_H

#include "base/supervisor.h"

/** What the role `link` gives the supervisor. */
bool smsc_worker_load(const void *config, void **secrets);
bool smsc_worker_start(struct worker *worker);
void smsc_worker_take_over(struct worker *worker);
void smsc_worker_stop(struct worker *worker);
size_t smsc_worker_cut(struct worker *worker);

#endif
