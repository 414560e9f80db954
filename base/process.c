#include "base/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beat.h"
#include "base/hatch.h"
#include "base/orders.h"
#include "base/sandbox.h"
#include "base/secret.h"
#include "base/time.h"

#define QUICK_MS       5000
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 5000

/* Of this process, once it has been forked. */
static struct {
	struct process_state *state;
	const struct supervisor_role *role;
	int notify_fd;
	char program[64]; /* as in the log */
	struct timer beat;
} self;

void worker_set_ready(struct worker *worker, bool is_ready)
{
	const uint64_t one = 1;

	(void)worker; /* a process is one worker */
	if (!self.state || self.state->is_ready == is_ready)
		return;
	__atomic_store_n(&self.state->is_ready, is_ready, __ATOMIC_RELEASE);
	/* Fails only when billions of changes wait to be seen. */
	(void)!write(self.notify_fd, &one, sizeof(one));
}

bool worker_answer(struct worker *worker, child_handler_fn *answer)
{
	worker_set_ready(worker, true);
	(self.role->is_at_hatch ? hatch_serve : child_serve)(
		worker->channels, worker->n_channels, answer, worker->secrets);
	return true;
}

enum log_level process_log_level(const void *config)
{
	enum log_level level = LOG_LEVEL_INFO;

	log_level_parse(slice_of(((const struct supervisor_config *)config)->log_level),
			&level);
	return level;
}

/* ---- In the new process ---- */

/* "provbox-server: landnet 0" in ps(1). */
static void set_title(const struct process *process,
		      const struct process_common *common)
{
	const char *program = process->worker.spec->program;

	snprintf(self.program, sizeof(self.program), "%s/%s", program,
		 process->role->name);
	memset(common->title, 0, common->title_size);
	snprintf(common->title, common->title_size, "%s: %s %zu", program,
		 process->role->name, process->worker.index);
	prctl(PR_SET_NAME, process->role->name);
}

static void reset_signals(void)
{
	static const struct {
		int signum;
		void (*handler)(int);
	} rows[] = {
		{ SIGTERM, SIG_DFL }, { SIGCHLD, SIG_DFL },
		{ SIGINT, SIG_IGN }, /* of the terminal: the supervisor decides */
		{ SIGHUP, SIG_IGN },  { SIGPIPE, SIG_IGN },
		{ SIGUSR1, SIG_IGN }, /* until orders_hear() */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		signal(rows[i].signum, rows[i].handler);
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* All descriptors but the standard ones and those that this process is given; the files
 * until they are loaded. */
static void close_others(const struct process *process,
			 const struct process_common *common)
{
	const struct worker *worker = &process->worker;
	size_t n_files = files_count(common->files), n = 0;
	int next = STDERR_FILENO + 1;
	int *kept = calloc(worker->n_listeners + worker->n_channels + n_files + 1,
			   sizeof(*kept));

	BUG_ON(!kept);
	for (size_t i = 0; i < worker->n_listeners; i++)
		kept[n++] = worker->listeners[i];
	for (size_t i = 0; i < worker->n_channels; i++)
		kept[n++] = worker->channels[i];
	for (size_t i = 0; i < n_files; i++)
		kept[n++] = files_descriptor(common->files, i);
	kept[n++] = common->notify_fd;
	qsort(kept, n, sizeof(kept[0]), compare_fds);
	for (size_t i = 0; i < n; i++) {
		if (kept[i] > next)
			close_range((unsigned)next, (unsigned)kept[i] - 1, 0);
		next = kept[i] + 1;
	}
	close_range((unsigned)next, ~0u, 0);
	free(kept);
}

static void close_files(const struct files *files)
{
	files_use(NULL);
	for (size_t i = 0; i < files_count(files); i++)
		close(files_descriptor(files, i));
}

static _Noreturn void give_up(const char *event)
{
	log_error(event, log_str("why", strerror(errno)));
	exit(SUPERVISOR_EXIT_FAILED);
}

/* Whatever the process opens from here on, it finds nothing. */
static void leave_files(void)
{
	if (sandbox_leave_files())
		return;
	if (errno != EPERM)
		give_up("root_kept");
	log_warn("root_kept", log_str("hint", "root lacks CAP_SYS_CHROOT here"));
}

static void drop_privileges(const struct process_user *user, unsigned rights)
{
	/* Groups stand in files, too. */
	if (user->is_switched && initgroups(user->name, user->gid) != 0)
		give_up("privileges_kept");
	if (geteuid() == 0 && sandbox_is_strict(rights))
		leave_files();
	if (!user->is_switched)
		return;
	if (setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0 || setuid(0) == 0)
		give_up("privileges_kept");
}

/* After the change of user, which undoes some of it. */
static void confine(const struct process *process, pid_t supervisor)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor)
		exit(SUPERVISOR_EXIT_FAILED); /* it has died meanwhile */
	if (!sandbox_enter(process->role->rights, &process->state->forbidden_call))
		give_up("sandbox_failed");
}

static void on_beat(void *arg)
{
	int64_t ms = beat();

	(void)arg;
	if (ms >= 0)
		timer_start(&self.beat, ms);
}

