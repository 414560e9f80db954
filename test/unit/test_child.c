#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/beat.h"
#include "test/unit/answerer.h"
#include "test/unit/test.h"

static pid_t start_answerer(const int *fds, size_t n, const int *to_close)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (size_t i = 0; to_close && i < n; i++)
			close(to_close[i]);
		child_serve(fds, n, turn_round, NULL);
		_exit(0);
	}
	return pid;
}

/* At one end of a channel; at the other, where there is one, an answerer. */
struct asker {
	int fds[2];
	pid_t answerer;
	struct loop *loop;
	struct child_caller *caller;
	unsigned wanted, answered, refused;
	size_t size;
	char last[64];
	bool frees_the_caller;
};

static void on_answer(void *arg, bool ok, struct slice answer)
{
	struct asker *asker = arg;

	if (ok) {
		asker->answered++;
		asker->size = answer.n;
		snprintf(asker->last, sizeof(asker->last), "%.*s",
			 (int)(answer.n < 60 ? answer.n : 60), answer.p);
	} else {
		asker->refused++;
		CU_ASSERT_EQUAL(answer.n, 0);
	}
	if (asker->frees_the_caller) {
		child_caller_free(asker->caller);
		asker->caller = NULL;
	}
	if (asker->answered + asker->refused == asker->wanted)
		loop_stop(asker->loop);
}

/* Somebody who has asked nothing yet, at the channel of the one before. */
static void asker_renew(struct asker *asker)
{
	asker->loop = loop_new();
	asker->caller = child_caller_new(asker->loop, asker->fds[0]);
}

static void asker_leave(struct asker *asker)
{
	child_caller_free(asker->caller);
	loop_free(asker->loop);
}

static void asker_open(struct asker *asker)
{
	*asker = (struct asker){ .answerer = 0 };
	CU_ASSERT_EQUAL_FATAL(child_channel(asker->fds), 0);
	asker_renew(asker);
}

static void asker_is_answered(struct asker *asker)
{
	asker->answerer = start_answerer(&asker->fds[1], 1, &asker->fds[0]);
}

static void asker_close(struct asker *asker)
{
	asker_leave(asker);
	if (asker->answerer)
		stop_answerer(asker->answerer);
	close(asker->fds[0]);
	close(asker->fds[1]);
}

static uint32_t ask(struct asker *asker, const char *text, int64_t deadline_ms)
{
	return child_ask(asker->caller, slice_of(text), deadline_ms, on_answer, asker);
}

static void answers_come_later_and_to_the_right_question(void)
{
	struct asker asker;

	asker_open(&asker);
	asker_is_answered(&asker);
	asker.wanted = 3;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "abc", 5000), 0);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "refuse", 5000), 0);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "huge", 5000), 0);
	CU_ASSERT_EQUAL(asker.answered, 0);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 2);
	CU_ASSERT_EQUAL(asker.refused, 1);
	CU_ASSERT_EQUAL(asker.size, CHILD_FRAME_BYTES);

	asker.wanted = 4;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "", 5000), 0);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 3);
	CU_ASSERT_EQUAL(asker.size, 0);
	asker_close(&asker);
}

static void a_deadline_ends_the_wait(void)
{
	struct asker asker;

	asker_open(&asker);
	asker.wanted = 1;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "abc", 20), 0);
	loop_run(asker.loop); /* nobody answers */
	CU_ASSERT_EQUAL(asker.refused, 1);

	/* The answer comes too late and is nobody's; the next question gets its own. */
	asker_is_answered(&asker);
	asker.wanted = 2;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "xyz", 5000), 0);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 1);
	CU_ASSERT_STRING_EQUAL(asker.last, "zyx");
	asker_close(&asker);
}

static void a_cancelled_question_stays_silent(void)
{
	struct asker asker;

	asker_open(&asker);
	asker_is_answered(&asker);
	asker.wanted = 1;
	uint32_t number = ask(&asker, "one", 5000);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "two", 5000), 0);
	child_cancel(asker.caller, number);
	child_cancel(asker.caller, number);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 1);
	CU_ASSERT_STRING_EQUAL(asker.last, "owt");
	asker_close(&asker);
}

static void a_caller_may_be_freed_in_its_callback(void)
{
	struct asker asker;

	asker_open(&asker);
	asker_is_answered(&asker);
	asker.wanted = 1;
	asker.frees_the_caller = true;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "one", 5000), 0);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "two", 5000), 0);
	usleep(50000); /* both answers are there */
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 1);
	asker_close(&asker);
}

static void a_successor_answers_what_waits(void)
{
	struct asker asker;

	asker_open(&asker);
	asker_is_answered(&asker);
	asker.wanted = 2;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "die", 600), 0);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "abc", 5000), 0);
	CU_ASSERT_EQUAL(wait_for(asker.answerer), 3);
	asker_is_answered(&asker);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.answered, 1);
	CU_ASSERT_EQUAL(asker.refused, 1);
	CU_ASSERT_STRING_EQUAL(asker.last, "cba");
	asker_close(&asker);
}

static void an_answer_to_a_predecessor_is_nobodys(void)
{
	struct asker asker;

	asker_open(&asker);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "old", 5000), 0);
	asker_leave(&asker);
	asker_renew(&asker);
	asker.wanted = 1;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "new", 5000), 0);
	asker_is_answered(&asker);
	loop_run(asker.loop);
	CU_ASSERT_STRING_EQUAL(asker.last, "wen");
	asker_close(&asker);
}

