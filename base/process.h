/*
 * One process of a daemon: forked by the supervisor, given its descriptors, deprived of
 * everything else, run, and told apart by what it says in shared memory. Knows neither
 * when to start one nor what it does.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

#include "base/board.h"
#include "base/supervisor.h"

/** Whom to become. */
struct process_user {
	bool is_switched; /* else we stay who we are */
	char name[64];
	uid_t uid; /* -1: stays */
	gid_t gid;
};

struct process {
	const struct supervisor_role *role;
	size_t role_index;    /* in the table of roles */
	struct worker worker; /* all but loop and secrets */
	struct process_state *state;
	pid_t pid;             /* 0: not running */
	int64_t started_ms;    /* monotonic */
	unsigned quick_deaths; /* in a row */
	struct timer restart;
	bool is_judged; /* while it starts, its errors are told by who started it */
	void *owner;    /* the generation that it is of */
};

/** What all processes of a generation have in common. */
struct process_common {
	struct loop *loop;   /* the supervisor's */
	struct board *board; /* as in all processes of the daemon */
	const struct process_user *user;
	const struct config *config;
	const struct files *files; /* of the configuration */
	int notify_fd;             /* eventfd: a state has changed */
	int64_t beat_ms;           /* see beat.h */
	char *title;               /* memory of command line and environment */
	size_t title_size;
};

/** The level that a daemon's config asks for. */
enum log_level process_log_level(const void *config);
/**
 * Look up the user to become. Started by another than root we stay who we are, and any
 * name will do.
 * @return false when it does not exist
 */
bool process_user_find(const char *name, struct process_user *out);
/**
 * Fork it. Sets pid and state.
 * @return false with errno when there can be no more processes
 */
bool process_start(struct process *process, const struct process_common *common)
	__attribute__((warn_unused_result));
/**
 * Count its death.
 * @param lived_ms  since its start
 * @return how long to wait before it is started again: nothing at first; 100 ms
 *         doubling to 5 s when it dies again within 5 s of its start
 */
int64_t process_backoff_ms(struct process *process, int64_t lived_ms);
/** Write how it ended: "0", "78", "SIGKILL". */
void process_status_text(int status, char *out, size_t size);
/**
 * Log its end, ev=child_exit: as an ERROR with the name of the call when it asked the
 * kernel for what it has no right to.
 * @param status  of waitpid()
 * @param level   for all other ends
 */
void process_log_end(const struct process *process, pid_t pid, int status,
		     enum log_level level);

#endif
