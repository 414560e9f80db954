/*
 * The courier role: takes effects out of the outbox and brings them to the servers of
 * others. An effect is leased and its transaction over before anything is sent; what
 * came of it is told to the database, which decides about the next attempt. Each kind
 * has a lane of its own, so that one that is slow holds up no other; a new kind is a
 * row of the table in courier.c and a file (effect.h). Also ends what nobody answered
 * in time. What is brought into files has a process of its own, with the same code: it
 * may block, and make files, and speaks to nobody.
 */
#ifndef PROVISIONING_COURIER_H
#define PROVISIONING_COURIER_H

#include "base/supervisor.h"

/* What the role gives the supervisor. */
bool courier_load(const void *config, void **secrets);
bool courier_load_files(const void *config, void **secrets);
bool courier_start(struct worker *worker);
void courier_stop(struct worker *worker);
size_t courier_cut(struct worker *worker);

#endif
