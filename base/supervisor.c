#include "base/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/admin.h"
#include "base/codec.h"
#include "base/command.h"
#include "base/process.h"
#include "base/roster.h"
#include "base/systemd.h"

#define STOP_MS         5000 /* then SIGKILL */
#define ERROR_AT_DEATHS 5

enum phase {
	PHASE_STARTING, /* a process that gives up ends the daemon */
	PHASE_READY,
	PHASE_NOT_READY,
	PHASE_STOPPING,
	PHASE_N,
};

static const char *const phase_names[PHASE_N] = {
	[PHASE_STARTING] = "starting",
	[PHASE_READY] = "ready",
	[PHASE_NOT_READY] = "not_ready",
	[PHASE_STOPPING] = "stopping",
};

/* One supervisor is one process; its children read here what they inherit. */
static struct supervisor {
	const struct supervisor_spec *spec;
	const void *config;
	enum phase phase;
	int exit_code;
	struct process_user user;
	struct process_common common;
	struct roster roster; /* roles in the order of the spec, then admin */
	int admin_fd;         /* -1: none */
	struct admin *admin;  /* in the admin process */
	int64_t started_ms;   /* wall clock */
	struct event notified;
	struct timer kill;
} self;

/* ---- Readiness ---- */

static bool is_ready(void)
{
	return roster_find_unready(&self.roster) == NULL;
}

static void set_phase(enum phase phase)
{
	log_debug("phase", log_str("from", phase_names[self.phase]),
		  log_str("to", phase_names[phase]));
	self.phase = phase;
}

/* Follow what the processes say of themselves. */
static void review_readiness(void)
{
	const struct process_state *unready = roster_find_unready(&self.roster);

	if (self.phase == PHASE_STOPPING)
		return;
	if (!unready && self.phase != PHASE_READY) {
		if (self.phase == PHASE_STARTING)
			systemd_notify("READY=1");
		set_phase(PHASE_READY);
		log_info("ready", log_num("processes", (int64_t)self.roster.n));
	} else if (unready && self.phase == PHASE_READY) {
		set_phase(PHASE_NOT_READY);
		log_warn("not_ready", log_str("role", unready->role),
			 log_num("index", (int64_t)unready->index));
	}
}

static void on_notified(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)arg;
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		review_readiness();
}

/* ---- Lives and deaths ---- */

static size_t count_running(void)
{
	size_t n = 0;

	for (size_t i = 0; i < self.roster.n; i++)
		n += self.roster.processes[i].pid != 0;
	return n;
}

static void signal_all(int signum)
{
	for (size_t i = 0; i < self.roster.n; i++)
		if (self.roster.processes[i].pid)
			kill(self.roster.processes[i].pid, signum);
}

static void on_kill(void *arg)
{
	(void)arg;
	log_warn("stop_forced", log_num("processes", (int64_t)count_running()),
		 log_num("after_ms", STOP_MS));
	signal_all(SIGKILL);
}

static void stop(int exit_code)
{
	if (self.phase == PHASE_STOPPING)
		return;
	set_phase(PHASE_STOPPING);
	self.exit_code = exit_code;
	systemd_notify("STOPPING=1");
	for (size_t i = 0; i < self.roster.n; i++)
		timer_cancel(&self.roster.processes[i].restart);
	signal_all(SIGTERM);
	timer_start(&self.kill, STOP_MS);
	if (count_running() == 0)
		loop_stop(self.common.loop);
}

static void schedule(struct process *process)
{
	int64_t lived_ms = loop_now_ms(self.common.loop) - process->started_ms;

	timer_start(&process->restart, process_backoff_ms(process, lived_ms));
}

static void start(struct process *process)
{
	if (process_start(process, &self.common))
		return;
	log_error("fork_failed", log_str("role", process->role->name),
		  log_str("why", strerror(errno)));
	process->started_ms = loop_now_ms(self.common.loop);
	schedule(process);
}

static void on_restart(void *arg)
{
	struct process *process = arg;

	process->state->restarts++;
	start(process);
}

static void bury(struct process *process, int status)
{
	pid_t pid = process->pid;

	process->pid = 0;
	process->state->pid = 0;
	process->state->is_ready = false;
	if (self.phase == PHASE_STOPPING)
		return;
	bool gave_up = WIFEXITED(status) && WEXITSTATUS(status) != 0;
	schedule(process);
	bool is_hopeless = (self.phase == PHASE_STARTING && gave_up) ||
			   process->quick_deaths >= ERROR_AT_DEATHS;
	process_log_end(process, pid, status,
			is_hopeless ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN);
	/* What is wrong from the start is not better at the second try. */
	if (self.phase == PHASE_STARTING && gave_up)
		stop(WEXITSTATUS(status));
}

