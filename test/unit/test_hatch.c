#include "base/hatch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/beat.h"
#include "test/unit/answerer.h"
#include "test/unit/test.h"

#define ANSWER_MS 20000 /* where an answer is to come */

static pid_t start_answerer(const int *fds, size_t n)
{
	pid_t pid = fork();

	if (pid == 0) {
		hatch_serve(fds, n, turn_round, NULL);
		_exit(0);
	}
	return pid;
}

static struct hatch *made(int *fd)
{
	*fd = hatch_make();
	CU_ASSERT_TRUE_FATAL(*fd >= 0);
	struct hatch *hatch = hatch_open(*fd);
	CU_ASSERT_PTR_NOT_NULL_FATAL(hatch);
	return hatch;
}

static ssize_t ask(struct hatch *hatch, const char *question, int64_t timeout_ms,
		   char out[64])
{
	errno = 0;
	ssize_t n =
		hatch_ask(hatch, slice_of(question), timeout_ms, (uint8_t *)out, 63);
	out[n < 0 ? 0 : n] = '\0';
	return n;
}

static void a_question_is_answered(void)
{
	static char long_one[HATCH_BYTES + 1], answer[HATCH_BYTES];
	char out[64];
	int fd;
	struct hatch *hatch = made(&fd);
	pid_t pid = start_answerer(&fd, 1);

	CU_ASSERT_EQUAL(ask(hatch, "abc", ANSWER_MS, out), 3);
	CU_ASSERT_STRING_EQUAL(out, "cba");
	CU_ASSERT_EQUAL(ask(hatch, "", ANSWER_MS, out), 0);
	CU_ASSERT_EQUAL(ask(hatch, "refuse", ANSWER_MS, out), -1);
	CU_ASSERT_EQUAL(errno, EACCES);
	CU_ASSERT_EQUAL(ask(hatch, "huge", ANSWER_MS, out), -1);
	CU_ASSERT_EQUAL(errno, EMSGSIZE);
	long_one[0] = 'a';
	CU_ASSERT_EQUAL(hatch_ask(hatch, slice_make(long_one, HATCH_BYTES), ANSWER_MS,
				  (uint8_t *)answer, sizeof(answer)),
			HATCH_BYTES);
	CU_ASSERT_EQUAL(answer[HATCH_BYTES - 1], 'a');
	CU_ASSERT_EQUAL(hatch_ask(hatch, slice_make(long_one, sizeof(long_one)),
				  ANSWER_MS, (uint8_t *)answer, sizeof(answer)),
			-1);
	CU_ASSERT_EQUAL(errno, EMSGSIZE);
	for (int i = 0; i < 10000; i++) {
		snprintf(out, sizeof(out), "%d", 100000 + i);
		CU_ASSERT_EQUAL_FATAL(ask(hatch, out, ANSWER_MS, out), 6);
		CU_ASSERT_EQUAL_FATAL(out[5], '1');
		CU_ASSERT_EQUAL_FATAL(out[0], (char)('0' + i % 10));
	}
	stop_answerer(pid);
	hatch_close(hatch);
	close(fd);
}

static void a_late_answer_is_nobodys(void)
{
	char out[64];
	int fd;
	struct hatch *hatch = made(&fd);
	pid_t pid = start_answerer(&fd, 1);

	CU_ASSERT_EQUAL(ask(hatch, "sleep", 50, out), -1);
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
	CU_ASSERT_EQUAL(ask(hatch, "doze", ANSWER_MS, out), 4); /* of two that come */
	CU_ASSERT_STRING_EQUAL(out, "ezod");
	CU_ASSERT_EQUAL(ask(hatch, "sleep", 50, out), -1);
	usleep(600000); /* it lies there */
	CU_ASSERT_EQUAL(ask(hatch, "def", ANSWER_MS, out), 3);
	CU_ASSERT_STRING_EQUAL(out, "fed");
	stop_answerer(pid);
	hatch_close(hatch);
	close(fd);
}

/* In a process of its own, which then is gone. */
static bool is_answered(int fd, const char *question, int64_t timeout_ms,
			const char *expected)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct hatch *hatch = hatch_open(fd);
		char out[64];
		ssize_t n = ask(hatch, question, timeout_ms, out);
		hatch_close(hatch);
		_exit(expected ? n < 0 || strcmp(out, expected) != 0 : n >= 0);
	}
	return wait_for(pid) == 0;
}

static void both_sides_may_have_successors(void)
{
	char out[64];
	int fd;
	struct hatch *hatch = made(&fd);
	pid_t pid = start_answerer(&fd, 1);

	CU_ASSERT_TRUE(is_answered(fd, "abc", ANSWER_MS, "cba"));
	CU_ASSERT_TRUE(is_answered(fd, "sleep", 50, NULL));
	CU_ASSERT_TRUE(is_answered(fd, "def", ANSWER_MS, "fed"));
	CU_ASSERT_EQUAL(ask(hatch, "die", 100, out), -1);
	CU_ASSERT_EQUAL(errno, ETIMEDOUT);
	CU_ASSERT_EQUAL(wait_for(pid), 3);
	/* Asked while nobody is there: the successor finds it. */
	pid_t asker = fork();
	if (asker == 0)
		_exit(ask(hatch, "ghi", ANSWER_MS, out) == 3 ? 0 : 1);
	usleep(100000);
	pid = start_answerer(&fd, 1);
	CU_ASSERT_EQUAL(wait_for(asker), 0);
	stop_answerer(pid);
	hatch_close(hatch);
	close(fd);
}

