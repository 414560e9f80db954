#include "contrib/handset/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define FILE_LIMIT_BYTES (16 * 1024 * 1024)
#define CPU_LIMIT_S      60

struct program {
	struct loop *loop;
	program_fn *fn;
	void *arg;
	pid_t pid;
	int pid_fd, output_fd;
	struct event ended, readable;
	struct timer deadline;
	char output[PROGRAM_OUTPUT_BYTES];
	size_t n_output;
};

static bool set_limit(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };

	return setrlimit(resource, &limit) == 0;
}

/* In the child. What came over the air gets nothing of the handset but the storage. */
static _Noreturn void become(const char *const *argv, int output)
{
	static char *const environment[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8",
					     NULL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !set_limit(RLIMIT_CORE, 0) ||
	    !set_limit(RLIMIT_FSIZE, FILE_LIMIT_BYTES) ||
	    !set_limit(RLIMIT_CPU, CPU_LIMIT_S) || null < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || close_range(3, ~0u, 0) != 0)
		_exit(127);
	execve(argv[0], (char *const *)argv, environment);
	_exit(127);
}

static void read_output(struct program *program)
{
	char block[512];
	ssize_t n;

	while ((n = read(program->output_fd, block, sizeof(block))) > 0) {
		size_t room = sizeof(program->output) - 1 - program->n_output;
		size_t kept = (size_t)n < room ? (size_t)n : room;

		memcpy(program->output + program->n_output, block, kept);
		program->n_output += kept;
	}
	if (n == 0)
		event_del(&program->readable);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_output(arg);
}

static void free_program(void *arg)
{
	struct program *program = arg;

	event_del(&program->ended);
	event_del(&program->readable);
	timer_cancel(&program->deadline);
	close(program->pid_fd);
	close(program->output_fd);
	free(program);
}

/* Kill what is left of its process group, and let it not become a zombie. */
static int reap(struct program *program)
{
	int status = 0;

	kill(-program->pid, SIGKILL);
	waitpid(program->pid, &status, 0);
	return status;
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct program *program = arg;
	struct program_result result = { 0 };
	int status;

	(void)fd;
	(void)what;
	read_output(program);
	status = reap(program);
	result.has_ended = WIFEXITED(status);
	result.exit_status = result.has_ended ? WEXITSTATUS(status) : 0;
	program->output[program->n_output] = '\0';
	result.output = slice_make(program->output, strcspn(program->output, "\n"));
	program->fn(program->arg, &result);
	free_program(program);
}

static void on_deadline(void *arg)
{
	struct program *program = arg;

	log_warn("program_killed", log_num("pid", program->pid));
	kill(-program->pid, SIGKILL);
	kill(program->pid, SIGKILL);
}

struct program *program_run(struct loop *loop, const char *const *argv,
			    int64_t deadline_ms, program_fn *fn, void *arg)
{
	struct program *program;
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return NULL;
	/* The child's end blocks again: programs do not expect anything else. */
	fcntl(pipe_fds[1], F_SETFL, 0);
	pid = fork();
	if (pid == 0)
		become(argv, pipe_fds[1]);
	close(pipe_fds[1]);
	program = pid > 0 ? calloc(1, sizeof(*program)) : NULL;
	if (!program) {
		close(pipe_fds[0]);
		return NULL;
	}
	*program = (struct program){ .loop = loop,
				     .fn = fn,
				     .arg = arg,
				     .pid = pid,
				     .pid_fd = pidfd_open(pid, 0),
				     .output_fd = pipe_fds[0] };
	BUG_ON(program->pid_fd < 0);
	event_assign(&program->readable, loop_base(loop), program->output_fd,
		     EV_READ | EV_PERSIST, on_readable, program);
	event_assign(&program->ended, loop_base(loop), program->pid_fd, EV_READ,
		     on_ended, program);
	event_add(&program->readable, NULL);
	event_add(&program->ended, NULL);
	timer_init(&program->deadline, loop, on_deadline, program);
	timer_start(&program->deadline, deadline_ms);
	return program;
}

void program_cancel(struct program *program)
{
	if (!program)
		return;
	kill(program->pid, SIGKILL);
	reap(program);
	free_program(program);
}

struct blocking {
	struct loop *loop;
	struct program_result *result;
	char *output;
};

static void on_blocking_ended(void *arg, const struct program_result *result)
{
	struct blocking *blocking = arg;

	*blocking->result = *result;
	snprintf(blocking->output, PROGRAM_OUTPUT_BYTES, "%.*s", (int)result->output.n,
		 result->output.p);
	blocking->result->output = slice_of(blocking->output);
	loop_stop(blocking->loop);
}

bool program_run_blocking(const char *const *argv, int64_t deadline_ms,
			  struct program_result *result,
			  char output[PROGRAM_OUTPUT_BYTES])
{
	struct loop *loop = loop_new();
	struct blocking blocking = { loop, result, output };
	bool ok = program_run(loop, argv, deadline_ms, on_blocking_ended, &blocking);

	if (ok)
		loop_run(loop);
	loop_free(loop);
	return ok;
}
