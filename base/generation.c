#include "base/generation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/codec.h"
#include "base/time.h"

#define KILL_MS         5000 /* after drain_timeout */
#define ERROR_AT_DEATHS 5

struct generation {
	struct config *config;
	struct sockets *sockets;
	struct process_common common;
	struct process_user user;
	struct roster roster;
	struct board_generation *board;
	size_t place;
	bool is_ending;        /* those that answer others have been told, too */
	struct timer deadline; /* to be ready; to be gone */
	int admin_fd;
	int exit_status;
	char why[BOARD_WHY_BYTES + 64];
	generation_fn *fn;
	void *arg;
};

static void set_phase(struct generation *generation, enum generation_phase phase)
{
	log_debug("generation", log_num("number", (int64_t)generation->board->number),
		  log_str("from", board_phase_name(generation->board->phase)),
		  log_str("to", board_phase_name(phase)));
	generation->board->phase = phase;
}

static const struct supervisor_config *config_of(const struct generation *generation)
{
	return config_get(generation->config);
}

static void fail(struct generation *generation, int exit_status, const char *role,
		 size_t index, const char *why)
{
	if (generation->exit_status)
		return;
	generation->exit_status = exit_status;
	snprintf(generation->why, sizeof(generation->why), "%s %zu: %s", role, index,
		 why);
	for (size_t i = 0; i < generation->roster.n; i++)
		timer_cancel(&generation->roster.processes[i].restart);
}

/* ---- Making ---- */

static void on_restart(void *arg);
static void on_deadline(void *arg);

/* The admin process is the last of the roster. */
static bool open_admin(struct generation *generation)
{
	const char *address = config_of(generation)->admin;
	struct process *last = &generation->roster.processes[generation->roster.n - 1];

	if (!address[0])
		return true;
	generation->admin_fd =
		sockets_get_admin(generation->sockets, address, generation->user.uid,
				  generation->user.gid, (unsigned)generation->place);
	last->worker.listeners = malloc(sizeof(int));
	BUG_ON(!last->worker.listeners);
	*(int *)(uintptr_t)last->worker.listeners = generation->admin_fd;
	last->worker.n_listeners = 1;
	return generation->admin_fd >= 0;
}

static bool open_roster(struct generation *generation,
			const struct generation_parts *parts)
{
	const struct roster_parts roster = {
		.spec = parts->spec,
		.roles = parts->roles,
		.n_roles = parts->n_roles,
		.config = config_get(parts->config),
		.sockets = parts->sockets,
		.states = generation->board->processes,
		.place = parts->place,
	};

	bool is_open = roster_open(&generation->roster, &roster);
	/* When it fails, too: generation_free() cancels them. */
	for (size_t i = 0; i < generation->roster.n; i++) {
		struct process *process = &generation->roster.processes[i];
		process->owner = generation;
		timer_init(&process->restart, parts->common.loop, on_restart, process);
	}
	return is_open && open_admin(generation);
}

struct generation *generation_new(const struct generation_parts *parts)
{
	struct generation *generation = calloc(1, sizeof(*generation));

	BUG_ON(!generation);
	generation->config = parts->config;
	generation->sockets = parts->sockets;
	generation->user = parts->user;
	generation->common = parts->common;
	generation->common.user = &generation->user;
	generation->common.config = generation->config;
	generation->common.files = config_files(generation->config);
	generation->place = parts->place;
	generation->fn = parts->fn;
	generation->arg = parts->arg;
	generation->board = &parts->common.board->generations[parts->place];
	generation->board->number = parts->number;
	generation->board->started_ms = time_monotonic_ms();
	memcpy(generation->board->config, config_digest(parts->config), SHA256_BYTES);
	timer_init(&generation->deadline, parts->common.loop, on_deadline, generation);
	set_phase(generation, GENERATION_STARTING);
	if (open_roster(generation, parts)) {
		generation->board->n_processes = generation->roster.n;
		return generation;
	}
	generation_free(generation);
	return NULL;
}

