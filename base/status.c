#include "base/status.h"

#include <inttypes.h>
#include <time.h>

#include "base/admin.h"
#include "base/time.h"

#define DIGEST_SHOWN 8 /* bytes of it */

static struct {
	const struct supervisor_spec *spec;
	const struct board *board;
	struct admin *admin; /* in the admin process */
} self;

void status_open(const struct supervisor_spec *spec, const struct board *board)
{
	self.spec = spec;
	self.board = board;
}

/* ---- /status ---- */

/* CPU that a process of ours has used; 0 when it is gone. */
static int64_t cpu_ms(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0)
		return 0;
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static json_t *describe_process(const struct process_state *state, int64_t now_ms)
{
	json_t *object = json_pack(
		"{s:s, s:I, s:I, s:b, s:I, s:I, s:I}", "role", state->role, "index",
		(json_int_t)state->index, "pid", (json_int_t)state->pid, "ready",
		(int)(state->pid && state->is_ready), "restarts",
		(json_int_t)state->restarts, "uptime_ms",
		(json_int_t)(state->pid ? now_ms - state->started_ms : 0), "cpu_ms",
		(json_int_t)cpu_ms(state->pid));

	BUG_ON(!object);
	return object;
}

static json_t *describe_generation(const struct board_generation *generation,
				   int64_t now_ms)
{
	char digest[2 * DIGEST_SHOWN + 1];
	json_t *processes = json_array();

	for (size_t i = 0; i < DIGEST_SHOWN; i++)
		snprintf(digest + 2 * i, 3, "%02x", generation->config[i]);
	for (size_t i = 0; i < generation->n_processes; i++)
		json_array_append_new(
			processes, describe_process(&generation->processes[i], now_ms));
	json_t *object = json_pack("{s:I, s:s, s:I, s:s, s:o}", "number",
				   (json_int_t)generation->number, "phase",
				   board_phase_name(generation->phase), "age_ms",
				   (json_int_t)(now_ms - generation->started_ms),
				   "config_sha256", digest, "processes", processes);
	BUG_ON(!object);
	return object;
}

static json_t *describe_reload(const struct board_reload *reload)
{
	char at[25] = "";

	if (reload->at_ms)
		time_format(reload->at_ms, at);
	json_t *object = json_pack("{s:s, s:s, s:s}", "result",
				   board_result_name(reload->result), "at", at, "why",
				   reload->why);
	BUG_ON(!object);
	return object;
}

static json_t *describe_expiries(const struct board_generation *current)
{
	int64_t now_s = time_now_ms() / 1000;
	json_t *files = json_array();

	for (size_t i = 0; i < current->n_expiries; i++) {
		const struct board_expiry *file = &current->expiries[i];
		char at[25];
		if (file->end_s == EXPIRY_NEVER)
			continue;
		time_format(file->end_s * 1000, at);
		json_array_append_new(
			files, json_pack("{s:s, s:s, s:I}", "key", file->key, "at", at,
					 "left_s", (json_int_t)(file->end_s - now_s)));
	}
	return files;
}

static json_t *status(void)
{
	const struct board *board = self.board;
	int64_t now_ms = time_monotonic_ms();
	json_t *generations = json_array();

	for (size_t i = 0; i < BOARD_GENERATIONS; i++)
		if (board->generations[i].phase != GENERATION_NONE)
			json_array_append_new(
				generations,
				describe_generation(&board->generations[i], now_ms));
	json_t *object = json_pack(
		"{s:s, s:s, s:b, s:I, s:I, s:o, s:o, s:o}", "program",
		self.spec->program, "version", PACKAGE_VERSION, "ready",
		(int)board_is_ready(board), "uptime_ms",
		(json_int_t)(now_ms - board->started_ms), "generation",
		(json_int_t)board->generations[board->current].number, "generations",
		generations, "reload", describe_reload(&board->reload), "expiries",
		describe_expiries(&board->generations[board->current]));
	BUG_ON(!object);
	return object;
}

/* ---- /metrics ---- */

/* provbox-server gives provbox_server. */
static void fill_prefix(char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = self.spec->program; *p && n < size - 1; p++)
		out[n++] = *p == '-' ? '_' : *p;
	out[n] = '\0';
}

static void put_header(struct evbuffer *out, const char *prefix, const char *name,
		       const char *type, const char *help)
{
	evbuffer_add_printf(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", prefix, name,
			    help, prefix, name, type);
}

static void put_reloads(struct evbuffer *out, const char *prefix)
{
	put_header(out, prefix, "reloads_total", "counter",
		   "Reloads by SIGHUP, by result.");
	for (enum reload_result i = RELOAD_DONE; i < RELOAD_N_RESULTS; i++)
		evbuffer_add_printf(
			out, "%s_reloads_total{result=\"%s\"} %" PRIu64 "\n", prefix,
			board_result_name(i), self.board->n_reloads[i]);
}