static void many_are_served(void)
{
	struct hatch *hatches[HATCH_MAX];
	pid_t askers[HATCH_MAX];
	int fds[HATCH_MAX];

	for (size_t i = 0; i < HATCH_MAX; i++)
		hatches[i] = made(&fds[i]);
	pid_t pid = start_answerer(fds, HATCH_MAX);
	for (size_t i = 0; i < HATCH_MAX; i++) {
		askers[i] = fork();
		if (askers[i] == 0) {
			char out[64], question[] = { (char)(1 + i), 'x', '\0' };
			ssize_t n = 2;
			for (int j = 0; n == 2 && j < 20; j++)
				n = ask(hatches[i], question, ANSWER_MS, out);
			_exit(n == 2 && out[0] == 'x' && out[1] == question[0] ? 0 : 1);
		}
	}
	for (size_t i = 0; i < HATCH_MAX; i++)
		CU_ASSERT_EQUAL(wait_for(askers[i]), 0);
	stop_answerer(pid);
	for (size_t i = 0; i < HATCH_MAX; i++) {
		hatch_close(hatches[i]);
		close(fds[i]);
	}
}

/* ---- One who writes into the page what he likes ---- */

/* How it lies there; hatch.c. */
struct page {
	uint32_t asked, question_n;
	uint8_t question[HATCH_BYTES];
	uint32_t answered __attribute__((aligned(64)));
	int32_t answer_n;
};

static void a_wrong_page_hurts_its_own_side_alone(void)
{
	char out[64];
	int fds[2];
	struct hatch *captured = made(&fds[0]), *honest = made(&fds[1]);
	struct page *page = (struct page *)captured;
	pid_t pid = start_answerer(fds, 2);

	/* Sizes over the page: refused, unread. */
	page->question_n = UINT32_MAX;
	__atomic_store_n(&page->asked, 7, __ATOMIC_SEQ_CST);
	CU_ASSERT_EQUAL(ask(honest, "abc", ANSWER_MS, out), 3); /* wakes it, too */
	for (int i = 0;
	     i < 2000 && __atomic_load_n(&page->answered, __ATOMIC_SEQ_CST) != 7; i++)
		usleep(10000);
	CU_ASSERT_EQUAL(page->answered, 7);
	CU_ASSERT_EQUAL(page->answer_n, -1);
	/* Its successor, if it has one, is served. */
	CU_ASSERT_EQUAL(ask(captured, "ghi", ANSWER_MS, out), 3);
	CU_ASSERT_STRING_EQUAL(out, "ihg");
	/* An answer that is longer than there is. */
	stop_answerer(pid);
	page->answer_n = INT32_MAX;
	page->answered = page->asked + 1;
	CU_ASSERT_EQUAL(ask(captured, "abc", ANSWER_MS, out), -1);
	CU_ASSERT_EQUAL(errno, EMSGSIZE);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	hatch_close(captured);
	hatch_close(honest);
}

static void nobody_changes_its_size(void)
{
	int fd;
	struct hatch *hatch = made(&fd);

	CU_ASSERT_EQUAL(ftruncate(fd, 0), -1);
	CU_ASSERT_EQUAL(errno, EPERM);
	CU_ASSERT_EQUAL(ftruncate(fd, 1 << 20), -1);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	hatch_close(hatch);
	hatch_close(NULL);
	close(fd);
}

/* Asked or not: its wait ends in time to count, and by SIGTERM. */
static void counts_for_the_watchdog(void)
{
	uint32_t *beats = mmap(NULL, sizeof(*beats), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd;
	struct hatch *hatch = made(&fd);

	CU_ASSERT_FATAL(beats != MAP_FAILED);
	beat_open(beats, 10);
	pid_t pid = start_answerer(&fd, 1);
	beat_open(NULL, 0);
	for (int i = 0; i < 1000 && __atomic_load_n(beats, __ATOMIC_RELAXED) < 4; i++)
		usleep(10000);
	CU_ASSERT(__atomic_load_n(beats, __ATOMIC_RELAXED) >= 4);
	stop_answerer(pid);
	hatch_close(hatch);
	close(fd);
	munmap(beats, sizeof(*beats));
}

TEST_MAIN("hatch", TEST(a_question_is_answered), TEST(a_late_answer_is_nobodys),
	  TEST(both_sides_may_have_successors), TEST(many_are_served),
	  TEST(a_wrong_page_hurts_its_own_side_alone), TEST(nobody_changes_its_size),
	  TEST(counts_for_the_watchdog))
