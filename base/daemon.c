#include "base/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/generation.h"
#include "base/reload.h"
#include "base/status.h"
#include "base/systemd.h"
#include "base/time.h"
#include "base/watchdog.h"

/* One supervisor is one process; its children read here what they inherit. */
static struct daemon {
	const struct supervisor_spec *spec;
	const char *path;              /* of the configuration */
	struct supervisor_role *roles; /* of the spec, then admin */
	size_t n_roles;
	struct board *board;
	struct sockets sockets;
	struct process_common common;
	struct generation *generations[BOARD_GENERATIONS]; /* the oldest first */
	size_t n_generations;
	struct generation *current; /* the one that serves, or the first to start */
	uint64_t last_number;
	bool is_reload_wanted;
	bool has_been_ready;
	bool is_ready;
	bool is_stopping;
	int exit_code;
	struct event notified;
	struct timer expiry_timer;
} self;

static void review(void);

static const struct supervisor_config *settings(void)
{
	return generation_config(self.current);
}

/* ---- Generations ---- */

static struct board_generation *on_board(const struct generation *generation)
{
	return &self.board->generations[generation_place(generation)];
}

static size_t free_place(void)
{
	size_t place = 0;

	while (self.board->generations[place].phase != GENERATION_NONE)
		place++;
	BUG_ON(place >= BOARD_GENERATIONS);
	return place;
}

/* In what one generation at a time may do, the oldest that has processes has its turn.
 */
static void let_take_over(void)
{
	for (size_t role = 0; role < self.n_roles; role++)
		for (size_t i = 0; self.roles[role].take_over && i < self.n_generations;
		     i++) {
			generation_let(self.generations[i], role);
			if (generation_has(self.generations[i], role))
				break;
		}
}

static void on_generation(struct generation *generation, void *arg)
{
	(void)generation;
	(void)arg;
	review();
}

static struct generation *add_generation(struct config *config,
					 const struct process_user *user)
{
	const struct generation_parts parts = {
		.config = config,
		.user = *user,
		.spec = self.spec,
		.roles = self.roles,
		.n_roles = self.n_roles,
		.sockets = &self.sockets,
		.common = self.common,
		.place = free_place(),
		.number = self.last_number,
		.fn = on_generation,
	};
	struct generation *generation = generation_new(&parts);

	if (generation)
		self.generations[self.n_generations++] = generation;
	return generation;
}

static void free_ended(void)
{
	size_t n = 0;

	for (size_t i = 0; i < self.n_generations; i++) {
		struct generation *generation = self.generations[i];
		if (generation_phase(generation) == GENERATION_ENDED &&
		    generation != self.current)
			generation_free(generation);
		else
			self.generations[n++] = generation;
	}
	self.n_generations = n;
}

/* ---- Reloads ---- */

static void use_log_level(void)
{
	log_open(self.spec->program, process_log_level(settings()));
}

/* A reload changes everything but what the rights that we were started with decide. */
static void warn_of_unchanged(const void *config)
{
	const struct supervisor_config *wanted = config;

	if (geteuid() != 0 && strcmp(wanted->user, settings()->user) != 0)
		log_warn("reload_unchanged", log_str("key", "user"),
			 log_str("why", "only a daemon that was started as root can "
					"change it"));
}

/* It existed when the configuration was read. */
static bool find_user(const struct supervisor_config *config, struct process_user *user)
{
	bool is_found = process_user_find(config->user, user);

	if (!is_found)
		log_error("user_unknown", log_str("user", config->user));
	else if (geteuid() == 0 && !user->is_switched)
		log_warn("runs_as_root",
			 log_str("hint", "name a user of its own in `user`"));
	return is_found;
}

static void begin_generation(struct config *config)
{
	char why[BOARD_WHY_BYTES] = "";
	const struct supervisor_config *own = config_get(config);
	int64_t limit_ms = own->reload_timeout_ms;
	struct generation *generation = NULL;
	struct process_user user;

	warn_of_unchanged(own);
	log_keep_error(why, sizeof(why));
	log_demote_errors(true);
	if (find_user(own, &user))
		generation = add_generation(config, &user);
	else
		config_free(config);
	log_demote_errors(false);
	log_keep_error(NULL, 0);
	if (!generation) {
		reload_end(self.board, self.last_number, RELOAD_FAILED, why);
		return;
	}
	let_take_over();
	generation_start(generation, limit_ms);
}

