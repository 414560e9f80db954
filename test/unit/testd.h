/*
 * A daemon for tests of the supervisor (testd_daemon.h): how a test starts it, reads
 * its log and talks to it.
 */
#ifndef TEST_UNIT_TESTD_H
#define TEST_UNIT_TESTD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/address.h"
#include "test/unit/testd_daemon.h"

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

	if (!address_parse(address_text, &address, &size))
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

static inline void leaves_nothing_behind(void)
{
	unlink(in_directory("testd.conf"));
	unlink(in_directory("secret"));
	CU_ASSERT_EQUAL(rmdir(directory), 0);
}

/* The tests, or, when they started it, the daemon. */
static inline int testd_main(int argc, char **argv, const char *name,
			     const struct test_case *cases, size_t n)
{
	if (getenv("TEST_SUPERVISOR_DAEMON"))
		return supervisor_main(&spec, argc, argv);
	return test_main(name, cases, n);
}

#endif
