/*
 * Arena: memory of one request or one parse, freed as a whole. Has a limit, so
 * that hostile input ends in NULL and not in memory pressure. Not for secrets.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena;

/**
 * Make an empty arena that gives out at most @p limit_bytes.
 * Allocates its first block at the first use. Never returns NULL: allocation
 * failure of the process aborts (the supervisor restarts the worker).
 */
struct arena *arena_new(size_t limit_bytes);
/** Free it with everything given out; NULL is nothing. */
void arena_free(struct arena *arena);
/** Forget everything given out and keep one block for reuse. */
void arena_reset(struct arena *arena);
/**
 * @return @p n zeroed bytes aligned for any object, or NULL past the limit
 */
void *arena_alloc(struct arena *arena, size_t n);
/** Copy bytes into the arena; the copy is followed by a NUL. {NULL,0} past the limit.
 */
struct slice arena_copy(struct arena *arena, struct slice s);
/** Copy as a C string. NULL past the limit, or when @p s holds a NUL. */
char *arena_string(struct arena *arena, struct slice s);
/** Format into the arena. NULL past the limit. */
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
