/*
 * A daemon: a supervisor that reads the config, opens the listening sockets, starts its
 * roles as processes, restarts what dies with a back-off, follows SIGHUP with a new
 * generation of processes, and drains all of them on SIGTERM. Workers are
 * single-threaded, one loop each. Knows nothing of what they do.
 */
#ifndef BASE_SUPERVISOR_H
#define BASE_SUPERVISOR_H

#include "base/board.h"
#include "base/child.h"
#include "base/config.h"
#include "base/expiry.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/sandbox.h"

#define SUPERVISOR_EXIT_FAILED      1
#define SUPERVISOR_EXIT_USAGE       2
#define SUPERVISOR_EXIT_UNAVAILABLE 69
#define SUPERVISOR_EXIT_CONFIG      78

/** How the config struct of every daemon begins: its first member. */
struct supervisor_config {
	char *title; /* that of any section; the top level has none */
	/* "unix:/path", "ip:port" of the admin listener; "": none. */
	char *admin;
	/* Whom the processes become when started as root; "root" stays root. The
	 * supervisor itself stays who it is, so that it can start them again. */
	char *user;
	char *log_level;
	int64_t drain_timeout_ms;
	int64_t reload_timeout_ms;
};

/** Checks of struct config_key for user and log_level. */
bool supervisor_check_user(const void *config, char *why, size_t why_size);
bool supervisor_check_level(const void *config, char *why, size_t why_size);

/** The rows of struct supervisor_config in a daemon's table of keys. */
#define SUPERVISOR_KEYS(admin_address, user_name)                                     \
	{ .name = "admin",                                                            \
	  .offset = offsetof(struct supervisor_config, admin),                        \
	  .fallback = (admin_address),                                                \
	  .help = "Admin listener, \"unix:/path\" or loopback \"ip:port\"; empty: "   \
		  "none." },                                                          \
		{ .name = "user",                                                     \
		  .offset = offsetof(struct supervisor_config, user),                 \
		  .fallback = (user_name),                                            \
		  .check = supervisor_check_user,                                     \
		  .help = "User to become when started as root; secrets may be "      \
			  "its own, too." },                                          \
		{ .name = "drain_timeout",                                            \
		  .type = CONFIG_DURATION,                                            \
		  .offset = offsetof(struct supervisor_config, drain_timeout_ms),     \
		  .fallback = "30s",                                                  \
		  .min = 10,                                                          \
		  .max = 3600000,                                                     \
		  .help = "How long exchanges may go on when they are to end; then "  \
			  "they "                                                     \
			  "are cut." },                                               \
		{ .name = "reload_timeout",                                           \
		  .type = CONFIG_DURATION,                                            \
		  .offset = offsetof(struct supervisor_config, reload_timeout_ms),    \
		  .fallback = "30s",                                                  \
		  .min = 10,                                                          \
		  .max = 3600000,                                                     \
		  .help = "How long a new generation may take to be ready; then the " \
			  "old one stays." },                                         \
	{                                                                             \
		.name = "log_level",                                                  \
		.offset = offsetof(struct supervisor_config, log_level),              \
		.fallback = "info", .check = supervisor_check_level,                  \
		.help = "error, warn, info or debug."                                 \
	}

#define SUPERVISOR_SLOTS (1 + BOARD_GENERATIONS * BOARD_PROCESSES)

/** What a process of a role is given. Borrowed for the life of the process. */
struct worker {
	const struct supervisor_spec *spec;
	const void *config; /* top struct of the daemon's config; it begins with a
			       struct supervisor_config */
	size_t index;       /* 0.. within its role */
	/* 1.. below SUPERVISOR_SLOTS: as no other process has that runs now, of any
	 * generation. */
	size_t slot;
	struct loop *loop; /* NULL in roles with blocking = true */
	/* This worker's SO_REUSEPORT set, non-blocking, in config order; again in that
	 * order, those of workers that a reload took away: of address i % the number of
	 * addresses. */
	const int *listeners;
	size_t n_listeners;
	/* Channels between roles that ask each other (child.h, or hatch.h), see struct
	 * supervisor_role. */
	const int *channels; /* asker: one for each of its asks, in that order;
				answerer: one for each process that asks it */
	size_t n_channels;
	void *secrets; /* what the role's load() returned, in this process only */
};