static void on_child(void *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < self.roster.n; i++)
			if (self.roster.processes[i].pid == pid)
				bury(&self.roster.processes[i], status);
	review_readiness();
	if (self.phase == PHASE_STOPPING && count_running() == 0)
		loop_stop(self.common.loop);
}

static void on_stop(void *arg)
{
	(void)arg;
	stop(0);
}

static void on_hangup(void *arg)
{
	(void)arg;
	log_info("hangup_ignored",
		 log_str("hint", "restart to read the configuration again"));
}

/* ---- The admin process ---- */

static json_t *status(void)
{
	int64_t now_ms = time_now_ms();
	json_t *processes = roster_describe(&self.roster, now_ms);
	json_t *object = json_pack(
		"{s:s, s:s, s:b, s:I, s:o}", "program", self.spec->program, "version",
		PACKAGE_VERSION, "ready", (int)is_ready(), "uptime_ms",
		(json_int_t)(now_ms - self.started_ms), "processes", processes);
	BUG_ON(!object);
	return object;
}

static void render_metrics(struct evbuffer *out)
{
	char prefix[64]; /* provbox-server gives provbox_server */
	size_t n = 0;

	for (const char *p = self.spec->program; *p && n < sizeof(prefix) - 1; p++)
		prefix[n++] = *p == '-' ? '_' : *p;
	prefix[n] = '\0';
	evbuffer_add_printf(out,
			    "# HELP %s_ready Whether all processes are ready.\n"
			    "# TYPE %s_ready gauge\n"
			    "%s_ready %d\n"
			    "# HELP %s_restarts_total Processes started again.\n"
			    "# TYPE %s_restarts_total counter\n",
			    prefix, prefix, prefix, is_ready(), prefix, prefix);
	for (size_t i = 0; i < self.roster.n; i++)
		evbuffer_add_printf(
			out, "%s_restarts_total{role=\"%s\",index=\"%zu\"} %u\n",
			prefix, self.roster.states[i].role, self.roster.states[i].index,
			self.roster.states[i].restarts);
}

static bool start_admin(struct worker *worker)
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

static void stop_admin(struct worker *worker)
{
	admin_free(self.admin);
	self.admin = NULL;
	loop_stop(worker->loop);
}

static size_t count_admin(const void *config)
{
	const struct supervisor_config *own = config;

	return own->admin[0] ? 1 : 0;
}

static const struct supervisor_role admin_role = {
	.name = "admin",
	.rights = SANDBOX_ACCEPT,
	.count = count_admin,
	.start = start_admin,
	.stop = stop_admin,
};

/* ---- The daemon ---- */

/* The roles of the spec, and ours behind them. */
static bool open_roster(void)
{
	const struct supervisor_spec *spec = self.spec;
	struct supervisor_role *roles = calloc(spec->n_roles + 1, sizeof(*roles));

	BUG_ON(!roles);
	memcpy(roles, spec->roles, spec->n_roles * sizeof(*roles));
	roles[spec->n_roles] = admin_role;
	if (!roster_open(&self.roster, spec, roles, spec->n_roles + 1, self.config))
		return false;
	if (count_admin(self.config) == 0)
		return true;
	const struct supervisor_config *own = self.config;
	struct worker *admin = &self.roster.processes[self.roster.n - 1].worker;
	self.admin_fd = admin_listen(own->admin, self.user.uid, self.user.gid);
	admin->listeners = &self.admin_fd;
	admin->n_listeners = 1;
	return self.admin_fd >= 0;
}

static void open_loop(void)
{
	struct loop *loop = loop_new();

	self.common.loop = loop;
	self.common.user = &self.user;
	self.common.notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	BUG_ON(self.common.notify_fd < 0);
	event_assign(&self.notified, loop_base(loop), self.common.notify_fd,
		     EV_READ | EV_PERSIST, on_notified, NULL);
	event_add(&self.notified, NULL);
	timer_init(&self.kill, loop, on_kill, NULL);
	loop_on_signal(loop, SIGCHLD, on_child, NULL);
	loop_on_signal(loop, SIGTERM, on_stop, NULL);
	loop_on_signal(loop, SIGINT, on_stop, NULL);
	loop_on_signal(loop, SIGHUP, on_hangup, NULL);
}

static void run_processes(void)
{
	struct roster *roster = &self.roster;

	for (size_t i = 0; i < roster->n; i++)
		timer_init(&roster->processes[i].restart, self.common.loop, on_restart,
			   &roster->processes[i]);
	for (size_t i = 0; i < roster->n; i++)
		start(&roster->processes[i]);
	loop_run(self.common.loop);
	event_del(&self.notified);
	timer_cancel(&self.kill);
	loop_free(self.common.loop);
}

