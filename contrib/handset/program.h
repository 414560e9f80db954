/*
 * Runs a program of the storage: with its own process group, an empty environment,
 * no input, bounded output and a deadline. Does not know what the program is for.
 */
#ifndef CONTRIB_HANDSET_PROGRAM_H
#define CONTRIB_HANDSET_PROGRAM_H

#include "base/loop.h"

#define PROGRAM_OUTPUT_BYTES 1024

struct program;

struct program_result {
	bool has_ended;  /* false: killed at the deadline, or by a signal */
	int exit_status; /* when it has ended */
	struct slice
		output; /* first line of its standard output, without the newline */
};
typedef void program_fn(void *arg, const struct program_result *result);

/**
 * Start @p argv[0] with @p argv.
 *
 * @param argv  borrowed; ends with NULL; argv[0] is a path
 * @param fn    called exactly once, when the program has ended or was killed, never
 *              from within this call
 * @return NULL with errno when it cannot be started
 */
struct program *program_run(struct loop *loop, const char *const *argv,
			    int64_t deadline_ms, program_fn *fn, void *arg);
/** Kill it; @p fn will not be called. */
void program_cancel(struct program *program);

/** As program_run(), but wait for the end. @return false when it cannot be started */
bool program_run_blocking(const char *const *argv, int64_t deadline_ms,
			  struct program_result *result,
			  char output[PROGRAM_OUTPUT_BYTES]);

#endif