struct supervisor_role {
	const char *name; /* in the process title and log: provbox-server/landnet */
	/* How many processes; from the config. NULL: one. */
	size_t (*count)(const void *config);
	/* "ip:port" texts to listen on; NULL: none. Fills at most cap, returns count.
	 */
	size_t (*listeners)(const void *config, const char **addresses, size_t cap);
	/* Load what this role alone may hold (keys), as the starting user, in the new
	 * process before privileges are dropped; with -t just to see whether it can
	 * be. Files are opened by files_path(). Logs and returns false to fail. */
	bool (*load)(const void *config, void **secrets);
	/* Run the process. With a loop: set up and return true, the loop then runs;
	 * false: could not start (logged). Blocking roles do their work and return. */
	bool (*start)(struct worker *worker);
	/* End: take what waits to be accepted and nothing new, give up the listeners
	 * (their descriptors are closed afterwards), end what is idle, and call
	 * loop_finish() when the rest is through. NULL: stop at once. */
	void (*stop)(struct worker *worker);
	/* Not through in time: end what is left. Returns how many exchanges that cuts.
	 * The process then ends. NULL: nothing is lost. */
	size_t (*cut)(struct worker *worker);
	/* For what may be done by one generation at a time: called once, at some time
	 * after start(), when no process of an older generation is left in the role.
	 * Until then a process that stands by says that it is ready. NULL: side by
	 * side. */
	void (*take_over)(struct worker *worker);
	/* In the supervisor: a process of the role has died, whose slot another will
	 * have. Takes back what it held in shared memory. NULL: nothing. */
	void (*bury)(size_t slot);
	unsigned rights; /* of enum sandbox_right; 0: only what all have */
	bool is_blocking;
	bool is_answerer; /* has channels[1] of every process of roles that ask it */
	/* Who asks it waits for the answer: its channels are hatches (hatch.h), of
	 * which both sides have the same descriptor. */
	bool is_at_hatch;
	/* Names of the roles that this one asks, NULL at the end; NULL: none. */
	const char *const *asks;
};

struct supervisor_spec {
	const char *program;
	const char *summary; /* one line for --help */
	const char *default_config;
	const struct config_spec *config;
	const struct supervisor_role *roles;
	size_t n_roles;
	const struct metric *metrics;
	size_t n_metrics;
	/* Checks beyond single keys (files that must agree). Writes a line for each
	 * error, without the name of the file. NULL: none. */
	bool (*check)(const void *config, FILE *errors);
	/* Which certificates and revocation lists end. Fills an empty plan. NULL: none.
	 */
	void (*expiring)(const void *config, struct expiry_plan *plan);
};

/**
 * Be the daemon: parse the command line (-c FILE, -t, --dump-config, --help,
 * --help-config, --version), run, and return the exit code for main().
 *
 * Until all processes have started, what one of them logs as an ERROR is a WARN: the
 * failure is told once, as ERROR ev=start_failed or ev=reload_failed with the reason.
 *
 * Logs ev=ready when every process is ready, ev=not_ready and ev=ready as that
 * changes, ev=child_exit when a process ends, ev=stopped at the end. Until the first
 * ev=ready a process that exits with an error ends the daemon with its status; after
 * it, and after crashes, it is started again.
 *
 * What expires is told at the start, at a reload and every hour: ev=expiring, then
 * ev=expired.
 *
 * SIGHUP: ev=reload, then ev=reloaded or ev=reload_failed, which changes nothing.
 * SIGTERM and SIGINT: drain and exit with 0; the second one cuts what is left.
 */
int supervisor_main(const struct supervisor_spec *spec, int argc, char **argv);

/** A worker says it has started, and later that its dependencies come and go. The
 * daemon is ready while all its processes are. */
void worker_set_ready(struct worker *worker, bool is_ready);
/** start() of a role that is_answerer: be ready, and answer with its secrets until
 * nobody is left to ask. True. */
bool worker_answer(struct worker *worker, child_handler_fn *answer);

#endif