static int run(const char *path)
{
	const struct supervisor_spec *spec = self.spec;
	const struct supervisor_config *own = self.config;
	struct rlimit files;
	sigset_t ending;

	/* Until there is a loop to hear them. */
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	log_open(spec->program, process_log_level(self.config));
	log_info("starting", log_str("version", PACKAGE_VERSION),
		 log_str("config", path));
	if (!process_user_find(own->user, &self.user)) {
		log_error("user_unknown", log_str("user", own->user));
		return SUPERVISOR_EXIT_CONFIG;
	}
	if (geteuid() == 0 && !self.user.is_switched)
		log_warn("runs_as_root",
			 log_str("hint", "name a user of its own in `user`"));
	/* The soft limit is low for the sake of select(2), which nobody here calls. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!sandbox_enter(SANDBOX_SUPERVISE, NULL)) {
		log_error("sandbox_failed", log_str("why", strerror(errno)));
		return SUPERVISOR_EXIT_FAILED;
	}
	self.started_ms = time_now_ms();
	if (!open_roster())
		return SUPERVISOR_EXIT_UNAVAILABLE;
	if (spec->n_metrics > 0)
		metrics_open(spec->metrics, spec->n_metrics, self.roster.n + 1);
	open_loop();
	sigprocmask(SIG_UNBLOCK, &ending, NULL);
	run_processes();
	if (self.admin_fd >= 0)
		admin_unlisten(own->admin, self.admin_fd);
	log_info("stopped", log_num("status", self.exit_code));
	return self.exit_code;
}

/* ---- The command line ---- */

static bool check_admin(const void *config, const char *path)
{
	const char *address = ((const struct supervisor_config *)config)->admin;

	if (!address[0] || admin_is_local(address))
		return true;
	fprintf(stderr,
		"%s: the admin listener %s is neither unix:/path nor ip:port of "
		"loopback\n",
		path, address);
	return false;
}

/* What is wrong beyond single keys, each line with the file's name. */
static bool check_whole(const void *config, const char *path)
{
	bool is_good = check_admin(config, path);
	char *text = NULL;
	size_t size = 0;

	if (!self.spec->check)
		return is_good;
	FILE *errors = open_memstream(&text, &size);
	BUG_ON(!errors);
	is_good &= self.spec->check(config, errors);
	fclose(errors);
	struct slice rest = slice_make(text, size), line;
	while (slice_next(&rest, '\n', &line))
		if (line.n > 0)
			fprintf(stderr, "%s: %.*s\n", path, (int)line.n, line.p);
	free(text);
	return is_good;
}

/* Whether every role can load what it needs; nothing of it is used. */
static bool check_loads(const void *config)
{
	static void **loaded; /* known until the end: it is not lost memory */
	bool is_good = true;

	log_open(self.spec->program, process_log_level(config));
	loaded = calloc(self.spec->n_roles, sizeof(*loaded));
	BUG_ON(!loaded);
	for (size_t i = 0; i < self.spec->n_roles; i++) {
		const struct supervisor_role *role = &self.spec->roles[i];

		if (role->load)
			is_good &= role->load(config, &loaded[i]);
	}
	return is_good;
}

static int with_config(const struct command *command)
{
	const char *path = command->config_path;
	struct config *config = config_read(self.spec->config, path, stderr);
	int exit_code = SUPERVISOR_EXIT_CONFIG;

	if (!config && access(path, F_OK) != 0)
		fprintf(stderr,
			"%s: name the configuration with -c FILE; its keys: "
			"--help-config\n",
			self.spec->program);
	if (config && check_whole(config_get(config), path) &&
	    (command->mode != COMMAND_CHECK || check_loads(config_get(config)))) {
		exit_code = 0;
		self.config = config_get(config);
		if (command->mode == COMMAND_CHECK)
			printf("%s: ok\n", path);
		else if (command->mode == COMMAND_DUMP)
			config_dump(config, stdout);
		else
			exit_code = run(path);
	}
	config_free(config);
	return exit_code;
}

/* The memory of the command line, in which ps(1) finds the title of a process. */
static void find_title(int argc, char **argv)
{
	char *end = argv[0];

	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(end) + 1;
	self.common.title = argv[0];
	self.common.title_size = (size_t)(end - argv[0]);
}

int supervisor_main(const struct supervisor_spec *spec, int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	self = (struct supervisor){ .spec = spec, .admin_fd = -1 };
	self.user.uid = (uid_t)-1;
	self.user.gid = (gid_t)-1;
	find_title(argc, argv);
	struct command command = command_parse(spec, argc, argv);
	switch (command.mode) {
	case COMMAND_RUN:
	case COMMAND_CHECK:
	case COMMAND_DUMP: return with_config(&command);
	case COMMAND_HELP: command_help(spec, stdout); return 0;
	case COMMAND_HELP_CONFIG: config_describe(spec->config, stdout); return 0;
	case COMMAND_VERSION:
		printf("%s %s\n", spec->program, PACKAGE_VERSION);
		return 0;
	case COMMAND_WRONG: break;
	}
	return SUPERVISOR_EXIT_USAGE;
}
