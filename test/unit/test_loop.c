#include "base/loop.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test.h"

static char order[64];

static void note(char c)
{
	size_t n = strlen(order);
	if (n + 1 < sizeof(order)) {
		order[n] = c;
		order[n + 1] = '\0';
	}
}

struct stage {
	struct loop *loop;
	struct timer timer, other;
	int64_t fired_at_ms;
	unsigned count;
};

static void on_stop(void *arg)
{
	struct stage *stage = arg;
	note('s');
	loop_stop(stage->loop);
}

static void on_late(void *arg)
{
	struct stage *stage = arg;
	note('d');
	loop_defer(stage->loop, on_stop, stage);
	note('e');
}

static void on_first(void *arg)
{
	struct stage *stage = arg;
	loop_defer(stage->loop, on_late, stage);
	note('f');
}

static void deferred_work_runs_after_the_callback_and_once(void)
{
	struct stage stage = { .loop = loop_new() };

	order[0] = '\0';
	timer_init(&stage.timer, stage.loop, on_first, &stage);
	timer_start(&stage.timer, 0);
	loop_run(stage.loop);
	CU_ASSERT_STRING_EQUAL(order, "fdes");
	loop_free(stage.loop);
}

static void on_count(void *arg)
{
	struct stage *stage = arg;
	if (++stage->count == 1)
		loop_defer(stage->loop, on_count, stage);
}

static void freeing_a_loop_runs_what_was_deferred(void)
{
	struct stage stage = { .loop = loop_new() };

	loop_defer(stage.loop, on_count, &stage);
	loop_free(stage.loop);
	CU_ASSERT_EQUAL(stage.count, 2);
}

static void on_fired(void *arg)
{
	struct stage *stage = arg;
	stage->fired_at_ms = loop_now_ms(stage->loop);
	stage->count++;
	loop_stop(stage->loop);
}

static void timers_are_never_early_and_fire_once(void)
{
	struct stage stage = { .loop = loop_new() };

	timer_init(&stage.timer, stage.loop, on_fired, &stage);
	timer_init(&stage.other, stage.loop, on_fired, &stage);
	/* More rounds than it takes to make the duration a common one. */
	for (unsigned round = 1; round <= 60; round++) {
		int64_t before_ms = loop_now_ms(stage.loop);
		timer_start(&stage.timer, 3);
		CU_ASSERT_TRUE(timer_is_pending(&stage.timer));
		loop_run(stage.loop);
		CU_ASSERT_FALSE(timer_is_pending(&stage.timer));
		CU_ASSERT_EQUAL(stage.count, round);
		CU_ASSERT_TRUE(stage.fired_at_ms - before_ms >= 3);
		CU_ASSERT_TRUE(stage.fired_at_ms - before_ms < 500);
	}
	loop_free(stage.loop);
}

static void a_started_timer_can_be_moved_and_cancelled(void)
{
	struct stage stage = { .loop = loop_new() };

	timer_init(&stage.timer, stage.loop, on_fired, &stage);
	timer_init(&stage.other, stage.loop, on_stop, &stage);
	timer_cancel(&stage.timer);
	CU_ASSERT_FALSE(timer_is_pending(&stage.timer));
	timer_start(&stage.timer, 1);
	timer_start(&stage.timer, 60000);
	timer_start(&stage.other, 30);
	loop_run(stage.loop);
	CU_ASSERT_EQUAL(stage.count, 0);
	CU_ASSERT_TRUE(timer_is_pending(&stage.timer));
	timer_start(&stage.timer, 1);
	timer_cancel(&stage.timer);
	timer_start(&stage.other, 30);
	loop_run(stage.loop);
	CU_ASSERT_EQUAL(stage.count, 0);
	loop_free(stage.loop);
}

#define N_MANY 2000
static unsigned many_left;
static int64_t many_last_ms;

static void on_many(void *arg)
{
	struct stage *stage = arg;
	int64_t now_ms = loop_now_ms(stage->loop);

	CU_ASSERT_TRUE(now_ms >= many_last_ms);
	many_last_ms = now_ms;
	stage->count++;
	if (--many_left == 0)
		loop_stop(stage->loop);
}

static void thousands_of_equal_timers_all_fire(void)
{
	static struct stage stages[N_MANY];
	struct loop *loop = loop_new();

	many_left = N_MANY;
	for (size_t i = 0; i < N_MANY; i++) {
		stages[i] = (struct stage){ .loop = loop };
		timer_init(&stages[i].timer, loop, on_many, &stages[i]);
		/* Durations that share a place in the cache, too. */
		timer_start(&stages[i].timer, i % 4 == 3 ? 20 + 64 : 20);
	}
	loop_run(loop);
	for (size_t i = 0; i < N_MANY; i++)
		CU_ASSERT_EQUAL(stages[i].count, 1);
	loop_free(loop);
}

static void signals_arrive_in_the_loop(void)
{
	struct stage stage = { .loop = loop_new() };

	loop_on_signal(stage.loop, SIGUSR1, on_fired, &stage);
	for (unsigned i = 1; i <= 2; i++) {
		kill(getpid(), SIGUSR1);
		loop_run(stage.loop);
		CU_ASSERT_EQUAL(stage.count, i);
	}
	loop_free(stage.loop);
}

static void a_stop_before_the_run_counts(void)
{
	struct loop *loop = loop_new();

	loop_stop(loop);
	loop_run(loop); /* would hang */
	loop_free(loop);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stage *stage = arg;

	(void)fd;
	(void)what;
	note('r');
	loop_stop(stage->loop);
}

static void a_child_forgets_without_disturbing_its_parent(void)
{
	struct stage stage = { .loop = loop_new() };
	int pipe_fds[2], status;

	order[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
	struct event *readable = event_new(loop_base(stage.loop), pipe_fds[0], EV_READ,
					   on_readable, &stage);
	event_add(readable, NULL);
	loop_on_signal(stage.loop, SIGUSR1, on_fired, &stage);
	loop_defer(stage.loop, on_count, &stage);
	pid_t pid = fork();
	if (pid == 0) {
		loop_forget(stage.loop);
		struct stage own = { .loop = loop_new() };
		loop_on_signal(own.loop, SIGUSR1, on_fired, &own);
		kill(getpid(), SIGUSR1);
		loop_run(own.loop);
		loop_free(own.loop);
		_exit(own.count == 1 && stage.count == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* The child's going took nothing out of the epoll set that both had. */
	CU_ASSERT_EQUAL(write(pipe_fds[1], "x", 1), 1);
	loop_run(stage.loop);
	CU_ASSERT_STRING_EQUAL(order, "r");
	kill(getpid(), SIGUSR1);
	loop_run(stage.loop);
	CU_ASSERT_EQUAL(stage.count, 3);
	event_free(readable);
	loop_free(stage.loop);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void a_loop_that_cannot_wait_ends_the_process(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct loop *loop = loop_new();
		alarm(2);
		close_range(STDERR_FILENO, ~0u, 0); /* what it waits with, too */
		loop_run(loop);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST_MAIN("loop", TEST(deferred_work_runs_after_the_callback_and_once),
	  TEST(freeing_a_loop_runs_what_was_deferred),
	  TEST(timers_are_never_early_and_fire_once),
	  TEST(a_started_timer_can_be_moved_and_cancelled),
	  TEST(thousands_of_equal_timers_all_fire), TEST(signals_arrive_in_the_loop),
	  TEST(a_stop_before_the_run_counts),
	  TEST(a_loop_that_cannot_wait_ends_the_process),
	  TEST(a_child_forgets_without_disturbing_its_parent))
