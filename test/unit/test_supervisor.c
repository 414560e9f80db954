#include "base/supervisor.h"

#include <pwd.h>
#include <sys/un.h>

#include "test/unit/testd.h"

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
	CU_ASSERT_EQUAL(run_with("--describe"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "option\t\tc\tconfig\tFILE\t"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "key\t\tbehaviour\t"));
	CU_ASSERT_PTR_NULL(strstr(output, "describe"));
	CU_ASSERT_EQUAL(run_with("--version"), 0);
	CU_ASSERT_STRING_EQUAL(output, "testd " PACKAGE_VERSION "\n");
}

static void refuses_a_wrong_command_line(void)
{
	CU_ASSERT_EQUAL(run_with("--nosuch"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "see --help"));
	CU_ASSERT_EQUAL(run_with("extra"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "unexpected argument `extra`"));
	CU_ASSERT_EQUAL(run_with("-c"), 2);
}

static void checks_a_configuration(void)
{
	char expected[160];

	write_config("user = root");
	CU_ASSERT_EQUAL(run_with("-t"), 0);
	snprintf(expected, sizeof(expected), "%s/testd.conf: ok\n", directory);
	CU_ASSERT_STRING_EQUAL(output, expected);

	/* Its own user may not enter the directory. */
	write_config("");
	CU_ASSERT_EQUAL(run_with("-t"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, expected));
	CU_ASSERT_EQUAL(!strstr(output, "ev=file_hidden"), geteuid() != 0);

	write_config("workers = x\nnosuch = 1");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:3: `workers` is no number"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:4: unknown key `nosuch`"));
	CU_ASSERT_EQUAL(run_with(NULL), 78);

	/* What a check finds is told beside what cannot be read at all. */
	write_config("workers = x\nuser = nosuchuser\nlog_level = loud");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:3: `workers` is no number"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:5: `log_level` is none of"));
	CU_ASSERT_EQUAL(
		!strstr(output, "testd.conf:4: `user` nosuchuser does not exist"),
		geteuid() != 0); /* who is not root becomes nobody else */

	write_config("behaviour = unchecked");
	CU_ASSERT_EQUAL(run_with("-t"), 78);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "testd.conf:3: behaviour: is unchecked\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:1: listen: is bad, too\n"));

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
	page = ask_admin("/status.json");
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "Content-Type: application/json\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\n  \"program\": \"testd\",\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\"role\": \"oracle\",\n"));
	CU_ASSERT_STRING_EQUAL(page + strlen(page) - 3, "\n}\n");
	page = ask_admin("/status.html");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(page, "Content-Type: text/html; charset=utf-8\r"));
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\r\n\r\n<!DOCTYPE html>\n"));
	page = ask_admin("/status.txt");
	CU_ASSERT_PTR_NOT_NULL(strstr(page, "\r\n\r\ntestd "));
	/* Without an ending, in the form that the asker names. */
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/status"), "\r\n\r\ntestd "));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask_admin_for("/status", "application/json"), "\r\n\r\n{\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask_admin_for("/status", "text/html,application/xml;q=0.9"),
		       "\r\n\r\n<!DOCTYPE html>\n"));
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

	/* What it held by its slot is taken back, once, and only what it held. */
	CU_ASSERT_PTR_NULL(strstr(output, "ev=buried"));
	pid_t worker = find_process("testd: echo 0");
	const char *begins = strstr(output, "ev=begins slot=");
	CU_ASSERT_PTR_NOT_NULL_FATAL(begins);
	char buried[64];
	snprintf(buried, sizeof(buried), "ev=buried slot=%.*s\n",
		 (int)strspn(begins + 15, "0123456789"), begins + 15);
	ask_worker("x");
	CU_ASSERT_TRUE(wait_output(buried, 1));
	CU_ASSERT_TRUE(wait_output("ev=child_exit role=echo index=0", 1));
	CU_ASSERT_TRUE(wait_output("status=7", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_NOT_EQUAL(find_process("testd: echo 0"), worker);
	CU_ASSERT_TRUE(wait_output("ev=not_ready", 1));
	CU_ASSERT_TRUE(wait_output("ev=ready", 2));
	CU_ASSERT_PTR_NULL(strstr(output, "ERROR"));
	CU_ASSERT_EQUAL(stop(), 0);
}

/* An attack on a worker, or our fault: somebody must look. */
static void complains_of_a_forbidden_call(void)
{
#ifndef PROVBOX_SANITIZED
	start("workers = 1");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	ask_worker("o");
	CU_ASSERT_TRUE(wait_output("ERROR testd", 1));
	CU_ASSERT_TRUE(wait_output("ev=child_exit role=echo index=0", 1));
	CU_ASSERT_TRUE(
		wait_output("status=SIGSYS deaths=1 reason=call_forbidden call=openat "
			    "number=",
			    1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_EQUAL(stop(), 0);
#endif
}

/* A fault of ours is no attack: it keeps its own name, in the sandbox, too. */
static void tells_an_abort_from_an_attack(void)
{
	start("workers = 1");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	ask_worker("b");
	CU_ASSERT_TRUE(wait_output("ev=bug", 1));
	CU_ASSERT_TRUE(wait_output("status=SIGABRT deaths=1\n", 1));
	CU_ASSERT_PTR_NULL(strstr(output, "call_forbidden"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
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

/* What does not end with its supervisor is killed, so that nothing is left of a test
 * that failed. */
static void kill_supervisor(void)
{
	static const char *const titles[] = { "testd: echo 0", "testd: echo 1",
					      "testd: oracle 0", "testd: admin 0" };
	pid_t pids[4];
	bool has_ended = false;

	for (size_t i = 0; i < 4; i++)
		pids[i] = find_process(titles[i]);
	kill(daemon_pid, SIGKILL);
	/* The end of output comes when the last process has closed it. */
	for (int i = 0; i < 200 && !has_ended; i++)
		has_ended = !read_output(50);
	CU_ASSERT_TRUE(has_ended);
	for (size_t i = 0; i < 4; i++)
		if (!has_ended && pids[i] != 0)
			kill(pids[i], SIGKILL);
	CU_ASSERT_EQUAL(wait_end(), -SIGKILL);
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
	daemon_pid = first;
	output_fd = first_fd;
	kill_supervisor();
	spawn(argv);
	CU_ASSERT_TRUE(wait_output("ev=ready", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/livez"), "200"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void nothing_outlives_the_supervisor(void)
{
	start("");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	kill_supervisor();
}

static void kills_what_does_not_end(void)
{
	start("behaviour = stuck drain_timeout = 10ms");
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	/* Ctrl-C: its processes leave the order of ending to the supervisor. */
	kill(-daemon_pid, SIGINT);
	CU_ASSERT_EQUAL(wait_end(), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "ev=stop_forced generation=1"));
}

static void workers_share_a_socket_file(void)
{
	char address[128], more[160];

	snprintf(address, sizeof(address), "unix:%s", in_directory("worker"));
	snprintf(more, sizeof(more), "workers = 3 extra_listen = \"%s\"", address);
	start(more);
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready processes=4", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask(address, "a"), "open sesame"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_EQUAL(stop(), 0);
	unlink(in_directory("worker"));
}

static void the_admin_takes_so_many_and_no_more(void)
{
	char more[160], address[128], byte;
	int fds[32];

	snprintf(address, sizeof(address), "unix:%s", in_directory("admin"));
	snprintf(more, sizeof(more), "admin = \"%s\"", address);
	start(more);
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
	for (size_t i = 0; i < 32; i++)
		fds[i] = connect_to(address);
	int late = connect_to(address);
	setsockopt(late, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 5 },
		   sizeof(struct timeval));
	CU_ASSERT_EQUAL(read(late, &byte, 1), 0);
	close(late);
	close(fds[0]);
	for (int i = 0; i < 50 && !strstr(ask_admin("/livez"), "200"); i++)
		usleep(20000); /* until it has seen that there is room again */
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/livez"), "200"));
	for (size_t i = 1; i < 32; i++)
		close(fds[i]);
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
		CU_ASSERT_NOT_EQUAL(status_of(pid, "Groups:"), FOREIGN_GROUP);
		CU_ASSERT_EQUAL(status_of(pid, "NoNewPrivs:"), 1);
#ifndef PROVBOX_SANITIZED
		char path[64];
		struct stat st;
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
		CU_ASSERT_EQUAL(stat(path, &st), 0);
		CU_ASSERT_EQUAL(st.st_uid, 0); /* not dumpable: not even its own user */
#endif
	}
	kill_supervisor(); /* the change of user has not undone the promise */
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
		TEST(complains_of_a_forbidden_call),
		TEST(tells_an_abort_from_an_attack),
		TEST(complains_of_what_dies_again_and_again),
		TEST(ends_when_a_process_gives_up_at_the_start),
		TEST(says_where_it_cannot_listen),
		TEST(a_living_admin_socket_is_not_taken_over),
		TEST(nothing_outlives_the_supervisor),
		TEST(kills_what_does_not_end),
		TEST(workers_share_a_socket_file),
		TEST(the_admin_takes_so_many_and_no_more),
		TEST(processes_give_up_the_rights_of_root),
		TEST(tells_systemd),
		TEST(leaves_nothing_behind),
	};

	return testd_main(argc, argv, "supervisor", cases,
			  sizeof(cases) / sizeof(cases[0]));
}
