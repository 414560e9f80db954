/*
 * A daemon for tests of the supervisor: this program, started again as `testd`. Its
 * workers ask an oracle, which alone has a secret. Below it, how a test starts it,
 * reads its log and talks to it.
 */
#ifndef TEST_UNIT_TESTD_H
#define TEST_UNIT_TESTD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/conn.h"
#include "base/supervisor.h"
#include "test/unit/test.h"

/* ---- The daemon under test: this program, started again ---- */

struct settings {
	struct supervisor_config daemon;
	struct config_list listen;
	char *extra_listen;
	int64_t workers;
	char *key;
	char *behaviour;
	bool has_keeper;
};

#define AT(member) .offset = offsetof(struct settings, member)
static const struct config_key keys[] = {
	{ .name = "listen", .type = CONFIG_LIST, AT(listen), .help = "Where." },
	{ .name = "extra_listen", AT(extra_listen), .fallback = "", .help = "Too." },
	{ .name = "workers",
	  .type = CONFIG_NUMBER,
	  AT(workers),
	  .fallback = "2",
	  .help = "How many." },
	{ .name = "key", .type = CONFIG_SECRET, AT(key), .help = "The secret." },
	{ .name = "behaviour", AT(behaviour), .fallback = "good", .help = "How." },
	{ .name = "keeper",
	  .type = CONFIG_BOOL,
	  AT(has_keeper),
	  .fallback = "no",
	  .help = "Whether there is one." },
	SUPERVISOR_KEYS("", "nobody"),
};
static const struct config_section sections[] = {
	{ .keys = keys,
	  .n_keys = sizeof(keys) / sizeof(keys[0]),
	  .size = sizeof(struct settings) },
};
static const struct config_spec config_spec = { "testd", sections, 1 };

static bool behaves(const void *config, const char *how)
{
	return strcmp(((const struct settings *)config)->behaviour, how) == 0;
}

static bool check_settings(const void *config, FILE *errors)
{
	if (!behaves(config, "unchecked"))
		return true;
	fputs("behaviour: is unchecked\nlisten: is bad, too\n", errors);
	return false;
}

static size_t count_workers(const void *config)
{
	return (size_t)((const struct settings *)config)->workers;
}

