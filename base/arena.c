#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define BLOCK_BYTES 4096
/* Enough for the head of most requests. The arena and this much are one allocation of
 * at most 1,032 bytes, which the C library keeps at hand; larger ones it looks for, and
 * each request has two arenas. */
#define FIRST_BYTES 960
#define ALIGNMENT   _Alignof(max_align_t)
/* What is longer is printed twice. */
#define PRINTED_BYTES 512

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	size_t limit, used;   /* bytes given out, with alignment */
	struct block *blocks; /* the one in use first */
	/* The block that there always is. */
	_Alignas(max_align_t) char first[offsetof(struct block, bytes) + FIRST_BYTES];
};
_Static_assert(sizeof(struct arena) <= 1032, "an arena is a small allocation");

static void *alloc_or_die(size_t n)
{
	void *p = malloc(n);
	BUG_ON(!p);
	return p;
}

static struct block *block_init(void *memory, size_t size, struct block *next)
{
	struct block *block = memory;

	block->next = next;
	block->size = size;
	block->used = 0;
	return block;
}

struct arena *arena_new(size_t limit_bytes)
{
	struct arena *arena = alloc_or_die(sizeof(*arena));

	arena->limit = limit_bytes;
	arena->used = 0;
	arena->blocks = block_init(arena->first, FIRST_BYTES, NULL);
	return arena;
}

static bool is_first(const struct arena *arena, const struct block *block)
{
	return (const char *)block == arena->first;
}

void arena_reset(struct arena *arena)
{
	while (arena->blocks) {
		struct block *block = arena->blocks;
		arena->blocks = block->next;
		if (!is_first(arena, block))
			free(block);
	}
	arena->blocks = block_init(arena->first, FIRST_BYTES, NULL);
	arena->used = 0;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	arena_reset(arena);
	free(arena);
}

/* Something too large for a common block gets one of its own, behind the one in use. */
static struct block *block_for(struct arena *arena, size_t n)
{
	struct block *current = arena->blocks;

	if (current->size - current->used >= n)
		return current;
	bool is_large = n > BLOCK_BYTES / 2;
	size_t size = is_large ? n : BLOCK_BYTES;
	struct block **place = is_large ? &current->next : &arena->blocks;
	*place = block_init(alloc_or_die(sizeof(struct block) + size), size, *place);
	return *place;
}

void *arena_alloc(struct arena *arena, size_t n)
{
	size_t left = arena->limit - arena->used;

	if (n > left || left - n < ALIGNMENT - 1)
		return NULL;
	n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	struct block *block = block_for(arena, n);
	void *p = block->bytes + block->used;
	block->used += n;
	arena->used += n;
	return memset(p, 0, n);
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
	char *p = s.n < SIZE_MAX ? arena_alloc(arena, s.n + 1) : NULL;

	if (!p)
		return (struct slice){ NULL, 0 };
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct slice){ p, s.n };
}

char *arena_string(struct arena *arena, struct slice s)
{
	if (s.n > 0 && memchr(s.p, '\0', s.n))
		return NULL;
	return (char *)(uintptr_t)arena_copy(arena, s).p;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	char text[PRINTED_BYTES];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	BUG_ON(n < 0);
	char *p = arena_alloc(arena, (size_t)n + 1);
	if (!p)
		return NULL;
	if ((size_t)n < sizeof(text))
		return memcpy(p, text, (size_t)n + 1);
	va_start(args, format);
	vsnprintf(p, (size_t)n + 1, format, args);
	va_end(args);
	return p;
}
