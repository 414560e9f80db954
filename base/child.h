/*
 * Questions to another process of ours, over a channel that outlives both ends:
 * a SOCK_SEQPACKET pair made before the fork and kept open by the supervisor, so
 * that a child that died and was started again goes on reading where it stopped.
 * A frame is one question or one answer of at most CHILD_FRAME_BYTES and is
 * matched by a number. The asking side is asynchronous with a deadline (who must wait
 * asks at a hatch, hatch.h); the answering side is a plain loop and blocks.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include "base/loop.h"

#define CHILD_FRAME_BYTES 16384

/** Make a channel; [0] asks, [1] answers. @return 0, or -1 with errno */
int child_channel(int fds[2]) __attribute__((warn_unused_result));

struct child_caller;
/** @p ok false: no answer before the deadline, or refused; @p answer is then empty. */
typedef void child_answer_fn(void *arg, bool ok, struct slice answer);

/** @param fd  borrowed until child_caller_free(); [0] of child_channel() */
struct child_caller *child_caller_new(struct loop *loop, int fd);
/** Answers that are still out never come. */
void child_caller_free(struct child_caller *caller);
/**
 * Ask. @p fn is called exactly once, later, unless cancelled by child_cancel().
 * @return the number of the question, or 0 when it cannot be sent (frame too long,
 *         channel full); @p fn is then never called
 */
uint32_t child_ask(struct child_caller *caller, struct slice question,
		   int64_t deadline_ms, child_answer_fn *fn, void *arg)
	__attribute__((warn_unused_result));
/** @p fn of child_ask() will not come. Nothing when it has already. */
void child_cancel(struct child_caller *caller, uint32_t number);
/**
 * Handle one question.
 * @return length of the answer, or -1 to refuse (the asker sees ok = false)
 */
typedef ssize_t child_handler_fn(void *arg, struct slice question, uint8_t *answer,
				 size_t cap);
/**
 * Answer on all @p fds (at most 1024) until every one is closed or SIGTERM comes.
 * Blocks. An answer that its asker has no room for is dropped with a warning.
 */
void child_serve(const int *fds, size_t n, child_handler_fn *handler, void *arg);

#endif
