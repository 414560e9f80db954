#include "base/hatch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/beat.h"
#include "base/log.h"
#include "base/time.h"

#define REFUSED     (-1)
#define CACHE_BYTES 64 /* what one side writes the other does not wait for */
#define FAILED_MS   10 /* until what the system could not do is tried again */

/* All that lies here may be anything, and change at any time. */
struct hatch {
	uint32_t asked; /* number of the question; who answers waits for it to change */
	uint32_t question_n;
	uint8_t question[HATCH_BYTES];
	/* Number of the question whose answer is there; who asks waits for it. */
	uint32_t answered __attribute__((aligned(CACHE_BYTES)));
	int32_t answer_n; /* or REFUSED */
	uint8_t answer[HATCH_BYTES];
};

int hatch_make(void)
{
	/* Without a single futex it is there to be found wrong. */
	if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == 0 || errno != EINVAL)
		return -1;
	int fd = memfd_create("hatch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	/* Who reads past the end of a file dies. */
	if (ftruncate(fd, sizeof(struct hatch)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

struct hatch *hatch_open(int fd)
{
	void *page = mmap(NULL, sizeof(struct hatch), PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

void hatch_close(struct hatch *hatch)
{
	if (hatch)
		munmap(hatch, sizeof(*hatch));
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static struct timespec time_of(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

/* ---- The asking side ---- */

/* What lay there before nobody waits for any more. If it is being read just now, its
 * answer is to a mixture of both, and nobody's. */
static uint32_t put_question(struct hatch *hatch, struct slice question)
{
	const uint32_t number = load(&hatch->asked) + 1;

	hatch->question_n = (uint32_t)question.n;
	if (question.n > 0)
		memcpy(hatch->question, question.p, question.n);
	store(&hatch->asked, number);
	wake(&hatch->asked);
	return number;
}

/* Sleep while @p word is @p value. Returns false with errno when it is late. */
static bool wait_change(const uint32_t *word, uint32_t value, int64_t deadline_ms)
{
	const struct timespec deadline = time_of(deadline_ms);

	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &deadline, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno == EAGAIN || errno == EINTR;
}

static ssize_t take_answer(const struct hatch *hatch, uint8_t *answer, size_t cap)
{
	const int32_t n = __atomic_load_n(&hatch->answer_n, __ATOMIC_RELAXED);

	if (n < 0) {
		errno = EACCES;
		return -1;
	}
	if (n > HATCH_BYTES || (size_t)n > cap) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(answer, hatch->answer, (size_t)n);
	return n;
}

ssize_t hatch_ask(struct hatch *hatch, struct slice question, int64_t timeout_ms,
		  uint8_t *answer, size_t cap)
{
	const int64_t deadline_ms = time_monotonic_ms() + timeout_ms;

	if (question.n > HATCH_BYTES) {
		errno = EMSGSIZE;
		return -1;
	}
	const uint32_t number = put_question(hatch, question);
	for (;;) {
		const uint32_t answered = load(&hatch->answered);
		if (answered == number)
			return take_answer(hatch, answer, cap);
		if (!wait_change(&hatch->answered, answered, deadline_ms))
			return -1;
	}
}

/* ---- The answering side ---- */

/* Waited for with the questions, so that no signal comes between a look and the wait.
 */
static uint32_t is_terminated;

static void on_terminate(int signum)
{
	(void)signum;
	store(&is_terminated, 1);
}

struct server {
	child_handler_fn *handler;
	void *arg;
	size_t n;
	struct hatch *hatches[HATCH_MAX];
	/* The first is that of the signal, then one of each hatch. */
	struct futex_waitv waits[1 + HATCH_MAX];
};

static void put_answer(struct hatch *hatch, uint32_t number, ssize_t n,
		       const uint8_t *answer)
{
	hatch->answer_n = n < 0 ? REFUSED : (int32_t)n;
	if (n > 0)
		memcpy(hatch->answer, answer, (size_t)n);
	store(&hatch->answered, number);
	wake(&hatch->answered);
}

/* Answer the question that lies there. Returns false when there was none to answer,
 * with what to sleep on: while it is that there is none. */
static bool answer_one(const struct server *self, struct hatch *hatch, uint32_t *asked)
{
	uint8_t question[HATCH_BYTES], answer[HATCH_BYTES];
	const uint32_t number = *asked = load(&hatch->asked);
	ssize_t n = REFUSED;

	if (number == load(&hatch->answered))
		return false;
	const uint32_t size = __atomic_load_n(&hatch->question_n, __ATOMIC_RELAXED);
	if (size <= sizeof(question)) {
		memcpy(question, hatch->question, size);
		n = self->handler(self->arg, slice_make(question, size), answer,
				  sizeof(answer));
	}
	BUG_ON(n > (ssize_t)sizeof(answer));
	put_answer(hatch, number, n, answer);
	return true;
}

static void wait_question(struct server *self, int64_t ms)
{
	const struct timespec deadline = time_of(time_monotonic_ms() + ms);

	if (syscall(SYS_futex_waitv, self->waits, self->n + 1, 0,
		    ms < 0 ? NULL : &deadline, CLOCK_MONOTONIC) >= 0 ||
	    errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT)
		return;
	log_warn("channel_failed", log_str("why", strerror(errno)));
	(void)poll(NULL, 0, FAILED_MS);
}

static void serve_until_terminated(struct server *self)
{
	while (!load(&is_terminated)) {
		/* Who watches us sees that we go on when nobody asks, too. */
		const int64_t ms = beat();
		bool is_idle = true;

		for (size_t i = 0; i < self->n; i++) {
			uint32_t asked;

			if (answer_one(self, self->hatches[i], &asked))
				is_idle = false;
			self->waits[1 + i].val = asked;
		}
		if (is_idle)
			wait_question(self, ms);
	}
}

static struct futex_waitv wait_on(const uint32_t *word, uint32_t flags)
{
	return (struct futex_waitv){ .uaddr = (uintptr_t)word,
				     .flags = FUTEX_32 | flags };
}

void hatch_serve(const int *fds, size_t n, child_handler_fn *handler, void *arg)
{
	struct server self = { .handler = handler, .arg = arg, .n = n };
	struct sigaction action = { .sa_handler = on_terminate }, before;

	BUG_ON(n > HATCH_MAX);
	self.waits[0] = wait_on(&is_terminated, FUTEX_PRIVATE_FLAG);
	for (size_t i = 0; i < n; i++) {
		self.hatches[i] = hatch_open(fds[i]);
		BUG_ON(!self.hatches[i]);
		self.waits[1 + i] = wait_on(&self.hatches[i]->asked, 0);
	}
	store(&is_terminated, 0);
	sigaction(SIGTERM, &action, &before);
	serve_until_terminated(&self);
	sigaction(SIGTERM, &before, NULL);
	for (size_t i = 0; i < n; i++)
		hatch_close(self.hatches[i]);
}
