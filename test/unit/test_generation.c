#include "base/generation.h"

#include <pwd.h>
#include <sys/un.h>

#include "test/unit/caught.h"
#include "test/unit/testd.h"

static char admin[128]; /* its row in the configuration */

static void makes_its_directory(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	CU_ASSERT_EQUAL(chmod(directory, 0755), 0);
	snprintf(admin, sizeof(admin), "admin = \"unix:%s\"\n", in_directory("admin"));
}

static void begin(const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", admin, more);
	start(text);
	CU_ASSERT_TRUE_FATAL(wait_output("ev=ready", 1));
}

static void rewrite(const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s", admin, more);
	write_config(text);
}

static void hang_up(void)
{
	kill(daemon_pid, SIGHUP);
}

/* The @p n-th reload of this daemon; what drains of the old one has gone. */
static void reload(const char *more, unsigned n)
{
	rewrite(more);
	hang_up();
	CU_ASSERT_TRUE_FATAL(wait_output("ev=reloaded", n));
}

static bool wait_admin(const char *path, const char *text)
{
	for (int i = 0; i < 200; i++) {
		if (strstr(ask_admin(path), text))
			return true;
		usleep(20000);
	}
	fprintf(stderr, "\n%s shows no `%s`:\n%s", path, text, ask_admin(path));
	return false;
}

static unsigned n_clients; /* that are held now */

/* A client whose answer is owed. */
static int held_client(void)
{
	char address[32], gauge[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	int fd = connect_to(address);
	CU_ASSERT_EQUAL(write(fd, "h", 1), 1);
	n_clients++;
	snprintf(gauge, sizeof(gauge), "\ntestd_held %u\n", n_clients);
	CU_ASSERT_TRUE(wait_admin("/metrics", gauge));
	return fd;
}

static bool is_answered(int fd)
{
	char answer[64] = "";

	n_clients--;
	(void)!send(fd, "x", 1, MSG_NOSIGNAL);
	ssize_t n = read(fd, answer, sizeof(answer) - 1);
	close(fd);
	return n > 0 && strncmp(answer, "held pid=", 9) == 0;
}

static size_t count_descriptors_of(pid_t pid)
{
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *directory_of_fds = opendir(path);
	/* Only root sees those of a process that is not dumpable. */
	CU_ASSERT_TRUE(directory_of_fds || geteuid() != 0);
	if (!directory_of_fds)
		return 0;
	while (readdir(directory_of_fds))
		n++;
	closedir(directory_of_fds);
	return n;
}

static void a_new_generation_takes_the_place_of_the_old(void)
{
	begin("");
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"generation\": 1,"));
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"result\": \"none\""));
	pid_t worker = find_process("testd: echo 0");
	ask_worker("a");
	reload("workers = 1", 1);
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"generation\": 2,"));
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"phase\": \"serving\""));
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"result\": \"done\""));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_NOT_EQUAL(kill(worker, 0), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	/* What the dead have counted stays counted. */
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_asked_total 2\n"));
	CU_ASSERT_TRUE(
		wait_admin("/metrics", "testd_reloads_total{result=\"done\"} 1\n"));
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "WARN"));
	CU_ASSERT_PTR_NULL(strstr(output, "ERROR"));
}

/* As many sockets as there were workers stay open: none of their connections waits for
 * ever. */
static void the_sockets_of_workers_that_go_are_served(void)
{
	begin("workers = 8");
	reload("workers = 2", 1);
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	for (int i = 0; i < 64; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	reload("workers = 8", 2);
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	for (int i = 0; i < 64; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void addresses_come_and_go(void)
{
	char more[160], address[128];

	snprintf(address, sizeof(address), "unix:%s", in_directory("worker"));
	snprintf(more, sizeof(more), "extra_listen = \"%s\"", address);
	begin("");
	CU_ASSERT_EQUAL(connect_to(address), -1);
	reload(more, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask(address, "a"), "open sesame"));
	reload("", 2);
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_EQUAL(connect_to(address), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	CU_ASSERT_EQUAL(stop(), 0);
	unlink(in_directory("worker"));
}

static void what_is_owed_is_given_before_the_end(void)
{
	begin("");
	int fd = held_client();
	reload("", 1);
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"phase\": \"draining\""));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 2\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_held 1\n"));
	/* The old oracle answers the old workers, which ask nobody else. */
	CU_ASSERT_TRUE(is_answered(fd));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_held 0\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_exchanges_cut_total 0\n"));
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "WARN"));
}

