/*
 * Seats: who is there, over all processes of a daemon, so that at most so many of one
 * kind are. Whoever comes takes a seat under the key of its kind; when there are more
 * than allowed, the one that has sat longest is called to leave, wherever it sits. A
 * table of fixed size in shared memory, without locks. A process that dies leaves its
 * seats to the supervisor to clear. Knows nothing of what sits there.
 */
#ifndef BASE_SEATS_H
#define BASE_SEATS_H

#include "base/slice.h"

#define SEATS_MAX_LIMIT 32           /* seats of one key */
#define SEATS_NONE      ((size_t)-1) /* came when there was no room: is not counted */

struct seats;

/** Map a table. Call before the first fork; never NULL, never freed.
 * @param n_owners  processes that may hold seats at a time */
struct seats *seats_new(size_t n_owners);
/**
 * Take a seat; when that makes more than @p limit under @p key, those that have sat
 * longest are called.
 *
 * A key is known by 60 bits of a hash with a random key. Two of a million keys are
 * taken for one with a chance of 4 in 10^7; they then share one limit. One 64 seats
 * wide bucket in 4,096 belongs to a key; when it is full (262,144 seats in all) nobody
 * is called and the newcomer is not counted: it fails towards letting in.
 *
 * @param owner   of this process, 0.. below n_owners
 * @param limit   1..SEATS_MAX_LIMIT
 * @param now_ms  monotonic
 * @return the seat, for seats_leave(), or SEATS_NONE
 * Cost: O(64), no system call.
 */
size_t seats_take(struct seats *seats, struct slice key, size_t limit, size_t owner,
		  int64_t now_ms);
/** Give a seat back; SEATS_NONE is nothing. */
void seats_leave(struct seats *seats, size_t seat);
/** Whether a newer one wants it. False for SEATS_NONE. */
bool seats_is_called(const struct seats *seats, size_t seat);
/** Changes each time a seat of this owner is called: look at them then. */
uint64_t seats_calls(const struct seats *seats, size_t owner);
/** The process of an owner has died: its seats are free. */
void seats_clear(struct seats *seats, size_t owner);
/** How many are taken, called ones included. For tests and status; walks the table. */
size_t seats_count(const struct seats *seats);

#endif
