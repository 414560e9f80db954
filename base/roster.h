/*
 * The roster of a generation: every process that the roles of the daemon ask for, with
 * the listening sockets and channels that each is given. Made before the first fork, so
 * that a process that is started again finds the same ones.
 */
#ifndef BASE_ROSTER_H
#define BASE_ROSTER_H

#include "base/process.h"
#include "base/sockets.h"

struct roster {
	struct process *processes; /* in the order of the roles */
	size_t n;
	int *ends; /* of all channels */
	size_t n_ends;
};

/** Of what a roster is made. All is borrowed until roster_close(). */
struct roster_parts {
	const struct supervisor_spec *spec;
	const struct supervisor_role *roles;
	size_t n_roles;
	const void *config;
	struct sockets *sockets;
	struct process_state *states; /* BOARD_PROCESSES of them */
	size_t place;                 /* 0..BOARD_GENERATIONS - 1, on the board */
};

/**
 * Get all sockets and open the channels. When there were more workers before, their
 * sockets are given to those that there are, behind their own.
 * @return false after logging which address cannot be listened on and why;
 *         roster_close() then, too
 */
bool roster_open(struct roster *roster, const struct roster_parts *parts)
	__attribute__((warn_unused_result));
/** Close the channels and free; the sockets are released by their keeper. */
void roster_close(struct roster *roster);

#endif