static void what_takes_too_long_is_cut_and_counted(void)
{
	begin("drain_timeout = 200ms");
	int fd = held_client();
	reload("", 1);
	CU_ASSERT_TRUE(wait_output("ev=drain_cut exchanges=1 after_ms=2", 1));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_exchanges_cut_total 1\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_held 0\n"));
	CU_ASSERT_FALSE(is_answered(fd));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void a_wrong_configuration_changes_nothing(void)
{
	begin("");
	pid_t worker = find_process("testd: echo 0");
	rewrite("workers = x\nnosuch = 1");
	hang_up();
	CU_ASSERT_TRUE(
		wait_output("ev=reload_failed generation=2 result=refused why=\"", 1));
	/* One failure, one line: all that is wrong, and what to do. */
	CU_ASSERT_EQUAL(caught_count(output, "ERROR testd"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "next=\"mend the file"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:4: `workers` is no number"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:5: unknown key `nosuch`"));
	CU_ASSERT_TRUE(wait_admin("/status.json", "\"result\": \"refused\""));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask_admin("/status.json"), ":4: `workers` is no"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/status.json"), "\"generation\": 1,"));
	rewrite("behaviour = unchecked");
	hang_up();
	CU_ASSERT_TRUE(wait_output("ev=reload_failed", 2));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "testd.conf:1: listen: is bad, too"));
	CU_ASSERT_EQUAL(kill(worker, 0), 0);
	CU_ASSERT_EQUAL(find_process("testd: echo 0"), worker);
	CU_ASSERT_TRUE(
		wait_admin("/metrics", "testd_reloads_total{result=\"refused\"} 2\n"));
	reload("", 1);
	CU_ASSERT_EQUAL(stop(), 0);
}

static void a_generation_that_does_not_start_changes_nothing(void)
{
	static const struct {
		const char *more, *why;
	} rows[] = {
		{ "behaviour = unloadable", "oracle 0: has given up" },
		{ "behaviour = hopeless", "has given up" },
		{ "behaviour = unready reload_timeout = 100ms",
		  "echo 0: is not ready in time" },
		{ "extra_listen = \"192.0.2.1:9\"", "ev=listen_failed address=" },
		{ "behaviour = crashing reload_timeout = 500ms",
		  "echo 0: is not ready in time" },
	};

	begin("");
	pid_t worker = find_process("testd: echo 0");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rewrite(rows[i].more);
		hang_up();
		CU_ASSERT_TRUE(wait_output("ev=reload_failed", i + 1));
		/* One failure, one ERROR. */
		CU_ASSERT_EQUAL(caught_count(output, "ERROR testd"), i + 1);
		CU_ASSERT_TRUE(wait_admin("/status.json", rows[i].why));
		CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "result=failed"));
	CU_ASSERT_PTR_NULL(strstr(output, "ev=not_ready"));
	CU_ASSERT_PTR_NULL(strstr(output, "[warn]")); /* of libevent */
	CU_ASSERT_EQUAL(find_process("testd: echo 0"), worker);
	reload("", 1);
	CU_ASSERT_EQUAL(stop(), 0);
}

/* Nobody will need it: it is not started to fail once more. */
static void what_has_failed_is_not_started_again(void)
{
	begin("");
	rewrite("behaviour = unloadable");
	hang_up();
	CU_ASSERT_TRUE(wait_output("ev=reload_failed", 1));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	reload("", 1);
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_EQUAL(caught_count(output, "role=oracle"), 1);
}

static void there_are_four_generations_at_most(void)
{
	int fds[3];

	begin("");
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = held_client();
		reload("", i + 1);
		/* Until then its two workers may be who holds the next client. */
		CU_ASSERT_TRUE(wait_output("ev=takes_no_more", 2 * (i + 1)));
	}
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 4\n"));
	for (int i = 0; i < 5; i++)
		hang_up();
	CU_ASSERT_TRUE(wait_output("ev=reload_waits generations=4", 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/status.json"), "\"generation\": 4,"));
	CU_ASSERT_TRUE(is_answered(fds[1]));
	CU_ASSERT_TRUE(wait_output("ev=reloaded generation=5", 1));
	/* The fourth owes nothing to anybody. */
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 3\n"));
	CU_ASSERT_TRUE(is_answered(fds[0]));
	CU_ASSERT_TRUE(is_answered(fds[2]));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	/* Five signals were one reload. */
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/status.json"), "\"generation\": 5,"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void some_things_are_done_by_one_generation_at_a_time(void)
{
	char expected[64];

	begin("keeper = yes");
	CU_ASSERT_TRUE(wait_output("ev=keeper_acts", 1));
	pid_t first = find_process("testd: keeper 0");
	reload("keeper = yes", 1);
	CU_ASSERT_TRUE(wait_output("ev=keeper_acts", 2));
	snprintf(expected, sizeof(expected), "ev=keeper_left keeper=%d", (int)first);
	const char *left = strstr(output, expected);
	CU_ASSERT_PTR_NOT_NULL_FATAL(left);
	CU_ASSERT_PTR_NOT_NULL(strstr(left, "ev=keeper_acts"));
	/* And a death does not leave the place empty. */
	kill(find_process("testd: keeper 0"), SIGKILL);
	CU_ASSERT_TRUE(wait_output("ev=keeper_acts", 3));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void a_death_in_a_reload_is_made_good(void)
{
	begin("");
	int fd = held_client();
	reload("", 1);
	kill(find_process("testd: echo 0"), SIGKILL);
	kill(find_process("testd: echo 1"), SIGKILL);
	kill(find_process("testd: oracle 0"), SIGKILL);
	CU_ASSERT_TRUE(wait_output("ev=child_exit", 3));
	CU_ASSERT_TRUE(wait_admin("/readyz", "200 "));
	for (int i = 0; i < 8; i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), "open sesame"));
	is_answered(fd); /* or its worker was one of the dead */
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_held 0\n"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void reloads_leave_nothing_behind(void)
{
	begin("keeper = yes");
	reload("keeper = yes", 1);
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	size_t n_descriptors = count_descriptors_of(daemon_pid);
	ask_worker("a");
	for (unsigned i = 2; i < 40; i++) {
		hang_up();
		CU_ASSERT_TRUE_FATAL(wait_output("ev=reloaded", i));
	}
	long memory_kb = status_of(daemon_pid, "VmData:");
	for (unsigned i = 40; i < 80; i++) {
		hang_up();
		CU_ASSERT_TRUE_FATAL(wait_output("ev=reloaded", i));
		CU_ASSERT_PTR_NOT_NULL(strstr(ask_admin("/readyz"), "200 "));
	}
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_asked_total 1\n"));
	CU_ASSERT_EQUAL(count_descriptors_of(daemon_pid), n_descriptors);
	long growth_kb = status_of(daemon_pid, "VmData:") - memory_kb;
#ifdef PROVBOX_SANITIZED /* the address sanitizer keeps for a while what was freed */
	growth_kb = 0;
#endif
	CU_ASSERT_TRUE(growth_kb <= 0);
	CU_ASSERT_EQUAL(stop(), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "WARN"));
}

