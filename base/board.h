/*
 * The board of a daemon: memory that all its processes share, in which the supervisor
 * writes how every generation and the last reload are, and each process one thing of
 * itself, that it is ready. The admin process reads it. Of fixed size, so that no
 * number of reloads makes it grow.
 */
#ifndef BASE_BOARD_H
#define BASE_BOARD_H

#include <sys/types.h>

#include "base/codec.h"
#include "base/expiry.h"
#include "base/slice.h"

#define BOARD_GENERATIONS 4   /* at a time */
#define BOARD_PROCESSES   256 /* of one generation */
#define BOARD_ROLES       8
#define BOARD_WHY_BYTES   512

/** What one process is. */
struct process_state {
	const char *role; /* a constant, the same in all processes */
	size_t index;
	pid_t pid;          /* 0: not running */
	int64_t started_ms; /* monotonic, as all that are called so here */
	unsigned restarts;
	bool is_alone; /* nobody older acts in its role, see supervisor_role */
	/* The process itself writes these. */
	bool is_ready;
	uint32_t beats;     /* turns of its loop, now and then; 0: it counts none */
	int forbidden_call; /* the system call that it dies of; -1: none */
	char why[BOARD_WHY_BYTES]; /* the last error that it logged */
};

enum generation_phase {
	GENERATION_NONE, /* the place is free */
	GENERATION_STARTING,
	GENERATION_SERVING,
	GENERATION_DRAINING,
	GENERATION_ENDED, /* the last process is gone */
	GENERATION_N_PHASES,
};

struct board_generation {
	enum generation_phase phase;
	uint64_t number; /* 1.. since the daemon was started */
	int64_t started_ms;
	uint8_t config[SHA256_BYTES]; /* digest of the file */
	size_t n_processes;
	struct process_state processes[BOARD_PROCESSES];
	/* Files that end, as they were when it began to serve. */
	size_t n_expiries;
	struct board_expiry {
		char key[EXPIRY_KEY_BYTES];
		int64_t end_s;
	} expiries[EXPIRY_FILES_MAX];
};

enum reload_result {
	RELOAD_NONE, /* there was none yet */
	RELOAD_RUNNING,
	RELOAD_DONE,
	RELOAD_REFUSED, /* the configuration is wrong */
	RELOAD_FAILED,  /* the new generation did not start */
	RELOAD_N_RESULTS,
};

struct board_reload {
	enum reload_result result;
	int64_t at_ms;             /* wall clock, of the result */
	char why[BOARD_WHY_BYTES]; /* "": it went well */
};

struct board {
	int64_t started_ms;
	size_t current; /* the generation that serves, or is the first to start */
	struct board_generation generations[BOARD_GENERATIONS];
	struct board_reload reload; /* the last */
	uint64_t n_reloads[RELOAD_N_RESULTS];
	/* Processes started again, by role and index, over all generations. */
	uint64_t n_restarts[BOARD_ROLES][BOARD_PROCESSES];
	uint64_t n_cut; /* exchanges cut at the end of a drain; all processes add */
	uint64_t n_lines_lost; /* of the log; all processes add */
};

/** Map one. Never NULL: a daemon that cannot have it aborts. */
struct board *board_new(void);
/** "starting", "serving", ... */
const char *board_phase_name(enum generation_phase phase);
/** "none", "running", "done", "refused", "failed". */
const char *board_result_name(enum reload_result result);
/** The first process of a generation that does not run or is not ready; NULL when all
 * are. */
const struct process_state *board_find_unready(
	const struct board_generation *generation);
/** Whether the daemon does its work: all processes of the current generation. */
bool board_is_ready(const struct board *board);
/** How many generations there are. */
size_t board_count(const struct board *board);

#endif
