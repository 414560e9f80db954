/*
 * The orders that the supervisor gives to a process with a loop. SIGTERM: drain, that
 * is take nothing new, end what is idle and the rest as it finishes; what has not ended
 * by drain_timeout is cut, as it is when SIGTERM comes again. SIGUSR1: nobody older
 * acts in your role any more.
 */
#ifndef BASE_ORDERS_H
#define BASE_ORDERS_H

#include "base/process.h"

/**
 * Hear the orders; before role->start(), so that none is missed.
 * @param process  borrowed for ever
 * @param board    where cut exchanges are counted
 */
void orders_hear(struct process *process, struct board *board);
/** After role->start(): take over at once when nobody older is there. */
void orders_begin(void);

#endif