static void the_end_waits_for_what_is_owed(void)
{
	begin("");
	int fd = held_client();
	reload("", 1);
	int other = held_client();
	kill(daemon_pid, SIGTERM);
	CU_ASSERT_TRUE(wait_output("ev=stopping", 1));
	CU_ASSERT_TRUE(is_answered(fd));
	usleep(100000);
	CU_ASSERT_PTR_NULL(strstr(output, "ev=stopped"));
	CU_ASSERT_TRUE(is_answered(other));
	CU_ASSERT_EQUAL(wait_end(), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "WARN"));
}

static void a_second_signal_cuts_what_is_owed(void)
{
	begin("");
	int fd = held_client();
	kill(daemon_pid, SIGTERM);
	CU_ASSERT_TRUE(wait_output("ev=stopping", 1));
	usleep(100000); /* so that the workers see two signals */
	kill(daemon_pid, SIGINT);
	CU_ASSERT_EQUAL(wait_end(), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "ev=stop_hurried"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "ev=drain_cut exchanges=1"));
	CU_ASSERT_FALSE(is_answered(fd));
}

static void the_user_changes_with_a_reload(void)
{
	char expected[32];

	if (geteuid() != 0)
		return;
	begin("user = nobody");
	const struct passwd *other = getpwnam("daemon");
	snprintf(expected, sizeof(expected), "uid=%d ", (int)other->pw_uid);
	CU_ASSERT_PTR_NULL(strstr(ask_worker("a"), expected));
	reload("user = daemon", 1);
	CU_ASSERT_TRUE(wait_admin("/metrics", "\ntestd_generations 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(ask_worker("a"), expected));
	rewrite("user = nosuchuser");
	hang_up();
	CU_ASSERT_TRUE(wait_output("ev=reload_failed", 1));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(ask_admin("/status.json"), "nosuchuser does not exist"));
	CU_ASSERT_EQUAL(stop(), 0);
}

static void systemd_is_told_of_reloads(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	static const char *const expected[] = { "READY=1",
						"RELOADING=1\nMONOTONIC_USEC=",
						"READY=1\nSTATUS=", "STOPPING=1" };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 in_directory("notify"));
	CU_ASSERT_EQUAL_FATAL(bind(fd, (void *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	begin("");
	reload("", 1);
	CU_ASSERT_EQUAL(stop(), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		char text[128] = "";
		CU_ASSERT_TRUE(recv(fd, text, sizeof(text) - 1, 0) > 0);
		CU_ASSERT_EQUAL(strncmp(text, expected[i], strlen(expected[i])), 0);
	}
	unsetenv("NOTIFY_SOCKET");
	close(fd);
	unlink(address.sun_path);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		TEST(makes_its_directory),
		TEST(a_new_generation_takes_the_place_of_the_old),
		TEST(the_sockets_of_workers_that_go_are_served),
		TEST(addresses_come_and_go),
		TEST(what_is_owed_is_given_before_the_end),
		TEST(what_takes_too_long_is_cut_and_counted),
		TEST(a_wrong_configuration_changes_nothing),
		TEST(a_generation_that_does_not_start_changes_nothing),
		TEST(what_has_failed_is_not_started_again),
		TEST(there_are_four_generations_at_most),
		TEST(some_things_are_done_by_one_generation_at_a_time),
		TEST(a_death_in_a_reload_is_made_good),
		TEST(reloads_leave_nothing_behind),
		TEST(the_end_waits_for_what_is_owed),
		TEST(a_second_signal_cuts_what_is_owed),
		TEST(the_user_changes_with_a_reload),
		TEST(systemd_is_told_of_reloads),
		TEST(leaves_nothing_behind),
	};

	return testd_main(argc, argv, "generation", cases,
			  sizeof(cases) / sizeof(cases[0]));
}
