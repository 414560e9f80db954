/*
 * Parts that bearerbox was sent and of which the SMSC has reported nothing yet.
 * Kannel gives no back-pressure, so their number is bounded here. Knows their UUIDs
 * and times only.
 */
#ifndef SMSC_WINDOW_H
#define SMSC_WINDOW_H

#include "base/codec.h"

struct window;

/** @param limit  at most this many parts */
struct window *window_new(size_t limit);
void window_free(struct window *window);

/** How many more parts fit. */
size_t window_room(const struct window *window);
size_t window_count(const struct window *window);

/**
 * Note a part that is being sent; there must be room.
 * @param uuid      borrowed, UUID_CHARS; new to the window
 * @param until_ms  when its validity has passed
 */
void window_add(struct window *window, struct slice uuid, int64_t now_ms,
		int64_t until_ms);
/**
 * Note a part that bearerbox had before this process began; one that is there already
 * is let be. Needs no room: the bound may have been higher.
 */
void window_restore(struct window *window, struct slice uuid, int64_t until_ms);
/** bearerbox has the part; a UUID that is not in the window is ignored. */
void window_acked(struct window *window, struct slice uuid);
/** The part is over: reported or refused. @return false when it was not there */
bool window_remove(struct window *window, struct slice uuid);

/** When the oldest part without acknowledgement was sent; -1 when all have one. */
int64_t window_oldest_unacked_ms(const struct window *window);
/** The link is gone: forget what was not acknowledged. @return how many */
size_t window_drop_unacked(struct window *window);
/** Forget parts whose validity has passed. @return how many. Cost: O(parts). */
size_t window_expire(struct window *window, int64_t now_ms);

#endif
