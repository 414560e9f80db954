#include "base/child.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/beat.h"
#include "base/codec.h"
#include "base/log.h"

/* Asked or answered in one wake-up, before others have their turn. */
#define FRAMES_PER_TURN 64
#define N_BUCKETS       256
#define MAX_CHANNELS    1024
/* As much as the system allows of it: room for a burst of questions. */
#define BUFFER_BYTES (1 << 20)

enum frame_kind {
	FRAME_QUESTION = 1,
	FRAME_ANSWER,
	FRAME_REFUSAL,
};

/* Both ends are the same program on the same machine. */
struct frame {
	uint32_t number;
	uint32_t kind;
	uint8_t bytes[CHILD_FRAME_BYTES];
};
#define FRAME_HEAD offsetof(struct frame, bytes)

int child_channel(int fds[2])
{
	const int size = BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -1;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static bool frame_send(int fd, uint32_t number, enum frame_kind kind,
		       struct slice payload)
{
	struct frame frame;

	if (payload.n > sizeof(frame.bytes))
		return false;
	frame.number = number;
	frame.kind = kind;
	if (payload.n > 0)
		memcpy(frame.bytes, payload.p, payload.n);
	size_t size = FRAME_HEAD + payload.n;
	ssize_t sent;
	do
		sent = send(fd, &frame, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	OPENSSL_cleanse(frame.bytes, payload.n);
	return sent == (ssize_t)size;
}

/* Returns bytes of payload, -1 with errno when there is none (0: closed), or -1 with
 * EBADMSG for what is no frame. */
static ssize_t frame_receive(int fd, struct frame *frame)
{
	ssize_t n;

	do
		n = recv(fd, frame, sizeof(*frame), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = 0;
	if (n <= 0)
		return -1;
	if ((size_t)n < FRAME_HEAD || (size_t)n > sizeof(*frame)) {
		errno = EBADMSG;
		return -1;
	}
	return n - (ssize_t)FRAME_HEAD;
}

/* After a failure to receive: whether there may be another frame. Only an end is for
 * good; what the system could not do now it may do when it is asked again. */
static bool may_go_on(int error)
{
	BUG_ON(error == EBADF || error == ENOTSOCK);
	/* After a reset comes the end. */
	if (error != 0 && error != EAGAIN && error != EBADMSG && error != ECONNRESET)
		log_warn("channel_failed", log_str("why", strerror(error)));
	return error == EBADMSG;
}

/* ---- The asking side ---- */

struct question {
	LIST_ENTRY(question) next;
	struct child_caller *caller;
	uint32_t number;
	child_answer_fn *fn;
	void *arg;
	struct timer deadline; /* at once when the other side is gone */
};
LIST_HEAD(question_list, question);

struct child_caller {
	struct loop *loop;
	int fd;
	struct event readable;
	uint32_t last_number;
	struct question_list buckets[N_BUCKETS];
	bool is_closed; /* the other side is gone for good */
	bool is_freed;
};

static struct question *question_find(struct child_caller *caller, uint32_t number)
{
	struct question *question;

	LIST_FOREACH (question, &caller->buckets[number % N_BUCKETS], next)
		if (question->number == number)
			return question;
	return NULL;
}

static void question_take(struct question *question)
{
	LIST_REMOVE(question, next);
	timer_cancel(&question->deadline);
}

/* The caller may be freed in the callback. */
static void question_finish(struct question *question, bool ok, struct slice answer)
{
	question_take(question);
	question->fn(question->arg, ok, ok ? answer : (struct slice){ NULL, 0 });
	free(question);
}

static void on_question_deadline(void *arg)
{
	question_finish(arg, false, slice_make(NULL, 0));
}

/* Nothing more will come: tell everybody in the next turn. */
static void caller_close(struct child_caller *caller)
{
	struct question *question;

	caller->is_closed = true;
	event_del(&caller->readable);
	for (size_t i = 0; i < N_BUCKETS; i++)
		LIST_FOREACH (question, &caller->buckets[i], next)
			timer_start(&question->deadline, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct child_caller *caller = arg;
	struct frame frame;

	(void)what;
	for (int i = 0; i < FRAMES_PER_TURN && !caller->is_freed; i++) {
		ssize_t n = frame_receive(fd, &frame);
		const int error = errno;
		if (n < 0 && error == 0)
			caller_close(caller);
		if (n < 0 && !may_go_on(error))
			return;
		struct question *question =
			n < 0 ? NULL : question_find(caller, frame.number);
		/* None: it was cancelled, too late, or our predecessor's. */
		if (question)
			question_finish(question, frame.kind == FRAME_ANSWER,
					slice_make(frame.bytes, (size_t)n));
		if (n > 0)
			OPENSSL_cleanse(frame.bytes, (size_t)n);
	}
}

struct child_caller *child_caller_new(struct loop *loop, int fd)
{
	struct child_caller *caller = calloc(1, sizeof(*caller));

	BUG_ON(!caller);
	caller->loop = loop;
	caller->fd = fd;
	/* Answers to a predecessor may still be on their way. */
	random_bytes(&caller->last_number, sizeof(caller->last_number));
	event_assign(&caller->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_readable, caller);
	BUG_ON(event_add(&caller->readable, NULL) != 0);
	return caller;
}

void child_caller_free(struct child_caller *caller)
{
	if (!caller)
		return;
	for (size_t i = 0; i < N_BUCKETS; i++)
		while (!LIST_EMPTY(&caller->buckets[i])) {
			struct question *question = LIST_FIRST(&caller->buckets[i]);
			question_take(question);
			free(question);
		}
	event_del(&caller->readable);
	caller->is_freed = true;
	loop_defer(caller->loop, free, caller);
}

static uint32_t next_number(struct child_caller *caller)
{
	do
		caller->last_number++;
	while (caller->last_number == 0 || question_find(caller, caller->last_number));
	return caller->last_number;
}

uint32_t child_ask(struct child_caller *caller, struct slice text, int64_t deadline_ms,
		   child_answer_fn *fn, void *arg)
{
	uint32_t number = next_number(caller);

	if (caller->is_closed || !frame_send(caller->fd, number, FRAME_QUESTION, text))
		return 0;
	struct question *question = calloc(1, sizeof(*question));
	BUG_ON(!question);
	*question = (struct question){
		.caller = caller,
		.number = number,
		.fn = fn,
		.arg = arg,
	};
	LIST_INSERT_HEAD(&caller->buckets[number % N_BUCKETS], question, next);
	timer_init(&question->deadline, caller->loop, on_question_deadline, question);
	timer_start(&question->deadline, deadline_ms);
	return number;
}

void child_cancel(struct child_caller *caller, uint32_t number)
{
	struct question *question = question_find(caller, number);

	if (!question)
		return;
	question_take(question);
	free(question);
}

/* ---- The answering side ---- */

static volatile sig_atomic_t is_terminated;

static void on_terminate(int signum)
{
	(void)signum;
	is_terminated = 1;
}

struct answerer {
	child_handler_fn *handler;
	void *arg;
	size_t n, n_open;
	struct pollfd channels[MAX_CHANNELS];
	bool is_losing[MAX_CHANNELS]; /* said once until one gets through again */
};

/* An asker that does not read must not hold up the others. */
static void send_answer(struct answerer *self, size_t channel, uint32_t number,
			enum frame_kind kind, struct slice answer)
{
	bool is_sent = frame_send(self->channels[channel].fd, number, kind, answer);

	if (!is_sent && !self->is_losing[channel])
		log_warn("answer_lost", log_num("channel", (int64_t)channel),
			 log_str("why", strerror(errno)));
	self->is_losing[channel] = !is_sent;
}

/* Answer one frame. Returns false when the channel is closed. */
static bool answer_one(struct answerer *self, size_t channel)
{
	struct frame frame;
	uint8_t answer[CHILD_FRAME_BYTES];

	ssize_t n = frame_receive(self->channels[channel].fd, &frame);
	if (n < 0 && errno == 0)
		return false;
	if (n < 0) {
		(void)may_go_on(errno);
		return true;
	}
	ssize_t size = self->handler(self->arg, slice_make(frame.bytes, (size_t)n),
				     answer, sizeof(answer));
	BUG_ON(size > (ssize_t)sizeof(answer));
	if (size < 0)
		send_answer(self, channel, frame.number, FRAME_REFUSAL, SLICE(""));
	else
		send_answer(self, channel, frame.number, FRAME_ANSWER,
			    slice_make(answer, (size_t)size));
	OPENSSL_cleanse(frame.bytes, (size_t)n);
	if (size > 0)
		OPENSSL_cleanse(answer, (size_t)size);
	return true;
}

/* Who watches us sees that we go on when nobody asks, too. */
static int wait_question(struct answerer *self, const sigset_t *mask)
{
	int64_t ms = beat();
	const struct timespec limit = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	return ppoll(self->channels, self->n, ms < 0 ? NULL : &limit, mask);
}

static void serve_until(struct answerer *self, const sigset_t *mask)
{
	while (self->n_open > 0 && !is_terminated) {
		if (wait_question(self, mask) <= 0)
			continue; /* a signal, or time to beat */
		for (size_t i = 0; i < self->n; i++)
			if (self->channels[i].revents != 0 && !answer_one(self, i)) {
				self->channels[i].fd = -1;
				self->n_open--;
			}
	}
}

void child_serve(const int *fds, size_t n, child_handler_fn *handler, void *arg)
{
	struct answerer self = { .handler = handler, .arg = arg, .n = n, .n_open = n };
	struct sigaction action = { .sa_handler = on_terminate }, old_action;
	sigset_t blocked, before;

	BUG_ON(n > MAX_CHANNELS);
	for (size_t i = 0; i < n; i++)
		self.channels[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	/* SIGTERM comes while we wait and at no other time. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	is_terminated = 0;
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGTERM, &action, &old_action);
	sigset_t waiting = before;
	sigdelset(&waiting, SIGTERM);
	serve_until(&self, &waiting);
	sigaction(SIGTERM, &old_action, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
