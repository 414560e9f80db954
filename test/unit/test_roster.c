#include "base/roster.h"

#include <unistd.h>

#include "test/unit/test.h"

static size_t count_two(const void *config)
{
	(void)config;
	return 2;
}

static const struct supervisor_role roles[] = {
	{ .name = "asker",
	  .count = count_two,
	  .asks = (const char *const[]){ "second", "first", NULL } },
	{ .name = "other", .asks = (const char *const[]){ "first", NULL } },
	{ .name = "first", .is_answerer = true },
	{ .name = "second", .is_answerer = true },
	{ .name = "loner" },
};
enum {
	ASKER_0,
	ASKER_1,
	OTHER,
	FIRST,
	SECOND,
	LONER,
	N_PROCESSES
};

static struct roster roster;

static bool are_joined(size_t asker, size_t place, size_t answerer, size_t end)
{
	const struct worker *from = &roster.processes[asker].worker;
	const struct worker *to = &roster.processes[answerer].worker;
	char sent = (char)('a' + asker), got = '\0';

	return write(from->channels[place], &sent, 1) == 1 &&
	       read(to->channels[end], &got, 1) == 1 && got == sent;
}

static void channels_are_in_the_order_of_the_asks(void)
{
	static const size_t counts[N_PROCESSES] = { 2, 2, 1, 3, 2, 0 };
	static const struct supervisor_spec spec = { .program = "testd" };
	static struct process_state states[BOARD_PROCESSES];
	struct sockets sockets = { NULL, 0 };
	const struct roster_parts parts = {
		.spec = &spec,
		.roles = roles,
		.n_roles = sizeof(roles) / sizeof(roles[0]),
		.sockets = &sockets,
		.states = states,
	};

	CU_ASSERT_TRUE_FATAL(roster_open(&roster, &parts));
	CU_ASSERT_EQUAL_FATAL(roster.n, N_PROCESSES);
	for (size_t i = 0; i < N_PROCESSES; i++)
		CU_ASSERT_EQUAL_FATAL(roster.processes[i].worker.n_channels, counts[i]);
	CU_ASSERT_TRUE(are_joined(ASKER_0, 0, SECOND, 0));
	CU_ASSERT_TRUE(are_joined(ASKER_0, 1, FIRST, 0));
	CU_ASSERT_TRUE(are_joined(ASKER_1, 0, SECOND, 1));
	CU_ASSERT_TRUE(are_joined(ASKER_1, 1, FIRST, 1));
	CU_ASSERT_TRUE(are_joined(OTHER, 0, FIRST, 2));
	roster_close(&roster);
}

TEST_MAIN("roster", TEST(channels_are_in_the_order_of_the_asks))
