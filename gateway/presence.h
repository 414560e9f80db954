/*
 * Who is connected, by device: finds the few of many sessions that a change is about
 * without a look at the others. Of one worker; knows only what hangs in it.
 */
#ifndef GATEWAY_PRESENCE_H
#define GATEWAY_PRESENCE_H

#include <sys/queue.h>

#include "base/slice.h"

struct presence;

/** Inside what is found. */
struct presence_entry {
	LIST_ENTRY(presence_entry) next;
	const char *dev; /* NULL: in no table */
};

/**
 * @param n_expected  entries for which it is as fast as promised; more make it slower
 * @return never NULL; freed by presence_free() when nothing is in it any more
 */
struct presence *presence_new(size_t n_expected);
/** NULL is nothing. */
void presence_free(struct presence *presence);
/**
 * @param entry  borrowed until presence_remove(); one device may have many
 * @param dev    borrowed as long
 * Cost: O(1), no allocation.
 */
void presence_add(struct presence *presence, struct presence_entry *entry,
		  const char *dev);
/** One that was never added is nothing; its dev is then NULL. */
void presence_remove(struct presence_entry *entry);
/**
 * The entries of @p dev, one after the other, in no order.
 * @param after  NULL for the first; else it is still in the table
 * @return NULL: no further one
 * Cost: O(entries of the device).
 */
struct presence_entry *presence_next(const struct presence *presence, const char *dev,
				     const struct presence_entry *after);

#endif