static void begin_reload(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);

	BUG_ON(!errors);
	self.is_reload_wanted = false;
	self.last_number++;
	reload_begin(self.board, self.last_number);
	struct config *config = check_read(self.spec, self.path, errors);
	fclose(errors);
	if (config)
		begin_generation(config);
	else
		reload_end(self.board, self.last_number, RELOAD_REFUSED, text);
	free(text);
}

/* One start at a time, and so many generations at most. */
static bool may_reload(void)
{
	return self.has_been_ready && self.n_generations < BOARD_GENERATIONS &&
	       generation_phase(self.generations[self.n_generations - 1]) !=
		       GENERATION_STARTING;
}

/* ---- What expires ---- */

static void tell_expiries(void)
{
	const struct board_generation *shown = on_board(self.current);
	struct expiry_plan plan = { .n = 0 };

	self.spec->expiring(settings(), &plan);
	for (size_t i = 0; i < shown->n_expiries; i++)
		expiry_tell(&plan.files[i], shown->expiries[i].end_s,
			    time_now_ms() / 1000, plan.warning_ms);
}

static void on_expiry_timer(void *arg)
{
	(void)arg;
	tell_expiries();
	timer_start(&self.expiry_timer, EXPIRY_INTERVAL_MS);
}

/* Before it is the current one, which the admin process reads. */
static void read_expiries(const struct generation *generation)
{
	struct board_generation *shown = on_board(generation);
	struct expiry_plan plan = { .n = 0 };

	self.spec->expiring(generation_config(generation), &plan);
	files_use(generation_files(generation));
	for (size_t i = 0; i < plan.n; i++) {
		memcpy(shown->expiries[i].key, plan.files[i].key, EXPIRY_KEY_BYTES);
		shown->expiries[i].end_s = expiry_read(plan.files[i].path);
	}
	files_use(NULL);
	shown->n_expiries = plan.n;
}

/* ---- Judging what has become of them ---- */

static void stop(int exit_code)
{
	if (self.is_stopping)
		return;
	self.is_stopping = true;
	self.exit_code = exit_code;
	timer_cancel(&self.expiry_timer);
	systemd_notify("STOPPING=1");
	for (size_t i = 0; i < self.n_generations; i++)
		generation_drain(self.generations[i]);
}

static void succeed(struct generation *generation)
{
	struct generation *before = self.current;

	generation_serve(generation);
	if (self.spec->expiring) {
		read_expiries(generation);
		timer_start(&self.expiry_timer, 0);
	}
	if (generation == before)
		return;
	self.current = generation;
	__atomic_store_n(&self.board->current, generation_place(generation),
			 __ATOMIC_RELEASE);
	use_log_level();
	generation_drain(before);
	reload_end(self.board, generation_number(generation), RELOAD_DONE, "");
}

static void judge_start(void)
{
	struct generation *newest = self.generations[self.n_generations - 1];
	const char *why;

	if (generation_phase(newest) != GENERATION_STARTING)
		return;
	int failure = generation_failure(newest, &why);
	if (failure && newest == self.current) {
		log_error("start_failed", log_str("why", why));
		stop(failure);
	} else if (failure) {
		generation_drain(newest);
		reload_end(self.board, generation_number(newest), RELOAD_FAILED, why);
	} else if (!board_find_unready(on_board(newest))) {
		succeed(newest);
	}
}

/* Follow what the processes say of themselves. */
static void judge_readiness(void)
{
	const struct process_state *unready =
		board_find_unready(on_board(self.current));

	if (!unready && !self.is_ready) {
		if (!self.has_been_ready)
			systemd_notify("READY=1");
		self.has_been_ready = true;
		log_info("ready",
			 log_num("processes", (int64_t)generation_count(self.current)));
	} else if (unready && self.is_ready) {
		log_warn("not_ready", log_str("role", unready->role),
			 log_num("index", (int64_t)unready->index));
	}
	self.is_ready = !unready;
}

static size_t count_running(void)
{
	size_t n = 0;

	for (size_t i = 0; i < self.n_generations; i++)
		n += generation_count(self.generations[i]);
	return n;
}

/* Something has changed: take every step that has become possible. */
static void review(void)
{
	if (!self.is_stopping)
		judge_start();
	if (!self.is_stopping)
		judge_readiness();
	free_ended();
	let_take_over();
	if (self.is_stopping && count_running() == 0)
		loop_stop(self.common.loop);
	else if (!self.is_stopping && self.is_reload_wanted && may_reload())
		begin_reload();
}

/* ---- What happens ---- */

static void on_notified(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	(void)arg;
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		review();
}