static size_t role_index(const struct process_state *state)
{
	size_t i = 0;

	while (i < self.spec->n_roles && self.spec->roles[i].name != state->role)
		i++;
	return i; /* the admin's is behind them */
}

static void put_restarts(struct evbuffer *out, const char *prefix)
{
	const struct board *board = self.board;
	const struct board_generation *current = &board->generations[board->current];

	put_header(out, prefix, "restarts_total", "counter",
		   "Processes started again.");
	for (size_t i = 0; i < current->n_processes; i++) {
		const struct process_state *state = &current->processes[i];
		evbuffer_add_printf(
			out,
			"%s_restarts_total{role=\"%s\",index=\"%zu\"} %" PRIu64 "\n",
			prefix, state->role, state->index,
			board->n_restarts[role_index(state)][state->index]);
	}
}

static void put_cpu(struct evbuffer *out, const char *prefix)
{
	const struct board *board = self.board;
	const struct board_generation *current = &board->generations[board->current];

	put_header(out, prefix, "cpu_seconds_total", "counter",
		   "CPU that each process has used since it was started.");
	for (size_t i = 0; i < current->n_processes; i++) {
		const struct process_state *state = &current->processes[i];
		int64_t ms = cpu_ms(state->pid);
		evbuffer_add_printf(out,
				    "%s_cpu_seconds_total{role=\"%s\",index=\"%zu\"} "
				    "%" PRId64 ".%03d\n",
				    prefix, state->role, state->index, ms / 1000,
				    (int)(ms % 1000));
	}
}

static void put_expiries(struct evbuffer *out, const char *prefix)
{
	const struct board *board = self.board;
	const struct board_generation *current = &board->generations[board->current];
	int64_t now_s = time_now_ms() / 1000;

	if (!self.spec->expiring)
		return;
	put_header(out, prefix, "expiry_seconds", "gauge",
		   "Until the first certificate or revocation list of a file ends; "
		   "negative since.");
	for (size_t i = 0; i < current->n_expiries; i++)
		if (current->expiries[i].end_s != EXPIRY_NEVER)
			evbuffer_add_printf(
				out, "%s_expiry_seconds{key=\"%s\"} %" PRId64 "\n",
				prefix, current->expiries[i].key,
				current->expiries[i].end_s - now_s);
}

static void render_metrics(struct evbuffer *out)
{
	const struct board *board = self.board;
	char prefix[64];

	fill_prefix(prefix, sizeof(prefix));
	put_header(out, prefix, "ready", "gauge", "Whether all processes are ready.");
	evbuffer_add_printf(out, "%s_ready %d\n", prefix, board_is_ready(board));
	put_header(out, prefix, "generations", "gauge",
		   "Generations of processes, those that drain included.");
	evbuffer_add_printf(out, "%s_generations %zu\n", prefix, board_count(board));
	put_header(out, prefix, "exchanges_cut_total", "counter",
		   "Exchanges that were not through by drain_timeout.");
	evbuffer_add_printf(out, "%s_exchanges_cut_total %" PRIu64 "\n", prefix,
			    __atomic_load_n(&board->n_cut, __ATOMIC_RELAXED));
	put_header(out, prefix, "log_lines_lost_total", "counter",
		   "Lines of the log that could not be written.");
	evbuffer_add_printf(out, "%s_log_lines_lost_total %" PRIu64 "\n", prefix,
			    __atomic_load_n(&board->n_lines_lost, __ATOMIC_RELAXED));
	put_reloads(out, prefix);
	put_restarts(out, prefix);
	put_cpu(out, prefix);
	put_expiries(out, prefix);
}

/* ---- The role ---- */

static bool is_ready(void)
{
	return board_is_ready(self.board);
}

static bool start(struct worker *worker)
{
	static const struct admin_settings settings = {
		.is_ready = is_ready,
		.status = status,
		.metrics = render_metrics,
	};

	self.admin = admin_new(worker->loop, worker->listeners[0], &settings);
	worker_set_ready(worker, true);
	return true;
}

static void on_drained(void *arg)
{
	struct loop *loop = arg;

	admin_free(self.admin);
	self.admin = NULL;
	loop_finish(loop);
}

static void stop(struct worker *worker)
{
	admin_drain(self.admin, on_drained, worker->loop);
}

static size_t count(const void *config)
{
	const struct supervisor_config *own = config;

	return own->admin[0] ? 1 : 0;
}

const struct supervisor_role status_role = {
	.name = "admin",
	.rights = SANDBOX_ACCEPT,
	.count = count,
	.start = start,
	.stop = stop,
};
