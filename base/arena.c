#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define BLOCK_BYTES 4096
#define ALIGNMENT   _Alignof(max_align_t)

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	size_t limit, used;   /* bytes given out, with alignment */
	struct block *blocks; /* the one in use first */
};

static void *alloc_or_die(size_t n)
{
	void *p = malloc(n);
	BUG_ON(!p);
	return p;
}

struct arena *arena_new(size_t limit_bytes)
{
	struct arena *arena = alloc_or_die(sizeof(*arena));

	*arena = (struct arena){ .limit = limit_bytes };
	return arena;
}

void arena_reset(struct arena *arena)
{
	struct block *kept = NULL;

	while (arena->blocks) {
		struct block *block = arena->blocks;
		arena->blocks = block->next;
		if (!kept && block->size == BLOCK_BYTES) {
			kept = block;
			kept->next = NULL;
			kept->used = 0;
		} else {
			free(block);
		}
	}
	arena->blocks = kept;
	arena->used = 0;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	arena_reset(arena);
	free(arena->blocks);
	free(arena);
}

/* Something too large for a common block gets one of its own, behind the one in use. */
static struct block *block_for(struct arena *arena, size_t n)
{
	struct block *current = arena->blocks;

	if (current && current->size - current->used >= n)
		return current;
	bool is_large = n > BLOCK_BYTES / 2;
	size_t size = is_large ? n : BLOCK_BYTES;
	struct block *block = alloc_or_die(sizeof(*block) + size);
	block->size = size;
	block->used = 0;
	if (is_large && current) {
		block->next = current->next;
		current->next = block;
	} else {
		block->next = current;
		arena->blocks = block;
	}
	return block;
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
	va_list args;

	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	BUG_ON(n < 0);
	char *p = arena_alloc(arena, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(args, format);
	vsnprintf(p, (size_t)n + 1, format, args);
	va_end(args);
	return p;
}
