/*
 * The roster of a daemon: every process that its roles ask for, with the listening
 * sockets and channels that each is given, and how they all are. Made once, before the
 * first fork, so that a process that is started again finds the same ones.
 */
#ifndef BASE_ROSTER_H
#define BASE_ROSTER_H

#include <jansson.h>

#include "base/process.h"

struct roster {
	struct process *processes; /* in the order of the roles */
	struct process_state *states;
	size_t n;
};

/**
 * Open all sockets and channels.
 * @param roles  borrowed for ever
 * @param config borrowed for ever
 * @return false after logging which address cannot be listened on and why
 */
bool roster_open(struct roster *roster, const struct supervisor_spec *spec,
		 const struct supervisor_role *roles, size_t n_roles,
		 const void *config);

/** The first process that does not run or is not ready; NULL when all are. */
const struct process_state *roster_find_unready(const struct roster *roster);
/**
 * A JSON array with an object for each process, as /status shows it.
 * @param now_ms  wall clock
 * @return new reference
 */
json_t *roster_describe(const struct roster *roster, int64_t now_ms);

#endif
