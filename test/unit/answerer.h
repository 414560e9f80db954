/* A process that answers questions, over a channel or at a hatch; and its end. */
#ifndef TEST_UNIT_ANSWERER_H
#define TEST_UNIT_ANSWERER_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/slice.h"
#include "test/unit/test.h"

/* Turns the question round; "refuse", "huge", "sleep", "doze" and "die" do what they
 * say. */
static inline ssize_t turn_round(void *arg, struct slice question, uint8_t *answer,
				 size_t cap)
{
	(void)arg;
	if (slice_eq(question, SLICE("refuse")))
		return -1;
	if (slice_eq(question, SLICE("sleep")) || slice_eq(question, SLICE("doze")))
		usleep(300000);
	if (slice_eq(question, SLICE("die")))
		_exit(3);
	if (slice_eq(question, SLICE("huge"))) {
		memset(answer, 'h', cap);
		return (ssize_t)cap;
	}
	for (size_t i = 0; i < question.n; i++)
		answer[i] = (uint8_t)question.p[question.n - 1 - i];
	return (ssize_t)question.n;
}

static inline int wait_for(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void stop_answerer(pid_t pid)
{
	kill(pid, SIGTERM);
	CU_ASSERT_EQUAL(wait_for(pid), 0);
}

#endif
