#include "test/unit/test.h"

#include <sys/wait.h>

#include "contrib/handset/program.h"

#define DEADLINE_MS 5000

static struct program_result result;
static char output[PROGRAM_OUTPUT_BYTES];

static bool runs(const char *script, int64_t deadline_ms)
{
	const char *const arguments[] = { "/bin/sh", "-c", script, NULL };

	return program_run_blocking(arguments, deadline_ms, &result, output);
}

static void gives_status_and_first_line(void)
{
	CU_ASSERT(runs("echo callscreen 1.0; echo more; exit 3", DEADLINE_MS));
	CU_ASSERT(result.has_ended);
	CU_ASSERT_EQUAL(result.exit_status, 3);
	CU_ASSERT(slice_eq(result.output, SLICE("callscreen 1.0")));
}

static void kills_at_the_deadline_with_all_children(void)
{
	CU_ASSERT(runs("echo $$; sleep 60 & sleep 60", 200));
	CU_ASSERT_FALSE(result.has_ended);
	CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
}

static void bounds_the_output(void)
{
	CU_ASSERT(runs("head -c 1000000 /dev/zero | tr '\\0' a", DEADLINE_MS));
	CU_ASSERT(result.has_ended);
	CU_ASSERT_EQUAL(result.output.n, PROGRAM_OUTPUT_BYTES - 1);
}

static void gives_nothing_of_the_handset(void)
{
	CU_ASSERT(runs(
		"test -z \"$HOME$USER\" && ! read line && ls /proc/self/fd | wc -l",
		DEADLINE_MS));
	CU_ASSERT_EQUAL(result.exit_status, 0);
	/* Input, output, error, and the one by which ls reads the folder. */
	CU_ASSERT(slice_eq(slice_trim(result.output), SLICE("4")));
}

static void takes_rights_away(void)
{
	CU_ASSERT(runs("grep -q 'NoNewPrivs:.1' /proc/self/status && "
		       "test $(ulimit -t) = 60 && test $(ulimit -c) = 0 && ulimit -f",
		       DEADLINE_MS));
	CU_ASSERT_EQUAL(result.exit_status, 0);
	/* 16 MiB in blocks of 512 bytes. */
	CU_ASSERT(slice_eq(result.output, SLICE("32768")));
}

static void reports_what_cannot_be_executed(void)
{
	const char *const arguments[] = { "/nonexistent", NULL };

	CU_ASSERT(program_run_blocking(arguments, DEADLINE_MS, &result, output));
	CU_ASSERT(result.has_ended);
	CU_ASSERT_EQUAL(result.exit_status, 127);
}

static void never(void *arg, const struct program_result *unused)
{
	(void)arg;
	(void)unused;
	CU_FAIL("called after it was cancelled");
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void cancelled_it_says_nothing(void)
{
	const char *const arguments[] = { "/bin/sh", "-c", "sleep 60", NULL };
	struct loop *loop = loop_new();
	struct timer timer;
	struct program *program =
		program_run(loop, arguments, DEADLINE_MS, never, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(program);
	program_cancel(program);
	timer_init(&timer, loop, stop, loop);
	timer_start(&timer, 50);
	loop_run(loop);
	loop_free(loop);
	CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
}

TEST_MAIN("program", TEST(gives_status_and_first_line),
	  TEST(kills_at_the_deadline_with_all_children), TEST(bounds_the_output),
	  TEST(gives_nothing_of_the_handset), TEST(takes_rights_away),
	  TEST(reports_what_cannot_be_executed), TEST(cancelled_it_says_nothing))
