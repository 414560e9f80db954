/*
 * The worker of provbox-smsc: one link to one bearerbox, and what it needs.
 */
#ifndef SMSC_WORKER_H
#define SMSC_WORKER_H

#include "base/supervisor.h"

/** supervisor_role.start and .stop of the role `link`. */
bool smsc_worker_start(struct worker *worker);
void smsc_worker_stop(struct worker *worker);

#endif