/* Who writes files waits for the disk, however long that takes. */
static void open_beat(const struct process *process, int64_t interval_ms)
{
	bool may_wait = process->role->rights & SANDBOX_MAKE_FILES;

	beat_open(&process->state->beats, may_wait ? 0 : interval_ms);
}

/* While the process may still make descriptors. */
static void open_loop(struct process *process, struct board *board)
{
	process->worker.loop = loop_new();
	orders_hear(process, board);
	timer_init(&self.beat, process->worker.loop, on_beat, NULL);
	timer_start(&self.beat, 0);
}

static int run_loop(struct process *process)
{
	struct worker *worker = &process->worker;

	if (!process->role->start(worker))
		return SUPERVISOR_EXIT_FAILED;
	log_demote_errors(false);
	orders_begin();
	/* The loop is not freed: what it alone knows of is not lost memory. */
	loop_run(worker->loop);
	return 0;
}

static _Noreturn void run(struct process *process, const struct process_common *common,
			  pid_t supervisor, const sigset_t *signals)
{
	const struct supervisor_role *role = process->role;
	struct worker *worker = &process->worker;

	loop_forget(common->loop);
	reset_signals();
	sigprocmask(SIG_SETMASK, signals, NULL);
	self.state = process->state;
	self.role = role;
	self.notify_fd = common->notify_fd;
	set_title(process, common);
	log_open(self.program, process_log_level(worker->config));
	log_keep_error(process->state->why, sizeof(process->state->why));
	log_demote_errors(process->is_judged);
	secret_trust(common->user->uid);
	close_others(process, common);
	metrics_use_slot(process->worker.slot);
	files_use(common->files);
	config_use(common->config);
	if (role->load && !role->load(worker->config, &worker->secrets))
		exit(SUPERVISOR_EXIT_CONFIG);
	close_files(common->files);
	open_beat(process, common->beat_ms);
	if (!role->is_blocking)
		open_loop(process, common->board);
	sandbox_prepare();
	drop_privileges(common->user, role->rights);
	confine(process, supervisor);
	if (!role->is_blocking)
		exit(run_loop(process));
	log_demote_errors(false);
	exit(role->start(worker) ? 0 : SUPERVISOR_EXIT_FAILED);
}

/* ---- In the supervisor ---- */

bool process_user_find(const char *name, struct process_user *out)
{
	*out = (struct process_user){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (geteuid() != 0)
		return true;
	const struct passwd *entry = getpwnam(name);
	if (!entry)
		return false;
	if (entry->pw_uid == 0)
		return true;
	out->is_switched = true;
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
	snprintf(out->name, sizeof(out->name), "%s", name);
	return true;
}

bool process_start(struct process *process, const struct process_common *common)
{
	pid_t supervisor = getpid();
	sigset_t all, before;

	/* A signal to the child must not run the supervisor's handler in it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	process->state->is_ready = false;
	process->state->beats = 0;
	process->state->why[0] = '\0';
	process->state->forbidden_call = -1;
	pid_t pid = fork();
	if (pid == 0)
		run(process, common, supervisor, &before);
	int error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	if (pid < 0)
		return false;
	process->pid = pid;
	process->started_ms = loop_now_ms(common->loop);
	process->state->pid = pid;
	process->state->started_ms = time_monotonic_ms();
	return true;
}

int64_t process_backoff_ms(struct process *process, int64_t lived_ms)
{
	int64_t ms = BACKOFF_MS;

	if (lived_ms >= QUICK_MS)
		process->quick_deaths = 0;
	process->quick_deaths++;
	if (process->quick_deaths == 1)
		return 0;
	for (unsigned i = 2; i < process->quick_deaths && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

void process_status_text(int status, char *out, size_t size)
{
	const char *name;

	if (WIFEXITED(status))
		snprintf(out, size, "%d", WEXITSTATUS(status));
	else if ((name = sigabbrev_np(WTERMSIG(status))))
		snprintf(out, size, "SIG%s", name);
	else
		snprintf(out, size, "signal_%d", WTERMSIG(status));
}

/* One line, whatever it died of. */
void process_log_end(const struct process *process, pid_t pid, int status,
		     enum log_level level)
{
	int number = process->state->forbidden_call;
	bool is_forbidden = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	char text[32], call[32] = "";

	process_status_text(status, text, sizeof(text));
	if (number >= 0)
		sandbox_call_name(number, call, sizeof(call));
	const struct log_field fields[] = {
		log_str("role", process->role->name),
		log_num("index", (int64_t)process->worker.index),
		log_num("pid", pid),
		log_str("status", text),
		log_num("deaths", process->quick_deaths),
		/* An attack, or our fault. */
		log_str("reason", "call_forbidden"),
		log_str("call", call),
		log_num("number", number),
	};
	size_t n = sizeof(fields) / sizeof(fields[0]);
	log_write(is_forbidden ? LOG_LEVEL_ERROR : level, "child_exit", fields,
		  is_forbidden ? n : n - 3);
}
