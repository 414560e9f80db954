/*
 * A generation: all processes of a daemon under one configuration, from their first
 * start to the end of the last. It starts again what dies while it serves, and ends
 * those that answer after those that ask them. Knows neither why it is begun nor what
 * other generations there are.
 */
#ifndef BASE_GENERATION_H
#define BASE_GENERATION_H

#include "base/roster.h"

struct generation;
/** The phase, the readiness or the failure has changed; look at it again. */
typedef void generation_fn(struct generation *generation, void *arg);

/** What it is given for its life. All is borrowed but for the config. */
struct generation_parts {
	struct config *config; /* taken, on failure too */
	const struct supervisor_spec *spec;
	const struct supervisor_role *roles;
	size_t n_roles;
	struct sockets *sockets;
	struct process_user user;
	struct process_common common; /* but for its user and files */
	size_t place;                 /* a free one of the board */
	uint64_t number;
	generation_fn *fn; /* never called from inside a function of this header */
	void *arg;
};

/**
 * Make it, with its sockets and channels; nothing runs yet.
 * @return NULL after logging why it cannot be
 */
struct generation *generation_new(const struct generation_parts *parts);
/** When its phase is GENERATION_ENDED, or before generation_start(). */
void generation_free(struct generation *generation);
/**
 * Start its processes. They are ready, or one of them has given up, when fn() comes.
 * @param limit_ms  to become ready, else it has failed; 0: for ever
 */
void generation_start(struct generation *generation, int64_t limit_ms);
/** Its first start is over: it serves, and what dies is started again. */
void generation_serve(struct generation *generation);
/**
 * End it: processes drain, those that answer others are ended after them. Its sockets
 * are released. What has not gone after drain_timeout and some seconds is killed.
 */
void generation_drain(struct generation *generation);
/** While it drains: cut now what there is left. */
void generation_hurry(struct generation *generation);
/** A child of this process has died. @return whether it was of this generation */
bool generation_bury(struct generation *generation, pid_t pid, int status);
/** Whether processes of a role, by index in the table, are running. */
bool generation_has(const struct generation *generation, size_t role);
/** Tell its processes of a role that nobody older acts there. */
void generation_let(struct generation *generation, size_t role);

/** What it is doing, as the board shows it. */
enum generation_phase generation_phase(const struct generation *generation);
/** Where it stands on the board, below BOARD_GENERATIONS. */
size_t generation_place(const struct generation *generation);
/** From 1; each start or reload has the next. */
uint64_t generation_number(const struct generation *generation);
/** The struct of its configuration, as config_get() gives it; lives as long as it. */
const void *generation_config(const struct generation *generation);
/** The files of its configuration, as its processes read them. */
const struct files *generation_files(const struct generation *generation);
/** How many of its processes run. */
size_t generation_count(const struct generation *generation);
/** What became of its start: 0: nothing bad, else an exit status. @p why then says it,
 * borrowed. */
int generation_failure(const struct generation *generation, const char **why);

#endif