void generation_free(struct generation *generation)
{
	BUG_ON(generation_count(generation) > 0);
	timer_cancel(&generation->deadline);
	for (size_t i = 0; i < generation->roster.n; i++)
		timer_cancel(&generation->roster.processes[i].restart);
	sockets_release(generation->sockets, (unsigned)generation->place);
	roster_close(&generation->roster);
	config_free(generation->config);
	set_phase(generation, GENERATION_NONE);
	generation->board->n_processes = 0;
	free(generation);
}

/* ---- Starting ---- */

static void schedule(struct process *process)
{
	const struct generation *generation = process->owner;
	int64_t lived_ms = loop_now_ms(generation->common.loop) - process->started_ms;

	timer_start(&process->restart, process_backoff_ms(process, lived_ms));
}

static void start(struct process *process)
{
	const struct generation *generation = process->owner;

	process->is_judged = generation->board->phase == GENERATION_STARTING;
	if (process_start(process, &generation->common))
		return;
	log_error("fork_failed", log_str("role", process->role->name),
		  log_str("why", strerror(errno)));
	process->started_ms = loop_now_ms(generation->common.loop);
	schedule(process);
}

static void on_restart(void *arg)
{
	struct process *process = arg;
	const struct generation *generation = process->owner;
	struct board *board = generation->common.board;

	process->state->restarts++;
	board->n_restarts[process->role_index][process->worker.index]++;
	start(process);
}

void generation_start(struct generation *generation, int64_t limit_ms)
{
	for (size_t i = 0; i < generation->roster.n; i++)
		start(&generation->roster.processes[i]);
	if (limit_ms > 0)
		timer_start(&generation->deadline, limit_ms);
}

void generation_serve(struct generation *generation)
{
	timer_cancel(&generation->deadline);
	set_phase(generation, GENERATION_SERVING);
}

/* ---- Ending ---- */

static size_t count_running(const struct generation *generation, bool is_answerer)
{
	size_t n = 0;

	for (size_t i = 0; i < generation->roster.n; i++)
		n += generation->roster.processes[i].pid != 0 &&
		     generation->roster.processes[i].role->is_answerer == is_answerer;
	return n;
}

static void signal_running(struct generation *generation, bool is_answerer, int signum)
{
	for (size_t i = 0; i < generation->roster.n; i++) {
		const struct process *process = &generation->roster.processes[i];
		if (process->pid && process->role->is_answerer == is_answerer)
			kill(process->pid, signum);
	}
}

/* Those that answer are ended when nobody is left to ask. */
static void go_on_ending(struct generation *generation)
{
	if (count_running(generation, false) > 0)
		return;
	if (!generation->is_ending)
		signal_running(generation, true, SIGTERM);
	generation->is_ending = true;
	for (size_t i = 0; i < generation->roster.n; i++)
		timer_cancel(&generation->roster.processes[i].restart);
	if (count_running(generation, true) > 0)
		return;
	timer_cancel(&generation->deadline);
	set_phase(generation, GENERATION_ENDED);
}

void generation_drain(struct generation *generation)
{
	if (generation->board->phase >= GENERATION_DRAINING)
		return;
	set_phase(generation, GENERATION_DRAINING);
	for (size_t i = 0; i < generation->roster.n; i++)
		if (!generation->roster.processes[i].role->is_answerer)
			timer_cancel(&generation->roster.processes[i].restart);
	sockets_release(generation->sockets, (unsigned)generation->place);
	signal_running(generation, false, SIGTERM);
	timer_start(&generation->deadline,
		    config_of(generation)->drain_timeout_ms + KILL_MS);
	go_on_ending(generation);
}

void generation_hurry(struct generation *generation)
{
	if (generation->board->phase != GENERATION_DRAINING)
		return;
	signal_running(generation, false, SIGTERM);
	timer_start(&generation->deadline, KILL_MS);
}

