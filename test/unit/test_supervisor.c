#include "base/supervisor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/conn.h"
#include "test/unit/test.h"

/* ---- The daemon under test: this program, started again ---- */

struct settings {
	struct supervisor_config daemon;
	struct config_list listen;
	int64_t workers;
	char *key;
	char *behaviour;
};

#define AT(member) .offset = offsetof(struct settings, member)
static const struct config_key keys[] = {
	{ .name = "listen", .type = CONFIG_LIST, AT(listen), .help = "Where." },
	{ .name = "workers",
	  .type = CONFIG_NUMBER,
	  AT(workers),
	  .fallback = "2",
	  .help = "How many." },
	{ .name = "key", .type = CONFIG_SECRET, AT(key), .help = "The secret." },
	{ .name = "behaviour", AT(behaviour), .fallback = "good", .help = "How." },
	SUPERVISOR_KEYS(""),
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
	worker_set_ready(worker, true);
	child_serve(worker->channels, worker->n_channels, oracle_answer,
		    worker->secrets);
	return true;
}

enum {
	ASKED,
	N_METRICS
};
static const struct metric metrics[N_METRICS] = {
	{ "testd_asked_total", NULL, METRIC_COUNTER, "Questions." },
};

static struct child_caller *caller;
static struct listener *listeners[2];

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
	case 'n': worker_set_ready(client.worker, false); break;
	case 'r': worker_set_ready(client.worker, true); break;
	case 'x': exit(7);
	}
	answer_client(&client, SLICE(""));
}

static bool worker_start(struct worker *worker)
{
	if (behaves(worker->config, "hopeless"))
		return false;
	if (behaves(worker->config, "crashing") && worker->index == 0)
		raise(SIGKILL);
	caller = child_caller_new(worker->loop, worker->channels[0]);
	for (size_t i = 0; i < worker->n_listeners; i++)
		listeners[i] = listener_new(worker->loop, worker->listeners[i],
					    on_client, worker);
	worker_set_ready(worker, true);
	return true;
}

static void worker_stop(struct worker *worker)
{
	if (!behaves(worker->config, "stubborn"))
		loop_stop(worker->loop);
}

static const struct supervisor_role roles[] = {
	{ .name = "echo",
	  .count = count_workers,
	  .listeners = list_addresses,
	  .start = worker_start,
	  .stop = worker_stop,
	  .asks = "oracle" },
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

static int run_with(const char *option)
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

static const char *ask_admin(const char *path)
{
	char address[128], request[128];

	snprintf(address, sizeof(address), "unix:%s", in_directory("admin"));
	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		 path);
	return ask(address, request);
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

/* ---- Tests ---- */

static void makes_its_directory(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	CU_ASSERT_EQUAL(chmod(directory, 0755), 0);
	close(bind_port(0));
	write_config("");
}

static void the_help_fits_a_screen(void)
{
	size_t lines = 0;

	CU_ASSERT_EQUAL(run_with("--help"), 0);
	CU_ASSERT_PTR_EQUAL(strstr(output, "Be a daemon for tests.\n"), output);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "-c, --config FILE"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "--help-config"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "/nonexistent/testd.conf"));
	for (char *line = output; *line; lines++) {
		size_t width = strcspn(line, "\n");
		CU_ASSERT_TRUE(width <= 80);
		line += width + (line[width] == '\n');
	}
	CU_ASSERT_TRUE(lines <= 24);
}

static void tells_its_keys_and_version(void)
{
	CU_ASSERT_EQUAL(run_with("--help-config"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "behaviour"));
	CU_ASSERT_EQUAL(run_with("--version"), 0);
	CU_ASSERT_STRING_EQUAL(output, "testd " PACKAGE_VERSION "\n");
}

static void refuses_a_wrong_command_line(void)
{
	CU_ASSERT_EQUAL(run_with("--nosuch"), 2);
	CU_ASSERT_EQUAL(run_with("extra"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "unexpected argument `extra`"));
	CU_ASSERT_EQUAL(run_with("-c"), 2);
}

static void checks_a_configuration(void)
{
	char expected[160];

	write_config("");
	CU_ASSERT_EQUAL(run_with("-t"), 0);
	snprintf(expected, sizeof(expected), "%s/testd.conf: ok\n", directory);
	CU_ASSERT_STRING_EQUAL(output, expected);

	write_config("workers = x\nnosuch = 1");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:3: `workers` is no number"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:4: unknown key `nosuch`"));
	CU_ASSERT_EQUAL(run_with(NULL), 78);

	write_config("behaviour = unchecked");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf: behaviour: is unchecked\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf: listen: is bad, too\n"));

	write_config("admin = \"192.0.2.1:80\"");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "192.0.2.1:80 is neither unix:/path nor"));
}

static void dumps_a_configuration_that_it_accepts(void)
{
	write_config("workers = 3");
	CU_ASSERT_EQUAL(run_with("--dump-config"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "workers = 3\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "behaviour = \"good\"\n"));
	FILE *file = fopen(in_directory("testd.conf"), "w");
	fputs(output, file);
	fclose(file);
	CU_ASSERT_EQUAL(run_with("-t"), 0);
}

