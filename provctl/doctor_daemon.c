/* Daemons are asked about their own configurations: -t and --dump-config. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provctl/doctor.h"

#define OUTPUT_LIMIT (256U << 10)

extern char **environ;

/* ---- Running one ---- */

static int spawn(const char *program, char *const *argv, int output, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output,
							 STDERR_FILENO);
	if (error == 0)
		error = posix_spawnp(pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

struct slice doctor_read_all(struct arena *arena, int fd)
{
	char *text = arena_alloc(arena, OUTPUT_LIMIT);
	size_t n = 0;
	ssize_t got = 1;

	while (text && got > 0 && n < OUTPUT_LIMIT) {
		got = read(fd, text + n, OUTPUT_LIMIT - n);
		if (got > 0)
			n += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	return slice_make(text, n);
}

/*
 * Run a daemon with "-c FILE WHAT"; what it prints is in the arena. Its exit status,
 * or -1 when it cannot be run.
 */
static int ask(struct doctor *doctor, const struct doctor_daemon *daemon,
	       const char *what, struct slice *output)
{
	char *argv[] = { (char *)(uintptr_t)daemon->program, "-c",
			 (char *)(uintptr_t)daemon->path, (char *)(uintptr_t)what,
			 NULL };
	const char *installed = arena_printf(doctor->ctx->arena, "%s/%s",
					     PROVBOX_SBINDIR, daemon->program);
	int fds[2], status = -1;
	pid_t pid;

	*output = SLICE("");
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	int error = spawn(daemon->program, argv, fds[1], &pid);
	if (error == ENOENT) /* sbin is not in everybody's PATH */
		error = spawn(installed, argv, fds[1], &pid);
	close(fds[1]);
	if (error == 0)
		*output = doctor_read_all(doctor->ctx->arena, fds[0]);
	close(fds[0]); /* whoever says more than is heard does not wait for us */
	if (error == 0) {
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			status = -1;
		else
			status = WEXITSTATUS(status);
	}
	return status;
}

/* ---- What it said ---- */

/* Each line of what was printed that says such a thing. */
static size_t find(struct doctor *doctor, const struct doctor_daemon *daemon,
		   struct slice output, const char *event, enum verdict verdict,
		   const char *fix)
{
	struct slice line;
	size_t n = 0;

	while (slice_next(&output, '\n', &line)) {
		const char *at = line.n > 0
					 ? memmem(line.p, line.n, event, strlen(event))
					 : NULL;
		if (!at)
			continue;
		struct slice rest = slice_make(at, line.n - (size_t)(at - line.p));
		doctor_found(doctor, daemon->program, verdict,
			     arena_string(doctor->ctx->arena, rest), fix);
		n++;
	}
	return n;
}

static void check(struct doctor *doctor, struct doctor_daemon *daemon)
{
	struct arena *arena = doctor->ctx->arena;
	struct slice output, line;

	if (!daemon->path)
		return;
	const char *again = arena_printf(arena, "mend it, then %s -c %s -t",
					 daemon->program, daemon->path);
	int status = ask(doctor, daemon, "-t", &output);
	if (status < 0) {
		doctor_found(doctor, daemon->program, VERDICT_FAIL,
			     "cannot be run; is it installed?", "put it into PATH");
		return;
	}
	find(doctor, daemon, output, "ev=file_hidden ", VERDICT_WARN,
	     "give it the file, as the hint says, or its unit does not start");
	size_t n_ends = find(doctor, daemon, output, "ev=expired ", VERDICT_FAIL,
			     "replace the file, then SIGHUP to the daemon") +
			find(doctor, daemon, output, "ev=expiring ", VERDICT_WARN,
			     "replace the file in time, then SIGHUP to the daemon");
	if (status == 0) {
		doctor_found(doctor, daemon->program, VERDICT_OK,
			     n_ends > 0 ? "can run with it"
					: "can run with it, and nothing ends soon",
			     NULL);
		if (ask(doctor, daemon, "--dump-config", &daemon->dump) != 0)
			daemon->dump = SLICE("");
		return;
	}
	while (slice_next(&output, '\n', &line))
		if (line.n > 0 && !memmem(line.p, line.n, "ev=expir", 8) &&
		    !memmem(line.p, line.n, "ev=file_hidden", 14))
			doctor_found(doctor, daemon->program, VERDICT_FAIL,
				     arena_string(arena, line), again);
}

void doctor_check_daemons(struct doctor *doctor)
{
	check(doctor, &doctor->server);
	check(doctor, &doctor->smsc);
	check(doctor, &doctor->gateway);
}