static void on_child(void *arg)
{
	pid_t pid;
	int status;

	(void)arg;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < self.n_generations; i++)
			if (generation_bury(self.generations[i], pid, status))
				break;
	review();
}

/* The first signal drains; who sends a second one does not want to wait for it. */
static void on_stop(void *arg)
{
	(void)arg;
	if (self.is_stopping) {
		log_warn("stop_hurried",
			 log_num("processes", (int64_t)count_running()));
		for (size_t i = 0; i < self.n_generations; i++)
			generation_hurry(self.generations[i]);
		return;
	}
	log_info("stopping", log_num("drain_timeout_ms", settings()->drain_timeout_ms));
	stop(0);
	review();
}

static void on_hangup(void *arg)
{
	(void)arg;
	if (!self.is_reload_wanted && !may_reload())
		log_info("reload_waits",
			 log_num("generations", (int64_t)self.n_generations));
	self.is_reload_wanted = true;
	review();
}

/* ---- The daemon ---- */

static void open_roles(void)
{
	const struct supervisor_spec *spec = self.spec;

	self.n_roles = spec->n_roles + 1;
	BUG_ON(self.n_roles > BOARD_ROLES);
	self.roles = calloc(self.n_roles, sizeof(*self.roles));
	BUG_ON(!self.roles);
	memcpy(self.roles, spec->roles, spec->n_roles * sizeof(*self.roles));
	self.roles[spec->n_roles] = status_role;
}

static void open_board(void)
{
	self.board = board_new();
	self.board->started_ms = time_monotonic_ms();
	self.common.board = self.board;
	log_count_lost(&self.board->n_lines_lost);
	status_open(self.spec, self.board);
	if (self.spec->n_metrics > 0)
		metrics_open(self.spec->metrics, self.spec->n_metrics,
			     SUPERVISOR_SLOTS);
}

static void open_loop(void)
{
	struct loop *loop = loop_new();

	self.common.loop = loop;
	self.common.notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	BUG_ON(self.common.notify_fd < 0);
	event_assign(&self.notified, loop_base(loop), self.common.notify_fd,
		     EV_READ | EV_PERSIST, on_notified, NULL);
	event_add(&self.notified, NULL);
	timer_init(&self.expiry_timer, loop, on_expiry_timer, NULL);
	loop_on_signal(loop, SIGCHLD, on_child, NULL);
	loop_on_signal(loop, SIGTERM, on_stop, NULL);
	loop_on_signal(loop, SIGINT, on_stop, NULL);
	loop_on_signal(loop, SIGHUP, on_hangup, NULL);
}

static int run_generations(struct config *config, const struct process_user *user)
{
	self.last_number = 1;
	self.current = add_generation(config, user);
	sockets_tell_unused(&self.sockets);
	if (!self.current)
		return SUPERVISOR_EXIT_UNAVAILABLE;
	self.board->current = generation_place(self.current);
	let_take_over();
	generation_start(self.current, 0);
	loop_run(self.common.loop);
	self.current = NULL;
	free_ended();
	log_info("stopped", log_num("status", self.exit_code));
	return self.exit_code;
}

int daemon_run(const struct daemon_parts *parts, struct config *config)
{
	const struct supervisor_config *own = config_get(config);
	struct process_user user;
	sigset_t ours;

	self = (struct daemon){
		.spec = parts->spec,
		.path = parts->path,
		.common = { .title = parts->title, .title_size = parts->title_size },
	};
	/* Until there is a loop to hear them. */
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	log_open(self.spec->program, process_log_level(own));
	log_info("starting", log_str("version", PACKAGE_VERSION),
		 log_str("config", self.path));
	if (!find_user(own, &user)) {
		config_free(config);
		return SUPERVISOR_EXIT_CONFIG;
	}
	if (!sockets_take(&self.sockets, SYSTEMD_FIRST_SOCKET,
			  systemd_take_sockets())) {
		config_free(config);
		return SUPERVISOR_EXIT_UNAVAILABLE;
	}
	if (!sandbox_enter(SANDBOX_SUPERVISE, NULL)) {
		log_error("sandbox_failed", log_str("why", strerror(errno)));
		config_free(config);
		return SUPERVISOR_EXIT_FAILED;
	}
	open_roles();
	open_board();
	open_loop();
	self.common.beat_ms = watchdog_open(self.common.loop, self.board);
	sigprocmask(SIG_UNBLOCK, &ours, NULL);
	int exit_code = run_generations(config, &user);
	sockets_close_taken(&self.sockets);
	watchdog_close();
	event_del(&self.notified);
	loop_free(self.common.loop);
	free(self.roles);
	return exit_code;
}
