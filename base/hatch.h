/*
 * A hatch: questions to another process of ours by one that waits for each answer. The
 * two share a page of memory, in which one question and one answer lie, and wake each
 * other by futex: half of what it costs over a socket (child.h is for who comes back
 * later). The page is made before the fork and outlives both: who answers may die, and
 * its successor finds the question where it lies.
 * Neither side trusts the other. What lies in the page is copied, then looked at;
 * nobody can make the page smaller. No secret passes here: nothing is wiped.
 */
#ifndef BASE_HATCH_H
#define BASE_HATCH_H

#include "base/child.h"

#define HATCH_BYTES 2000 /* of the longest question, and of the longest answer */
#define HATCH_MAX   127  /* that one process answers at (FUTEX_WAITV_MAX) */

/**
 * Make a hatch.
 * @return a descriptor for both sides, or -1 with errno; ENOSYS on Linux before 5.16
 */
int hatch_make(void) __attribute__((warn_unused_result));

struct hatch;
/** Open the side that asks: one process at a time.
 * @param fd  borrowed for the call; of hatch_make()
 * @return NULL with errno */
struct hatch *hatch_open(int fd);
/** NULL is nothing. */
void hatch_close(struct hatch *hatch);
/**
 * Ask and block until the answer is there. What was asked before, by a predecessor,
 * too, and was not answered in time is forgotten.
 * @return length of the answer, or -1 with errno: ETIMEDOUT no answer in time, EACCES
 *         refused, EMSGSIZE question over HATCH_BYTES, or answer longer than @p cap
 */
ssize_t hatch_ask(struct hatch *hatch, struct slice question, int64_t timeout_ms,
		  uint8_t *answer, size_t cap);

/**
 * Answer at all hatches (at most HATCH_MAX), in turn, until SIGTERM comes. Blocks.
 * @param handler  its answers are of at most HATCH_BYTES
 */
void hatch_serve(const int *fds, size_t n, child_handler_fn *handler, void *arg);

#endif
