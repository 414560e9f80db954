#include "base/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/hatch.h"

#define MAX_ADDRESSES 64

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

/* Slots of small daemons stay close together, whichever generation they are of. */
static size_t slot_of(size_t place, size_t process)
{
	return 1 + process * BOARD_GENERATIONS + place; /* 0 is the supervisor's */
}

static void add_process(struct roster *roster, const struct roster_parts *parts,
			size_t role, size_t index)
{
	struct process *process = &roster->processes[roster->n];

	*process = (struct process){
		.role = &parts->roles[role],
		.role_index = role,
		.state = &parts->states[roster->n],
		.worker = { .spec = parts->spec,
			    .config = parts->config,
			    .index = index,
			    .slot = slot_of(parts->place, roster->n) },
	};
	*process->state = (struct process_state){
		.role = process->role->name,
		.index = index,
	};
	roster->n++;
}

static bool add_processes(struct roster *roster, const struct roster_parts *parts)
{
	size_t n = 0;

	for (size_t i = 0; i < parts->n_roles; i++)
		n += count_of(&parts->roles[i], parts->config);
	if (n > BOARD_PROCESSES) {
		log_error("too_many_processes", log_num("n", (int64_t)n),
			  log_num("most", BOARD_PROCESSES));
		return false;
	}
	roster->processes = allocate(n, sizeof(*roster->processes));
	for (size_t i = 0; i < parts->n_roles; i++) {
		size_t count = count_of(&parts->roles[i], parts->config);
		for (size_t index = 0; index < count; index++)
			add_process(roster, parts, i, index);
	}
	return true;
}

/* As many slots as an address ever had workers: what waits in the sockets of those that
 * are no more is served by those that are. */
static size_t count_slots(const struct sockets *sockets, const char *const *addresses,
			  size_t n, size_t n_workers)
{
	size_t n_slots = n_workers;

	for (size_t i = 0; i < n; i++) {
		size_t count = sockets_count(sockets, addresses[i]);
		if (count > n_slots)
			n_slots = count;
	}
	return n_slots;
}

static bool add_listeners(struct process *process, const struct roster_parts *parts)
{
	const struct supervisor_role *role = process->role;
	struct worker *worker = &process->worker;
	const char *addresses[MAX_ADDRESSES];

	if (!role->listeners)
		return true;
	size_t n = role->listeners(parts->config, addresses, MAX_ADDRESSES);
	size_t n_workers = count_of(role, parts->config);
	size_t n_slots = count_slots(parts->sockets, addresses, n, n_workers);
	int *fds = allocate(n * (n_slots / n_workers + 1), sizeof(*fds));
	worker->listeners = fds;
	for (size_t slot = worker->index; slot < n_slots; slot += n_workers)
		for (size_t i = 0; i < n; i++) {
			int fd = sockets_get(parts->sockets, addresses[i], slot,
					     (unsigned)parts->place);
			if (fd < 0)
				return false;
			fds[worker->n_listeners++] = fd;
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

/* Make what @p role is asked through: [0] for who asks, [1] for who answers. */
static bool open_ends(struct roster *roster, const struct supervisor_role *role,
		      int fds[2])
{
	int error = 0;

	if (role->is_at_hatch)
		fds[0] = fds[1] = hatch_make();
	else
		error = child_channel(fds);
	if (error != 0 || fds[0] < 0) {
		log_error("channel_failed", log_str("why", strerror(errno)));
		return false;
	}
	roster->ends[roster->n_ends++] = fds[0];
	if (fds[1] != fds[0])
		roster->ends[roster->n_ends++] = fds[1];
	return true;
}

static const struct supervisor_role *find_answerer(const struct roster *roster,
						   const char *name)
{
	for (size_t i = 0; i < roster->n; i++) {
		const struct supervisor_role *role = roster->processes[i].role;
		if (role->is_answerer && strcmp(role->name, name) == 0)
			return role;
	}
	BUG_ON(true);
}

/* A channel between a process and all those of the role that it asks. */
static bool add_channel(struct roster *roster, struct process *asker, const char *name,
			size_t n_channels)
{
	const struct supervisor_role *role = find_answerer(roster, name);
	int fds[2];

	if (!open_ends(roster, role, fds))
		return false;
	add_end(asker, fds[0], n_channels);
	for (size_t i = 0; i < roster->n; i++)
		if (roster->processes[i].role == role)
			add_end(&roster->processes[i], fds[1], n_channels);
	return true;
}

static bool add_channels(struct roster *roster)
{
	size_t n_channels = 0;

	for (size_t i = 0; i < roster->n; i++)
		n_channels += count_asks(roster->processes[i].role);
	roster->ends = allocate(2 * n_channels, sizeof(*roster->ends));
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

bool roster_open(struct roster *roster, const struct roster_parts *parts)
{
	*roster = (struct roster){ .n = 0 };
	if (!add_processes(roster, parts))
		return false;
	for (size_t i = 0; i < roster->n; i++)
		if (!add_listeners(&roster->processes[i], parts))
			return false;
	return add_channels(roster);
}

void roster_close(struct roster *roster)
{
	for (size_t i = 0; i < roster->n_ends; i++)
		close(roster->ends[i]);
	free(roster->ends);
	for (size_t i = 0; i < roster->n; i++) {
		free((void *)(uintptr_t)roster->processes[i].worker.listeners);
		free((void *)(uintptr_t)roster->processes[i].worker.channels);
	}
	free(roster->processes);
	*roster = (struct roster){ .n = 0 };
}
