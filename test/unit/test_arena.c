#include "base/arena.h"

#include "test/unit/test.h"

static void gives_aligned_zeroed_memory(void)
{
	struct arena *arena = arena_new(1 << 20);

	for (int round = 0; round < 2; round++) {
		char *last = NULL;
		for (size_t n = 1; n < 300; n += 7) {
			char *p = arena_alloc(arena, n);
			CU_ASSERT_PTR_NOT_NULL_FATAL(p);
			CU_ASSERT_EQUAL((uintptr_t)p % _Alignof(max_align_t), 0);
			for (size_t i = 0; i < n; i++)
				CU_ASSERT_EQUAL_FATAL(p[i], 0);
			memset(p, 0xff, n);
			CU_ASSERT_PTR_NOT_EQUAL(p, last);
			last = p;
		}
		arena_reset(arena); /* the second round finds used memory */
	}
	arena_free(arena);
}

static void keeps_neighbours_apart(void)
{
	struct arena *arena = arena_new(1 << 20);
	char *p[200];

	for (size_t i = 0; i < 200; i++) {
		/* Small ones and some larger than a block. */
		p[i] = arena_alloc(arena, i % 10 == 0 ? 5000 : 50);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p[i]);
		memset(p[i], (int)i, i % 10 == 0 ? 5000 : 50);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < (i % 10 == 0 ? 5000 : 50); k++)
			CU_ASSERT_EQUAL_FATAL((unsigned char)p[i][k], i);
	arena_free(arena);
}

static void ends_at_its_limit(void)
{
	struct arena *arena = arena_new(1000);
	size_t given = 0;

	CU_ASSERT_PTR_NULL(arena_alloc(arena, 1001));
	CU_ASSERT_PTR_NULL(arena_alloc(arena, SIZE_MAX));
	while (arena_alloc(arena, 16))
		given += 16;
	CU_ASSERT_TRUE(given <= 1000 && given >= 1000 - 32);
	CU_ASSERT_PTR_NULL(arena_copy(arena, SLICE("a text of some length")).p);
	CU_ASSERT_PTR_NULL(arena_string(arena, SLICE("a text of some length")));
	CU_ASSERT_PTR_NULL(arena_printf(arena, "%s of some length", "a text"));
	arena_reset(arena);
	CU_ASSERT_PTR_NOT_NULL(arena_alloc(arena, 900));
	arena_free(arena);
}

static void copies_bytes_and_strings(void)
{
	struct arena *arena = arena_new(4096);

	struct slice copy = arena_copy(arena, SLICE("a\0b"));
	CU_ASSERT_TRUE(slice_eq(copy, SLICE("a\0b")));
	CU_ASSERT_EQUAL(copy.p[3], '\0');
	CU_ASSERT_PTR_NOT_NULL(arena_copy(arena, SLICE("")).p);
	CU_ASSERT_STRING_EQUAL(arena_string(arena, SLICE("text")), "text");
	CU_ASSERT_STRING_EQUAL(arena_string(arena, slice_make(NULL, 0)), "");
	CU_ASSERT_PTR_NULL(arena_string(arena, SLICE("te\0xt")));
	CU_ASSERT_STRING_EQUAL(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	arena_free(arena);
}

static void prints_texts_of_any_length(void)
{
	for (int n = 0; n < 2000; n++) {
		struct arena *arena = arena_new(4096);
		const char *text = arena_printf(arena, "%0*d", n + 1, 7);

		CU_ASSERT_EQUAL(strlen(text), (size_t)n + 1);
		CU_ASSERT_EQUAL(strspn(text, "0"), (size_t)n);
		CU_ASSERT_EQUAL(text[n], '7');
		arena_free(arena);
	}
}

TEST_MAIN("arena", TEST(gives_aligned_zeroed_memory), TEST(keeps_neighbours_apart),
	  TEST(ends_at_its_limit), TEST(copies_bytes_and_strings),
	  TEST(prints_texts_of_any_length))