static void a_full_channel_takes_no_question(void)
{
	struct asker asker;
	static char text[CHILD_FRAME_BYTES + 1];

	asker_open(&asker);
	memset(text, 'x', sizeof(text));
	CU_ASSERT_EQUAL(child_ask(asker.caller, slice_make(text, sizeof(text)), 5000,
				  on_answer, &asker),
			0);
	while (child_ask(asker.caller, slice_make(text, sizeof(text) - 1), 50,
			 on_answer, &asker))
		asker.wanted++;
	CU_ASSERT_TRUE(asker.wanted >= 8);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.refused, asker.wanted);
	asker_close(&asker);
}

static void a_closed_channel_refuses_everybody(void)
{
	struct asker asker;

	asker_open(&asker);
	asker.wanted = 2;
	CU_ASSERT_NOT_EQUAL(ask(&asker, "one", 60000), 0);
	CU_ASSERT_NOT_EQUAL(ask(&asker, "two", 60000), 0);
	close(asker.fds[1]);
	loop_run(asker.loop);
	CU_ASSERT_EQUAL(asker.refused, 2);
	CU_ASSERT_EQUAL(ask(&asker, "three", 60000), 0);
	asker_leave(&asker);
	close(asker.fds[0]);
}

static void one_answerer_serves_many_channels(void)
{
	int ask_fds[3], answer_fds[3];
	struct asker askers[3];

	for (int i = 0; i < 3; i++) {
		int fds[2];
		CU_ASSERT_EQUAL_FATAL(child_channel(fds), 0);
		ask_fds[i] = fds[0];
		answer_fds[i] = fds[1];
	}
	int said[2], saved_stderr = dup(STDERR_FILENO);
	CU_ASSERT_EQUAL_FATAL(pipe(said), 0);
	dup2(said[1], STDERR_FILENO);
	pid_t pid = start_answerer(answer_fds, 3, ask_fds);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(said[1]);
	for (int i = 0; i < 3; i++)
		close(answer_fds[i]);
	/* One asker floods and never reads: the others are served all the same. */
	struct loop *idle = loop_new();
	struct child_caller *flood = child_caller_new(idle, ask_fds[0]);
	for (int i = 0; i < 400; i++)
		if (child_ask(flood, SLICE("huge"), 60000, on_answer, &askers[0]) == 0)
			usleep(1000);
	char line[256];
	ssize_t n = read(said[0], line, sizeof(line) - 1);
	line[n < 0 ? 0 : n] = '\0';
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "ev=answer_lost channel=0"));
	for (int i = 1; i < 3; i++) {
		askers[i] = (struct asker){ .fds = { ask_fds[i] } };
		asker_renew(&askers[i]);
		askers[i].wanted = 1;
		CU_ASSERT_NOT_EQUAL(ask(&askers[i], i == 1 ? "ab" : "cd", 5000), 0);
		loop_run(askers[i].loop);
		CU_ASSERT_STRING_EQUAL(askers[i].last, i == 1 ? "ba" : "dc");
		asker_leave(&askers[i]);
	}
	child_caller_free(flood);
	loop_free(idle);
	/* It ends when the last channel is closed. */
	for (int i = 0; i < 3; i++)
		close(ask_fds[i]);
	CU_ASSERT_EQUAL(wait_for(pid), 0);
	/* That was the one line for all answers that were lost in a row. */
	CU_ASSERT_EQUAL(read(said[0], line, sizeof(line)), 0);
	close(said[0]);
}

static int n_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int descriptors_before;

static void notes_its_descriptors(void)
{
	descriptors_before = n_descriptors();
}

static void leaves_no_descriptor_open(void)
{
	CU_ASSERT_EQUAL(n_descriptors(), descriptors_before);
}

/* Asked or not: its poll ends in time to count. */
static void counts_for_the_watchdog(void)
{
	uint32_t *beats = mmap(NULL, sizeof(*beats), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fds[2];

	CU_ASSERT_FATAL(beats != MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(child_channel(fds), 0);
	beat_open(beats, 10);
	pid_t pid = start_answerer(&fds[1], 1, &fds[0]);
	beat_open(NULL, 0);
	for (int i = 0; i < 1000 && __atomic_load_n(beats, __ATOMIC_RELAXED) < 4; i++)
		usleep(10000);
	CU_ASSERT(__atomic_load_n(beats, __ATOMIC_RELAXED) >= 4);
	stop_answerer(pid);
	close(fds[0]);
	close(fds[1]);
	munmap(beats, sizeof(*beats));
}

TEST_MAIN("child", TEST(counts_for_the_watchdog), TEST(notes_its_descriptors),
	  TEST(answers_come_later_and_to_the_right_question),
	  TEST(a_deadline_ends_the_wait), TEST(a_cancelled_question_stays_silent),
	  TEST(a_caller_may_be_freed_in_its_callback),
	  TEST(a_successor_answers_what_waits),
	  TEST(an_answer_to_a_predecessor_is_nobodys),
	  TEST(a_full_channel_takes_no_question),
	  TEST(a_closed_channel_refuses_everybody),
	  TEST(one_answerer_serves_many_channels), TEST(leaves_no_descriptor_open))