static size_t list_addresses(const void *config, const char **addresses, size_t cap)
{
	const struct settings *settings = config;
	size_t n = 0;

	for (; n < settings->listen.n && n < cap; n++)
		addresses[n] = settings->listen.items[n];
	if (settings->extra_listen[0] && n < cap)
		addresses[n++] = settings->extra_listen;
	return n;
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The oracle alone has the secret; told "fds" it counts its descriptors. */
static ssize_t oracle_answer(void *arg, struct slice question, uint8_t *answer,
			     size_t cap)
{
	if (slice_eq(question, SLICE("fds")))
		return snprintf((char *)answer, cap, "%zu", count_descriptors());
	return snprintf((char *)answer, cap, "%s", (const char *)arg);
}

static bool oracle_load(const void *config, void **secrets)
{
	static char secret[64];
	FILE *file = fopen(((const struct settings *)config)->key, "r");

	if (behaves(config, "unloadable") || !file ||
	    !fgets(secret, sizeof(secret), file))
		return false;
	fclose(file);
	*secrets = secret;
	return true;
}

static bool oracle_start(struct worker *worker)
{
	return worker_answer(worker, oracle_answer);
}

enum {
	ASKED,
	HELD,
	N_METRICS
};
static const struct metric metrics[N_METRICS] = {
	{ "testd_asked_total", NULL, METRIC_COUNTER, "Questions." },
	{ "testd_held", NULL, METRIC_GAUGE, "Clients that are held." },
};

static struct child_caller *caller;
static struct listener *listeners[8];
static size_t n_listeners, n_held;
static bool is_stopping;

struct client {
	int fd;
	struct worker *worker;
};

static void answer_client(const struct client *client, struct slice answer)
{
	dprintf(client->fd, "%.*s pid=%d uid=%d secret=%d\n", (int)answer.n,
		answer.n > 0 ? answer.p : "", (int)getpid(), (int)getuid(),
		client->worker->secrets != NULL);
	close(client->fd);
}

static void on_answer(void *arg, bool ok, struct slice answer)
{
	(void)ok; /* refused or too late: the answer is empty */
	answer_client(arg, answer);
	free(arg);
}

static void ask_oracle(const struct client *client, struct slice question)
{
	struct client *asking = malloc(sizeof(*asking));

	*asking = *client;
	if (child_ask(caller, question, 5000, on_answer, asking) == 0)
		on_answer(asking, false, SLICE(""));
}

/* A held client is answered when it says one more thing. */
struct held {
	struct client client;
	struct event readable;
};

static void on_held(evutil_socket_t fd, short what, void *arg)
{
	struct held *held = arg;

	(void)fd;
	(void)what;
	answer_client(&held->client, SLICE("held"));
	event_del(&held->readable);
	metrics_add(HELD, -1);
	if (--n_held == 0 && is_stopping)
		loop_stop(held->client.worker->loop);
	free(held);
}

static void hold(const struct client *client)
{
	struct held *held = malloc(sizeof(*held));

	held->client = *client;
	event_assign(&held->readable, loop_base(client->worker->loop), client->fd,
		     EV_READ, on_held, held);
	event_add(&held->readable, NULL);
	metrics_add(HELD, 1);
	n_held++;
}

/* One letter is the request; the answer is a line. */
static void on_client(struct listener *listener, int fd, void *arg)
{
	const struct client client = { fd, arg };
	char letter = '\0';

	(void)listener;
	fcntl(fd, F_SETFL, 0);
	(void)!read(fd, &letter, 1);
	switch (letter) {
	case 'a':
		metrics_add(ASKED, 1);
		ask_oracle(&client, SLICE("ask"));
		return;
	case 'f':
		metrics_add(ASKED, 1);
		ask_oracle(&client, SLICE("fds"));
		return;
	case 'h': hold(&client); return;
	case 'n': worker_set_ready(client.worker, false); break;
	case 'r': worker_set_ready(client.worker, true); break;
	case 'x': exit(7);
	case 'o': (void)!open("/dev/null", O_RDONLY); break;
	case 'b': BUG_ON(letter == 'b');
	}
	answer_client(&client, SLICE(""));
}

static bool worker_start(struct worker *worker)
{
	if (behaves(worker->config, "hopeless"))
		return false;
	if (behaves(worker->config, "crashing") && worker->index == 0)
		raise(SIGKILL);
	log_info("begins", log_num("slot", (int64_t)worker->slot));
	caller = child_caller_new(worker->loop, worker->channels[0]);
	n_listeners = worker->n_listeners;
	for (size_t i = 0; i < n_listeners; i++)
		listeners[i] = listener_new(worker->loop, worker->listeners[i],
					    on_client, worker);
	worker_set_ready(worker, !behaves(worker->config, "unready"));
	return true;
}

static void worker_stop(struct worker *worker)
{
	while (behaves(worker->config, "stuck"))
		usleep(1000);
	for (size_t i = 0; i < n_listeners; i++)
		listener_finish(listeners[i]);
	log_info("takes_no_more");
	is_stopping = true;
	if (n_held == 0)
		loop_stop(worker->loop);
}

static size_t worker_cut(struct worker *worker)
{
	(void)worker;
	return n_held;
}

/* ---- What only one generation at a time may do ---- */

static struct timer leaving;

static void on_left(void *arg)
{
	log_info("keeper_left", log_num("keeper", getpid()));
	loop_stop(arg);
}

static size_t count_keepers(const void *config)
{
	return ((const struct settings *)config)->has_keeper ? 1 : 0;
}

static bool keeper_start(struct worker *worker)
{
	timer_init(&leaving, worker->loop, on_left, worker->loop);
	worker_set_ready(worker, true);
	return true;
}

static void keeper_take_over(struct worker *worker)
{
	(void)worker;
	log_info("keeper_acts", log_num("keeper", getpid()));
}

static void keeper_stop(struct worker *worker)
{
	(void)worker;
	timer_start(&leaving, 100);
}

/* In the supervisor. */
static void worker_bury(size_t slot)
{
	log_info("buried", log_num("slot", (int64_t)slot));
}

static const struct supervisor_role roles[] = {
	{ .name = "echo",
	  .count = count_workers,
	  .listeners = list_addresses,
	  .start = worker_start,
	  .stop = worker_stop,
	  .cut = worker_cut,
	  .bury = worker_bury,
	  .rights = SANDBOX_ACCEPT,
	  .asks = (const char *const[]){ "oracle", NULL } },
	{ .name = "keeper",
	  .count = count_keepers,
	  .start = keeper_start,
	  .take_over = keeper_take_over,
	  .stop = keeper_stop },
	{ .name = "oracle",
	  .load = oracle_load,
	  .start = oracle_start,
	  .is_blocking = true,
	  .is_answerer = true },
};

static const struct supervisor_spec spec = {
	.program = "testd",
	.summary = "Be a daemon for tests.",
	.default_config = "/nonexistent/testd.conf",
	.config = &config_spec,
	.roles = roles,
	.n_roles = sizeof(roles) / sizeof(roles[0]),
	.metrics = metrics,
	.n_metrics = N_METRICS,
	.check = check_settings,
};

/* ---- Starting and watching it ---- */

static char directory[] = "/tmp/test_supervisor_XXXXXX";
static unsigned port;
static pid_t daemon_pid;
static int output_fd;
static char output[1 << 16];
static size_t output_n;

static const char *in_directory(const char *name)
{
	static char path[4][96];
	static unsigned turn;
	char *out = path[turn++ % 4];

	snprintf(out, sizeof(path[0]), "%s/%s", directory, name);
	return out;
}

static int bind_port(unsigned wanted)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)wanted),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_EQUAL_FATAL(bind(fd, (void *)&address, size), 0);
	getsockname(fd, (void *)&address, &size);
	port = ntohs(address.sin_port);
	return fd;
}

