#include "base/seats.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test.h"

#define OWNERS 8
#define ANN    SLICE("ann")

static void the_oldest_of_a_key_is_called(void)
{
	struct seats *seats = seats_new(OWNERS);
	size_t ann[5];

	for (size_t i = 0; i < 3; i++)
		ann[i] = seats_take(seats, ANN, 3, i, 1000 + (int64_t)i);
	for (size_t i = 0; i < 3; i++)
		CU_ASSERT_FALSE(seats_is_called(seats, ann[i]));
	ann[3] = seats_take(seats, ANN, 3, 3, 1003);
	CU_ASSERT_TRUE(seats_is_called(seats, ann[0]));
	CU_ASSERT_FALSE(seats_is_called(seats, ann[1]));
	/* It is not called for again while it is on its way. */
	ann[4] = seats_take(seats, ANN, 3, 3, 1004);
	CU_ASSERT_TRUE(seats_is_called(seats, ann[1]));
	CU_ASSERT_FALSE(seats_is_called(seats, ann[2]));
	CU_ASSERT_EQUAL(seats_count(seats), 5);
}

static void the_owner_of_a_called_seat_is_told(void)
{
	struct seats *seats = seats_new(OWNERS);
	uint64_t before = seats_calls(seats, 5);

	seats_take(seats, ANN, 1, 5, 1000);
	CU_ASSERT_EQUAL(seats_calls(seats, 5), before);
	seats_take(seats, ANN, 1, 6, 1001);
	CU_ASSERT_NOT_EQUAL(seats_calls(seats, 5), before);
	CU_ASSERT_EQUAL(seats_calls(seats, 6), 0);
}

static void a_seat_that_was_left_is_not_counted(void)
{
	struct seats *seats = seats_new(OWNERS);
	size_t first = seats_take(seats, ANN, 2, 1, 1000);
	size_t second = seats_take(seats, ANN, 2, 1, 1001);

	seats_leave(seats, first);
	size_t third = seats_take(seats, ANN, 2, 1, 1002);
	CU_ASSERT_FALSE(seats_is_called(seats, second));
	CU_ASSERT_FALSE(seats_is_called(seats, third));
	CU_ASSERT_EQUAL(seats_count(seats), 2);
}

static void a_dead_owner_leaves_nothing(void)
{
	struct seats *seats = seats_new(OWNERS);
	size_t kept = seats_take(seats, ANN, 4, 2, 1000);

	for (int i = 0; i < 3; i++)
		seats_take(seats, ANN, 4, 3, 1001);
	seats_clear(seats, 3);
	CU_ASSERT_EQUAL(seats_count(seats), 1);
	for (int i = 0; i < 3; i++)
		seats_take(seats, ANN, 4, 4, 1002);
	CU_ASSERT_FALSE(seats_is_called(seats, kept));
}

static void keys_do_not_mix(void)
{
	struct seats *seats = seats_new(OWNERS);
	size_t n_called = 0, all[2000];

	for (uint32_t key = 0; key < 2000; key++)
		all[key] = seats_take(
			seats, slice_make((const char *)&key, sizeof(key)), 1, 0, 1000);
	for (uint32_t key = 0; key < 2000; key++)
		n_called += seats_is_called(seats, all[key]);
	CU_ASSERT_EQUAL(n_called, 0);
}

/* It lets in, and calls nobody. */
static void a_full_bucket_counts_no_more(void)
{
	struct seats *seats = seats_new(OWNERS);
	size_t seat = 0, n = 0;

	for (; n < 1000 && seat != SEATS_NONE; n++)
		seat = seats_take(seats, ANN, SEATS_MAX_LIMIT, 1, (int64_t)n);
	CU_ASSERT_EQUAL(n, 65);
	CU_ASSERT_FALSE(seats_is_called(seats, SEATS_NONE));
	seats_leave(seats, SEATS_NONE);
}

/* Whatever they do at once, no more than the limit are left uncalled. */
static void processes_agree(void)
{
	enum {
		LIMIT = 4,
		ROUNDS = 3000
	};
	struct seats *seats = seats_new(OWNERS);
	size_t n_called = 0;

	for (size_t owner = 0; owner < 4; owner++) {
		if (fork() != 0)
			continue;
		for (int64_t i = 0; i < ROUNDS; i++) {
			size_t seat = seats_take(seats, ANN, LIMIT, owner, 1000 + i);

			if (i < ROUNDS - 3)
				seats_leave(seats, seat);
		}
		_exit(0);
	}
	for (size_t owner = 0; owner < 4; owner++)
		wait(NULL);
	CU_ASSERT_EQUAL(seats_count(seats), 12);
	for (size_t seat = 0; seat < (size_t)4096 * 64; seat++)
		n_called += seats_is_called(seats, seat);
	CU_ASSERT_EQUAL(n_called, 12 - LIMIT);
}

TEST_MAIN("seats", TEST(the_oldest_of_a_key_is_called),
	  TEST(the_owner_of_a_called_seat_is_told),
	  TEST(a_seat_that_was_left_is_not_counted), TEST(a_dead_owner_leaves_nothing),
	  TEST(keys_do_not_mix), TEST(a_full_bucket_counts_no_more),
	  TEST(processes_agree))
