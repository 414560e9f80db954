#include "base/gate.h"

#include "test/unit/test.h"

#define ENTRIES 8

struct door {
	struct loop *loop;
	struct gate gate;
	struct gate_entry entries[ENTRIES];
	bool is_held;
	unsigned n_holds;
	size_t n_displaced;
	void *displaced[ENTRIES];
	struct timer stop;
};

/* What displace() is given: an entry, and the door it is at. */
static struct door *own;

static void hold(bool is_held, void *arg)
{
	struct door *door = arg;

	CU_ASSERT_NOT_EQUAL(door->is_held, is_held);
	door->is_held = is_held;
	door->n_holds += is_held;
}

static void displace(void *owner)
{
	own->displaced[own->n_displaced++] = owner;
	gate_leave(&own->gate, owner);
}

static void on_stop(void *arg)
{
	loop_stop(arg);
}

static void door_open(struct door *door, size_t max, size_t max_strangers)
{
	*door = (struct door){ .loop = loop_new() };
	own = door;
	gate_init(&door->gate, door->loop, max, max_strangers, hold, door);
}

static void door_close(struct door *door)
{
	gate_close(&door->gate);
	timer_cancel(&door->gate.timer);
	loop_free(door->loop);
}

static void enter(struct door *door, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		gate_enter(&door->gate, &door->entries[i], displace, &door->entries[i]);
}

static void run(struct door *door, int64_t ms)
{
	timer_init(&door->stop, door->loop, on_stop, door->loop);
	timer_start(&door->stop, ms);
	loop_run(door->loop);
}

static void holds_at_the_limit_and_no_longer(void)
{
	struct door door;

	door_open(&door, 3, 0);
	enter(&door, 0, 2);
	CU_ASSERT_FALSE(door.is_held);
	enter(&door, 2, 1);
	CU_ASSERT_TRUE(door.is_held);
	gate_know(&door.gate, &door.entries[0]); /* is there nevertheless */
	CU_ASSERT_TRUE(door.is_held);
	gate_leave(&door.gate, &door.entries[0]);
	CU_ASSERT_FALSE(door.is_held);
	enter(&door, 0, 1);
	CU_ASSERT_TRUE(door.is_held);
	CU_ASSERT_EQUAL(door.n_holds, 2);
	door_close(&door);
	CU_ASSERT_FALSE(door.is_held);
}

static void strangers_have_a_limit_of_their_own(void)
{
	struct door door;

	door_open(&door, 8, 2);
	enter(&door, 0, 2);
	CU_ASSERT_TRUE(door.is_held);
	gate_know(&door.gate, &door.entries[1]);
	CU_ASSERT_FALSE(door.is_held);
	enter(&door, 2, 1);
	CU_ASSERT_TRUE(door.is_held);
	gate_leave(&door.gate, &door.entries[0]);
	CU_ASSERT_FALSE(door.is_held);
	door_close(&door);
}

static void what_never_entered_leaves_nothing(void)
{
	struct door door;

	door_open(&door, 1, 1);
	gate_leave(&door.gate, &door.entries[0]);
	enter(&door, 1, 1);
	gate_leave(&door.gate, &door.entries[1]);
	gate_leave(&door.gate, &door.entries[1]);
	enter(&door, 1, 1);
	CU_ASSERT_TRUE(door.is_held);
	door_close(&door);
}

/* Half of the strangers, the oldest first; never one whose handshake is done. */
static void the_slow_give_way(void)
{
	struct door door;

	door_open(&door, 0, 4);
	enter(&door, 0, 1);
	gate_know(&door.gate, &door.entries[0]);
	enter(&door, 1, 4);
	for (size_t i = 0; i <= 4; i++)
		door.entries[i].since_ms -= GATE_PATIENCE_MS + 1;
	run(&door, 300);
	CU_ASSERT_EQUAL(door.n_displaced, 2);
	CU_ASSERT_PTR_EQUAL(door.displaced[0], &door.entries[1]);
	CU_ASSERT_PTR_EQUAL(door.displaced[1], &door.entries[2]);
	CU_ASSERT_FALSE(door.is_held);
	door_close(&door);
}

static void the_quick_stay(void)
{
	struct door door;

	door_open(&door, 0, 4);
	enter(&door, 0, 4);
	run(&door, 300);
	CU_ASSERT_EQUAL(door.n_displaced, 0);
	CU_ASSERT_TRUE(door.is_held);
	door_close(&door);
}

/* Nobody waits: each has all the time of the handshake deadline. */
static void the_slow_stay_while_there_is_room(void)
{
	struct door door;

	door_open(&door, 0, 4);
	enter(&door, 0, 3);
	for (size_t i = 0; i < 3; i++)
		door.entries[i].since_ms -= GATE_PATIENCE_MS + 1;
	run(&door, 300);
	CU_ASSERT_EQUAL(door.n_displaced, 0);
	door_close(&door);
}

TEST_MAIN("gate", TEST(holds_at_the_limit_and_no_longer),
	  TEST(strangers_have_a_limit_of_their_own),
	  TEST(what_never_entered_leaves_nothing), TEST(the_slow_give_way),
	  TEST(the_quick_stay), TEST(the_slow_stay_while_there_is_room))