/* One that a process of another user must not keep. */
#define FOREIGN_GROUP 4242

static void write_config(const char *more)
{
	FILE *file = fopen(in_directory("testd.conf"), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "listen = {\"127.0.0.1:%u\"}\nkey = secret\n%s\n%s\n", port, more,
		strstr(more, "user =") ? "" : "user = nobody");
	fclose(file);
	file = fopen(in_directory("secret"), "w");
	fputs("open sesame", file);
	fclose(file);
	chmod(in_directory("secret"), 0600);
}

static void spawn(char *const argv[])
{
	int fds[2];

	fflush(NULL);
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC), 0);
	output_n = 0;
	output[0] = '\0';
	daemon_pid = fork();
	if (daemon_pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		setenv("TEST_SUPERVISOR_DAEMON", "1", 1);
		setpgid(0, 0);                    /* as a shell does */
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test die first */
		if (geteuid() == 0 && setgroups(1, &(gid_t){ FOREIGN_GROUP }) != 0)
			_exit(126);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(fds[1]);
	output_fd = fds[0];
}

/* Read what there is of output within @p timeout_ms; false at its end. */
static bool read_output(int timeout_ms)
{
	struct pollfd poll_fd = { .fd = output_fd, .events = POLLIN };

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return true;
	ssize_t n = read(output_fd, output + output_n, sizeof(output) - 1 - output_n);
	if (n <= 0)
		return false;
	output_n += (size_t)n;
	output[output_n] = '\0';
	return true;
}

/* Wait until @p text has come @p times. */
static bool wait_output(const char *text, unsigned times)
{
	for (int i = 0; i < 200; i++) {
		const char *p = output;
		unsigned found = 0;
		while ((p = strstr(p, text))) {
			p++;
			found++;
		}
		if (found >= times)
			return true;
		if (!read_output(50))
			break;
	}
	fprintf(stderr, "\nno %u times `%s` in:\n%s", times, text, output);
	return false;
}

/* Exit status when all its processes have closed its output. */
static int wait_end(void)
{
	int status;

	while (read_output(20000))
		;
	close(output_fd);
	waitpid(daemon_pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int run_with(const char *option)
{
	char *argv[] = { "testd", "-c", (char *)(uintptr_t)in_directory("testd.conf"),
			 (char *)(uintptr_t)option, NULL };

	spawn(argv);
	return wait_end();
}

static void start(const char *more)
{
	char *argv[] = { "testd", "-c", (char *)(uintptr_t)in_directory("testd.conf"),
			 NULL };

	close(bind_port(0));
	write_config(more);
	spawn(argv);
}

static int stop(void)
{
	kill(daemon_pid, SIGTERM);
	return wait_end();
}

static int connect_to(const char *address_text)
{
	struct sockaddr_storage address;
	socklen_t size;

	if (!conn_address(address_text, &address, &size))
		return -1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (void *)&address, size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Send @p request and read the answer to its end. */
static const char *ask(const char *address, const char *request)
{
	static char answer[8192];
	size_t n = 0;
	ssize_t got;

	answer[0] = '\0';
	int fd = connect_to(address);
	if (fd < 0)
		return "(no connection)";
	CU_ASSERT_EQUAL(send(fd, request, strlen(request), MSG_NOSIGNAL),
			(ssize_t)strlen(request));
	while ((got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	answer[n] = '\0';
	return answer;
}

static const char *ask_worker(const char *letter)
{
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	return ask(address, letter);
}

static const char *ask_admin_for(const char *path, const char *accept)
{
	char address[128], request[256];

	snprintf(address, sizeof(address), "unix:%s", in_directory("admin"));
	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n"
		 "Connection: close\r\n\r\n",
		 path, accept);
	return ask(address, request);
}

static const char *ask_admin(const char *path)
{
	return ask_admin_for(path, "*/*");
}

/* Pid of a process of the daemon by its title. */
static pid_t find_process(const char *title)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	while (!found && (entry = readdir(proc))) {
		char path[300], line[128] = "";
		uint64_t pid;
		if (!slice_to_u64(slice_of(entry->d_name), INT32_MAX, &pid))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		FILE *file = fopen(path, "r");
		size_t n = file ? fread(line, 1, sizeof(line) - 1, file) : 0;
		if (file)
			fclose(file);
		line[n] = '\0';
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "r");
		int parent = 0;
		if (file && fscanf(file, "%*d %*s %*c %d", &parent) == 1 &&
		    parent == daemon_pid && strcmp(line, title) == 0)
			found = (pid_t)pid;
		if (file)
			fclose(file);
	}
	closedir(proc);
	return found;
}

/* A number out of /proc/PID/status. */
static long status_of(pid_t pid, const char *key)
{
	char path[64], line[256];
	long value = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	while (file && value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key), NULL, 10);
	if (file)
		fclose(file);
	return value;
}

#endif
