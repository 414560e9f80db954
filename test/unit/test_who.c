#include "provctl/who.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test.h"

static void names_the_user(void)
{
	struct arena *arena = arena_new(1 << 16);

	CU_ASSERT_STRING_EQUAL(who_is(arena, 0, NULL), "root");
	CU_ASSERT_STRING_EQUAL(who_is(arena, 0, ""), "root");
	CU_ASSERT_STRING_EQUAL(who_is(arena, 4000000001U, NULL), "uid 4000000001");
	arena_free(arena);
}

static void names_the_one_before_sudo(void)
{
	struct arena *arena = arena_new(1 << 16);

	CU_ASSERT_STRING_EQUAL(who_is(arena, 0, "ada"), "ada (root)");
	/* Only root has come by sudo; whoever else says so made it up. */
	CU_ASSERT_STRING_EQUAL(who_is(arena, 4000000001U, "ada"), "uid 4000000001");
	setenv("SUDO_USER", "ada", 1);
	CU_ASSERT_STRING_EQUAL(who_runs(arena), who_is(arena, getuid(), "ada"));
	arena_free(arena);
}

static void a_long_name_is_cut(void)
{
	struct arena *arena = arena_new(1 << 16);
	char name[200];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CU_ASSERT_EQUAL(strlen(who_is(arena, 0, name)), 80 + strlen(" (root)"));
	arena_free(arena);
}

TEST_MAIN("who", TEST(names_the_user), TEST(names_the_one_before_sudo),
	  TEST(a_long_name_is_cut))
