/*
 * The watchdog, on a board of one process that is a child of this test.
 */
#include "base/watchdog.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beat.h"
#include "test/unit/caught.h"
#include "test/unit/directory.h"

#define WITHIN_MS 240 /* a look every 20 ms; half is 120 */
#define SLICE_MS  60

static struct directory directory;
static struct board *board;
static struct loop *loop;
static struct process_state *state;
static struct timer beating, end;
static int heard_fd;

static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void on_beat(void *arg)
{
	(void)arg;
	timer_start(&beating, beat());
}

static void on_end(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void begin(const char *within_us)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	directory_open(&directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify",
		 directory.path);
	heard_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL_FATAL(bind(heard_fd, (void *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	if (within_us)
		setenv("WATCHDOG_USEC", within_us, 1);
	loop = loop_new();
	board = board_new();
	board->generations[1].n_processes = 2; /* the second one never starts */
	state = &board->generations[1].processes[0];
	state->role = "worker";
	state->pid = fork_child();
	timer_init(&beating, loop, on_beat, NULL);
	timer_init(&end, loop, on_end, NULL);
}

static unsigned count_heard(void)
{
	char text[32] = "";
	unsigned n = 0;

	while (recv(heard_fd, text, sizeof(text) - 1, 0) > 0) {
		CU_ASSERT_STRING_EQUAL(text, "WATCHDOG=1");
		n++;
	}
	return n;
}

static bool has_ended(void)
{
	return waitpid(state->pid, NULL, WNOHANG) == state->pid;
}

static void finish(void)
{
	kill(state->pid, SIGKILL);
	waitpid(state->pid, NULL, 0);
	watchdog_close();
	timer_cancel(&beating);
	timer_cancel(&end);
	loop_free(loop);
	close(heard_fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	directory_close(&directory);
}

/* Returns how often all was said to be well. Nobody may have to wait for us to hear. */
static unsigned run_for(int64_t ms)
{
	unsigned n = 0;

	for (int64_t past = 0; past < ms; past += SLICE_MS) {
		timer_start(&end, SLICE_MS);
		loop_run(loop);
		n += count_heard();
	}
	return n;
}

static void says_that_all_is_well_while_processes_go_on(void)
{
	begin("240000");
	int64_t interval_ms = watchdog_open(loop, board);
	CU_ASSERT_FATAL(interval_ms > 0 && interval_ms < WITHIN_MS / 2);
	beat_open(&state->beats, interval_ms);
	timer_start(&beating, 0);
	CU_ASSERT(run_for(3 * WITHIN_MS) >= 3);
	CU_ASSERT(state->beats > 3);
	CU_ASSERT_FALSE(has_ended());
	finish();
}

/* One that has not counted yet is not judged: it may have much to load. */
static void waits_for_the_first_beat(void)
{
	begin("240000");
	watchdog_open(loop, board);
	CU_ASSERT(run_for(2 * WITHIN_MS) >= 2);
	CU_ASSERT_FALSE(has_ended());
	finish();
}

/* Nothing is said as long as it is there; its successor is judged anew. */
static void ends_a_process_that_stands_still(void)
{
	begin("240000");
	state->beats = 7;
	watchdog_open(loop, board);
	struct caught log = caught_begin(stderr);
	CU_ASSERT(run_for(2 * WITHIN_MS) >= 1);
	CU_ASSERT_EQUAL(
		caught_count(caught_end(log), "ev=child_stuck role=worker index=0"), 1);
	CU_ASSERT_EQUAL(run_for(WITHIN_MS), 0);
	CU_ASSERT_TRUE(has_ended());
	state->pid = fork_child();
	state->beats = 1;
	CU_ASSERT(run_for(WITHIN_MS / 4) >= 1);
	CU_ASSERT_FALSE(has_ended());
	finish();
}

static void does_nothing_without_systemd(void)
{
	begin(NULL);
	state->beats = 7;
	CU_ASSERT_EQUAL(watchdog_open(loop, board), 0);
	CU_ASSERT_EQUAL(run_for(WITHIN_MS), 0);
	CU_ASSERT_FALSE(has_ended());
	uint32_t counter = 5;
	beat_open(&counter, 0);
	CU_ASSERT_EQUAL(beat(), -1);
	CU_ASSERT_EQUAL(counter, 5);
	finish();
}

/* 0 would say that nobody counts. */
static void counts_past_the_largest_number(void)
{
	uint32_t counter = UINT32_MAX;

	beat_open(&counter, 10);
	CU_ASSERT_EQUAL(beat(), 10);
	CU_ASSERT_EQUAL(counter, 1);
}

TEST_MAIN("watchdog", TEST(says_that_all_is_well_while_processes_go_on),
	  TEST(waits_for_the_first_beat), TEST(ends_a_process_that_stands_still),
	  TEST(does_nothing_without_systemd), TEST(counts_past_the_largest_number))
