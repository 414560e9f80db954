#include "base/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/conn.h"

#define MAX_ADDRESSES 64

struct builder {
	struct roster *roster;
	const struct supervisor_spec *spec;
	const struct supervisor_role *roles;
	size_t n_roles;
	const void *config;
};

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	BUG_ON(!p);
	return p;
}

static size_t count_of(const struct supervisor_role *role, const void *config)
{
	return role->count ? role->count(config) : 1;
}

static void add_processes(struct builder *builder)
{
	struct roster *roster = builder->roster;

	for (size_t i = 0; i < builder->n_roles; i++)
		roster->n += count_of(&builder->roles[i], builder->config);
	roster->processes = allocate(roster->n, sizeof(*roster->processes));
	roster->states = process_states_new(roster->n);
	struct process *process = roster->processes;
	for (size_t i = 0; i < builder->n_roles; i++) {
		const struct supervisor_role *role = &builder->roles[i];
		size_t count = count_of(role, builder->config);
		for (size_t index = 0; index < count; index++, process++) {
			size_t slot = (size_t)(process - roster->processes);
			process->role = role;
			process->metrics_slot = slot + 1; /* 0 is the supervisor's */
			process->state = &roster->states[slot];
			process->state->role = role->name;
			process->state->index = index;
			process->worker.spec = builder->spec;
			process->worker.config = builder->config;
			process->worker.index = index;
		}
	}
}

/* A socket for each worker slot; of a Unix socket there is only one, for all. */
static int open_listener(const char *address, const struct process *first,
			 const struct process *process, size_t i)
{
	if (first == process)
		return listener_open(address);
	if (strncmp(address, "unix:", 5) == 0)
		return first->worker.listeners[i];
	return listener_join(address);
}

static bool add_listeners(struct builder *builder, struct process *process,
			  const struct process *first)
{
	const struct supervisor_role *role = process->role;
	const char *addresses[MAX_ADDRESSES];

	if (!role->listeners)
		return true;
	size_t n = role->listeners(builder->config, addresses, MAX_ADDRESSES);
	int *fds = allocate(n, sizeof(*fds));
	process->worker.listeners = fds;
	for (; process->worker.n_listeners < n; process->worker.n_listeners++) {
		size_t i = process->worker.n_listeners;
		fds[i] = open_listener(addresses[i], first, process, i);
		if (fds[i] < 0)
			return false;
	}
	return true;
}

static size_t count_asks(const struct supervisor_role *role)
{
	size_t n = 0;

	while (role->asks && role->asks[n])
		n++;
	return n;
}

/* Give a process one more end of a channel. Room is for all channels of the daemon. */
static void add_end(struct process *process, int fd, size_t n_channels)
{
	struct worker *worker = &process->worker;

	if (worker->n_channels == 0)
		worker->channels = allocate(n_channels, sizeof(*worker->channels));
	((int *)worker->channels)[worker->n_channels++] = fd; /* ours until the fork */
}

/* A channel between a process and all those of the role that it asks. */
static bool add_channel(struct roster *roster, struct process *asker, const char *role,
			size_t n_channels)
{
	bool is_answered = false;
	int fds[2];

	if (child_channel(fds) != 0) {
		log_error("channel_failed", log_str("why", strerror(errno)));
		return false;
	}
	add_end(asker, fds[0], n_channels);
	for (size_t i = 0; i < roster->n; i++) {
		struct process *process = &roster->processes[i];
		if (!process->role->is_answerer ||
		    strcmp(process->role->name, role) != 0)
			continue;
		add_end(process, fds[1], n_channels);
		is_answered = true;
	}
	BUG_ON(!is_answered);
	return true;
}

static bool add_channels(struct roster *roster)
{
	size_t n_channels = 0;

	for (size_t i = 0; i < roster->n; i++)
		n_channels += count_asks(roster->processes[i].role);
	for (size_t i = 0; i < roster->n; i++) {
		struct process *asker = &roster->processes[i];
		size_t n = count_asks(asker->role);
		BUG_ON(n > 0 && asker->role->is_answerer);
		for (size_t j = 0; j < n; j++)
			if (!add_channel(roster, asker, asker->role->asks[j],
					 n_channels))
				return false;
	}
	return true;
}

bool roster_open(struct roster *roster, const struct supervisor_spec *spec,
		 const struct supervisor_role *roles, size_t n_roles,
		 const void *config)
{
	struct builder builder = { roster, spec, roles, n_roles, config };
	const struct process *first = NULL;

	*roster = (struct roster){ .n = 0 };
	add_processes(&builder);
	for (size_t i = 0; i < roster->n; i++) {
		struct process *process = &roster->processes[i];
		if (!first || first->role != process->role)
			first = process;
		if (!add_listeners(&builder, process, first))
			return false;
	}
	return add_channels(roster);
}

static bool is_ready(const struct process_state *state)
{
	return state->pid && __atomic_load_n(&state->is_ready, __ATOMIC_ACQUIRE);
}

const struct process_state *roster_find_unready(const struct roster *roster)
{
	for (size_t i = 0; i < roster->n; i++)
		if (!is_ready(&roster->states[i]))
			return &roster->states[i];
	return NULL;
}

static json_t *describe(const struct process_state *state, int64_t now_ms)
{
	json_t *object = json_pack(
		"{s:s, s:I, s:I, s:b, s:I, s:I}", "role", state->role, "index",
		(json_int_t)state->index, "pid", (json_int_t)state->pid, "ready",
		(int)is_ready(state), "restarts", (json_int_t)state->restarts,
		"uptime_ms", (json_int_t)(state->pid ? now_ms - state->started_ms : 0));

	BUG_ON(!object);
	return object;
}

json_t *roster_describe(const struct roster *roster, int64_t now_ms)
{
	json_t *list = json_array();

	for (size_t i = 0; i < roster->n; i++)
		json_array_append_new(list, describe(&roster->states[i], now_ms));
	return list;
}
