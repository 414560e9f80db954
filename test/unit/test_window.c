/* The window of unreported parts. */
#include "smsc/window.h"

#include <stdio.h>

#include "test/unit/test.h"

static struct slice uuid(unsigned int n)
{
	static char text[8][UUID_CHARS + 1];
	static unsigned int next;
	char *at = text[next++ % 8];
	snprintf(at, UUID_CHARS + 1, "00000000-0000-4000-8000-%012u", n);
	return slice_make(at, UUID_CHARS);
}

static void counts_until_reported(void)
{
	struct window *window = window_new(3);
	CU_ASSERT_EQUAL(window_room(window), 3);
	window_add(window, uuid(1), 100, 1100);
	window_add(window, uuid(2), 110, 1110);
	CU_ASSERT_EQUAL(window_room(window), 1);
	window_acked(window, uuid(1));
	CU_ASSERT_EQUAL(window_count(window), 2);
	CU_ASSERT(window_remove(window, uuid(1)));
	CU_ASSERT(!window_remove(window, uuid(1)));
	CU_ASSERT_EQUAL(window_room(window), 2);
	/* a report may come before its acknowledgement */
	CU_ASSERT(window_remove(window, uuid(2)));
	window_acked(window, uuid(2));
	CU_ASSERT_EQUAL(window_count(window), 0);
	window_free(window);
}

static void ignores_what_it_does_not_know(void)
{
	struct window *window = window_new(3);
	window_add(window, uuid(1), 100, 1100);
	window_acked(window, uuid(7));
	CU_ASSERT(!window_remove(window, uuid(7)));
	CU_ASSERT(!window_remove(window, SLICE("")));
	CU_ASSERT(!window_remove(window, SLICE("a reference of somebody else")));
	CU_ASSERT_EQUAL(window_count(window), 1);
	window_free(window);
}

static void tells_the_oldest_unacknowledged(void)
{
	struct window *window = window_new(3);
	CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), -1);
	window_add(window, uuid(1), 100, 1100);
	window_add(window, uuid(2), 110, 1110);
	CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), 100);
	window_acked(window, uuid(1));
	CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), 110);
	window_acked(window, uuid(1));
	window_acked(window, uuid(2));
	CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), -1);
	window_free(window);
}

static void forgets_unacknowledged_with_the_link(void)
{
	struct window *window = window_new(3);
	window_add(window, uuid(1), 100, 1100);
	window_add(window, uuid(2), 110, 1110);
	window_add(window, uuid(3), 120, 1120);
	window_acked(window, uuid(2));
	CU_ASSERT_EQUAL(window_drop_unacked(window), 2);
	CU_ASSERT_EQUAL(window_count(window), 1);
	CU_ASSERT(window_remove(window, uuid(2)));
	window_free(window);
}

static void forgets_what_is_never_reported(void)
{
	struct window *window = window_new(3);
	window_add(window, uuid(1), 100, 1100);
	window_add(window, uuid(2), 110, 1110);
	window_add(window, uuid(3), 120, 1120);
	window_acked(window, uuid(1));
	window_acked(window, uuid(2));
	CU_ASSERT_EQUAL(window_expire(window, 1099), 0);
	CU_ASSERT_EQUAL(window_expire(window, 1110), 2);
	CU_ASSERT_EQUAL(window_count(window), 1);
	CU_ASSERT_EQUAL(window_expire(window, 1120), 1);
	CU_ASSERT_EQUAL(window_room(window), 3);
	window_free(window);
}

/* Validity differs: one that was sent later may be over before. */
static void forgets_each_at_its_own_time(void)
{
	struct window *window = window_new(3);
	window_add(window, uuid(1), 100, 5000);
	window_add(window, uuid(2), 110, 300);
	CU_ASSERT_EQUAL(window_expire(window, 300), 1);
	CU_ASSERT(window_remove(window, uuid(1)));
	window_free(window);
}

static void counts_what_was_there_before(void)
{
	struct window *window = window_new(2);
	window_add(window, uuid(1), 100, 5000);
	window_restore(window, uuid(1), 600);
	CU_ASSERT_EQUAL(window_count(window), 1);
	window_restore(window, uuid(2), 600);
	window_restore(window, uuid(3), 700); /* the bound was 3 before */
	CU_ASSERT_EQUAL(window_count(window), 3);
	CU_ASSERT_EQUAL(window_room(window), 0);
	/* they are bearerbox's: no acknowledgement is waited for */
	CU_ASSERT_EQUAL(window_drop_unacked(window), 1);
	CU_ASSERT_EQUAL(window_oldest_unacked_ms(window), -1);
	CU_ASSERT_EQUAL(window_expire(window, 650), 1);
	CU_ASSERT_EQUAL(window_room(window), 1);
	window_free(window);
}

TEST_MAIN("window", TEST(counts_until_reported), TEST(ignores_what_it_does_not_know),
	  TEST(tells_the_oldest_unacknowledged),
	  TEST(forgets_unacknowledged_with_the_link),
	  TEST(forgets_what_is_never_reported), TEST(forgets_each_at_its_own_time),
	  TEST(counts_what_was_there_before))
