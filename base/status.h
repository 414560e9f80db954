/*
 * The admin process of a daemon: shows the board as /status, and what all daemons count
 * beside the metrics of their own.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/board.h"
#include "base/supervisor.h"

/** The last role of every daemon; its one listener is the admin socket. */
extern const struct supervisor_role status_role;

/** What to show; both borrowed for ever. In the supervisor, before the first fork. */
void status_open(const struct supervisor_spec *spec, const struct board *board);

#endif