static void runs_its_roles_and_ends_clean(void)
{
	char more[128], expected[64];
	struct stat st;

	snprintf(more, sizeof(more), "admin = \"unix:%s\"", in_directory("admin"));
	start(more);
	CU_ASSERT_TRUE_FATAL(wait_output("INFO testd[", 2));
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready processes=4", 1));

	/* Workers have a channel to the oracle, which alone has the secret. */
	CU_ASSERT_PTR_EQUAL(strstr(ask_worker("a"), "open sesame pid="),
			    ask_worker("a"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "secret=0"));
	/* Standard ones, two channels, the one that tells readiness. */
	snprintf(expected, sizeof(expected), "%d pid=", 3 + 2 + 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("f"), expected));

	CU_ASSERT_EQUAL(stat(in_directory("admin"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	pid_t pids[] = { find_process("testd: echo 0"), find_process("testd: echo 1"),
			 find_process("testd: oracle 0"),
			 find_process("testd: admin 0") };
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_NOT_EQUAL(pids[i], 0);
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_TRUE(wait_output("ev=stopped status=0", 1));
	CU_ASSERT_PTR_NULL(strstr(output, "WARN"));
	CU_ASSERT_PTR_NULL(strstr(output, "ERROR"));
	for (size_t i = 0; i < 4; i++)
		CU_ASSERT_NOT_EQUAL(kill(pids[i], 0), 0);
	CU_ASSERT_NOT_EQUAL(stat(in_directory("admin"), &st), 0);
}

static void shows_itself_to_the_admin(void)
{
	char more[128];

	snprintf(more, sizeof(more), "admin = \"unix:%s\"", in_directory("admin"));
	start(more);
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	ask_worker("a");
	ask_worker("a");
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/livez"), "HTTP/1.1 200 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/readyz"), "HTTP/1.1 200 "));
	const char *page = ask_admin("/metrics");
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\ntestd_asked_total 2\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\ntestd_ready 1\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(page, "testd_restarts_total{role=\"echo\",index=\"1\"} 0\n"));
	page = ask_admin("/status");
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "Content-Type: application/json\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\"program\":\"testd\""));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(page, "{\"role\":\"oracle\",\"index\":0,\"pid\":"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/nosuch"), "HTTP/1.1 404 "));

	ask_worker("n");
	CU_ASSERT_TRUE(wait_output("WARN testd[", 1));
	CU_ASSERT_TRUE(wait_output("ev=not_ready role=echo index=", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/readyz"), "HTTP/1.1 503 "));
	for (int i = 0; i < 50 && !strstr(ask_admin("/readyz"), "HTTP/1.1 200 "); i++)
		ask_worker("r"); /* the kernel chooses which worker hears it */
	CU_ASSERT_TRUE(wait_output("ev=ready", 2));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void starts_again_what_dies(void)
{
	start("workers = 1");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	pid_t oracle = find_process("testd: oracle 0");
	CU_ASSERT_NOT_EQUAL_FATAL(oracle, 0);
	kill(oracle, SIGKILL);
	/* Asked while there is nobody: the successor reads the question. */
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_TRUE(wait_output("ev=child_exit role=oracle index=0", 1));
	CU_ASSERT_TRUE(wait_output("status=SIGKILL", 1));

	pid_t worker = find_process("testd: echo 0");
	ask_worker("x");
	CU_ASSERT_TRUE(wait_output("ev=child_exit role=echo index=0", 1));
	CU_ASSERT_TRUE(wait_output("status=7", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_NOT_EQUAL(find_process("testd: echo 0"), worker);
	CU_ASSERT_TRUE(wait_output("ev=not_ready", 1));
	CU_ASSERT_TRUE(wait_output("ev=ready", 2));
	CU_ASSERT_PTR_NULL(strstr(output, "ERROR"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void complains_of_what_dies_again_and_again(void)
{
	start("behaviour = crashing");
	CU_ASSERT_TRUE(wait_output("ERROR testd[", 1));
	CU_ASSERT_TRUE(wait_output("deaths=5", 1));
	CU_ASSERT_PTR_NULL(strstr(output, "ev=ready"));
	CU_ASSERT_PTR_NULL(strstr(output, "deaths=6"));
	CU_ASSERT_EQUAL(stop(), 0); /* while it waits for its next start */
}

static void ends_when_a_process_gives_up_at_the_start(void)
{
	start("behaviour = unloadable");
	CU_ASSERT_EQUAL(wait_end(), 78);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "ev=child_exit role=oracle"));
	start("behaviour = hopeless");
	CU_ASSERT_EQUAL(wait_end(), 1);
	CU_ASSERT_PTR_NULL(strstr(output, "ev=ready"));
}

static void says_where_it_cannot_listen(void)
{
	char expected[80];
	int fd = bind_port(0);

	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	write_config("");
	CU_ASSERT_EQUAL(run_with(NULL), 69);
	snprintf(expected, sizeof(expected), "address=127.0.0.1:%u", port);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, expected));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "Address already in use"));
	close(fd);
}

static void a_living_admin_socket_is_not_taken_over(void)
{
	char more[128], *argv[] = { "testd", "-c", NULL, NULL };

	snprintf(more, sizeof(more), "admin = \"unix:%s\"", in_directory("admin"));
	start(more);
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	pid_t first = daemon_pid;
	int first_fd = output_fd;
	argv[2] = (char *)(uintptr_t)in_directory("testd.conf");
	spawn(argv);
	CU_ASSERT_EQUAL(wait_end(), 69);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/livez"), "200"));

	/* After kill -9 the file is stale, and replaced. */
	kill(first, SIGKILL);
	daemon_pid = first;
	output_fd = first_fd;
	CU_ASSERT_EQUAL(wait_end(), -SIGKILL);
	spawn(argv);
	CU_ASSERT_TRUE(wait_output("ev=ready", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/livez"), "200"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void nothing_outlives_the_supervisor(void)
{
	start("");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	kill(daemon_pid, SIGKILL);
	/* The end of output comes when the last process has closed it. */
	CU_ASSERT_EQUAL(wait_end(), -SIGKILL);
}

static void kills_what_does_not_end(void)
{
	start("behaviour = stubborn");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "WARN"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "ev=stop_forced processes=2"));
}

static void a_hangup_changes_nothing(void)
{
	start("");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	kill(daemon_pid, SIGHUP);
	CU_ASSERT_TRUE(wait_output("ev=hangup_ignored", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void processes_give_up_the_rights_of_root(void)
{
	if (geteuid() != 0)
		return;
	start("user = nobody");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	const struct passwd *nobody = getpwnam("nobody");
	char expected[32];
	snprintf(expected, sizeof(expected), "uid=%d ", (int)nobody->pw_uid);
	/* The oracle has read a file of root's. */
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), expected));
	static const char *const titles[] = { "testd: echo 0", "testd: oracle 0" };
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = find_process(titles[i]);
		CU_ASSERT_EQUAL(status_of(pid, "Uid:"), (long)nobody->pw_uid);
		CU_ASSERT_EQUAL(status_of(pid, "Gid:"), (long)nobody->pw_gid);
		CU_ASSERT_EQUAL(status_of(pid, "NoNewPrivs:"), 1);
#ifndef __SANITIZE_ADDRESS__
		char path[64];
		struct stat st;
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
		CU_ASSERT_EQUAL(stat(path, &st), 0);
		CU_ASSERT_EQUAL(st.st_uid, 0); /* not dumpable: not even its own user */
#endif
	}
	kill(daemon_pid, SIGKILL); /* the change of user has not undone the promise */
	CU_ASSERT_EQUAL(wait_end(), -SIGKILL);
	start("user = nosuchuser");
	CU_ASSERT_EQUAL(wait_end(), 78);
	start("user = root");
	CU_ASSERT_TRUE(wait_output("ev=runs_as_root", 1));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void tells_systemd(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	char text[64] = "";
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 in_directory("notify"));
	CU_ASSERT_EQUAL_FATAL(bind(fd, (void *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	start("");
	CU_ASSERT_EQUAL(recv(fd, text, sizeof(text) - 1, 0), 7);
	CU_ASSERT_STRING_EQUAL(text, "READY=1");
	CU_ASSERT_TRUE(wait_output("ev=ready", 1));
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_EQUAL(recv(fd, text, sizeof(text) - 1, 0), 10);
	CU_ASSERT_STRING_EQUAL(text, "STOPPING=1");
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(address.sun_path);
}

static void leaves_nothing_behind(void)
{
	unlink(in_directory("testd.conf"));
	unlink(in_directory("secret"));
	CU_ASSERT_EQUAL(rmdir(directory), 0);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		TEST(makes_its_directory),
		TEST(the_help_fits_a_screen),
		TEST(tells_its_keys_and_version),
		TEST(refuses_a_wrong_command_line),
		TEST(checks_a_configuration),
		TEST(dumps_a_configuration_that_it_accepts),
		TEST(runs_its_roles_and_ends_clean),
		TEST(shows_itself_to_the_admin),
		TEST(starts_again_what_dies),
		TEST(complains_of_what_dies_again_and_again),
		TEST(ends_when_a_process_gives_up_at_the_start),
		TEST(says_where_it_cannot_listen),
		TEST(a_living_admin_socket_is_not_taken_over),
		TEST(nothing_outlives_the_supervisor),
		TEST(kills_what_does_not_end),
		TEST(a_hangup_changes_nothing),
		TEST(processes_give_up_the_rights_of_root),
		TEST(tells_systemd),
		TEST(leaves_nothing_behind),
	};

	if (getenv("TEST_SUPERVISOR_DAEMON"))
		return supervisor_main(&spec, argc, argv);
	return test_main("supervisor", cases, sizeof(cases) / sizeof(cases[0]));
}