static void on_deadline(void *arg)
{
	struct generation *generation = arg;
	const struct process_state *unready;

	if (generation->board->phase == GENERATION_DRAINING) {
		log_warn("stop_forced",
			 log_num("generation", (int64_t)generation->board->number),
			 log_num("processes", (int64_t)generation_count(generation)));
		signal_running(generation, false, SIGKILL);
		signal_running(generation, true, SIGKILL);
		return;
	}
	unready = board_find_unready(generation->board);
	if (unready)
		fail(generation, SUPERVISOR_EXIT_FAILED, unready->role, unready->index,
		     unready->why[0] ? unready->why : "is not ready in time");
	generation->fn(generation, generation->arg);
}

/* Whether a process that has died is started again: of a generation that has failed
 * none is, for nobody will ever need it. */
static bool is_replaced(const struct generation *generation,
			const struct process *process)
{
	if (generation->exit_status)
		return false;
	switch (generation->board->phase) {
	case GENERATION_STARTING: return true;
	case GENERATION_SERVING: return true;
	case GENERATION_DRAINING:
		return process->role->is_answerer && !generation->is_ending;
	default: return false;
	}
}

/* What is wrong from the start is not better at the second try. */
static bool has_given_up(const struct generation *generation, int status)
{
	return generation->board->phase == GENERATION_STARTING && WIFEXITED(status) &&
	       WEXITSTATUS(status) != 0;
}

/* How a process ends that drains; by the signal itself when it had only been forked. */
static bool is_clean(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) == 0
				 : WTERMSIG(status) == SIGTERM;
}

static void bury(struct generation *generation, struct process *process, int status)
{
	pid_t pid = process->pid;

	process->pid = 0;
	process->state->pid = 0;
	process->state->is_ready = false;
	metrics_retire_slot(process->worker.slot);
	if (process->role->bury)
		process->role->bury(process->worker.slot);
	bool is_hopeless = has_given_up(generation, status);
	if (is_hopeless)
		fail(generation, WEXITSTATUS(status), process->role->name,
		     process->worker.index,
		     process->state->why[0] ? process->state->why : "has given up");
	bool is_wanted = is_replaced(generation, process);
	if (is_wanted)
		schedule(process);
	if (!is_wanted && is_clean(status))
		return;
	process_log_end(process, pid, status,
			process->quick_deaths >= ERROR_AT_DEATHS ? LOG_LEVEL_ERROR
								 : LOG_LEVEL_WARN);
}

bool generation_bury(struct generation *generation, pid_t pid, int status)
{
	for (size_t i = 0; i < generation->roster.n; i++)
		if (generation->roster.processes[i].pid == pid) {
			bury(generation, &generation->roster.processes[i], status);
			if (generation->board->phase == GENERATION_DRAINING)
				go_on_ending(generation);
			return true;
		}
	return false;
}

/* ---- Asking and telling ---- */

bool generation_has(const struct generation *generation, size_t role)
{
	for (size_t i = 0; i < generation->roster.n; i++)
		if (generation->roster.processes[i].pid &&
		    generation->roster.processes[i].role_index == role)
			return true;
	return false;
}

void generation_let(struct generation *generation, size_t role)
{
	for (size_t i = 0; i < generation->roster.n; i++) {
		struct process *process = &generation->roster.processes[i];
		if (process->role_index != role || process->state->is_alone)
			continue;
		__atomic_store_n(&process->state->is_alone, true, __ATOMIC_RELEASE);
		if (process->pid)
			kill(process->pid, SIGUSR1);
	}
}

enum generation_phase generation_phase(const struct generation *generation)
{
	return generation->board->phase;
}

size_t generation_place(const struct generation *generation)
{
	return generation->place;
}

uint64_t generation_number(const struct generation *generation)
{
	return generation->board->number;
}

const void *generation_config(const struct generation *generation)
{
	return config_get(generation->config);
}

const struct files *generation_files(const struct generation *generation)
{
	return generation->common.files;
}

size_t generation_count(const struct generation *generation)
{
	return count_running(generation, false) + count_running(generation, true);
}

int generation_failure(const struct generation *generation, const char **why)
{
	*why = generation->why;
	return generation->exit_status;
}
