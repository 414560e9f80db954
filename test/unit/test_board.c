#include "base/board.h"

#include <string.h>

#include "test/unit/test.h"

static void begins_empty(void)
{
	struct board *board = board_new();

	CU_ASSERT_EQUAL(board_count(board), 0);
	CU_ASSERT_EQUAL(board->reload.result, RELOAD_NONE);
}

static void has_a_word_for_everything(void)
{
	for (int i = 0; i < GENERATION_N_PHASES; i++)
		CU_ASSERT_PTR_NOT_NULL(board_phase_name((enum generation_phase)i));
	for (int i = 0; i < RELOAD_N_RESULTS; i++)
		CU_ASSERT_PTR_NOT_NULL(board_result_name((enum reload_result)i));
	CU_ASSERT_STRING_EQUAL(board_phase_name(GENERATION_DRAINING), "draining");
	CU_ASSERT_STRING_EQUAL(board_result_name(RELOAD_REFUSED), "refused");
}

/* A process is ready while it runs and has said so, never for what one before it said.
 */
static void is_ready_when_all_processes_are(void)
{
	struct board *board = board_new();
	struct board_generation *generation = &board->generations[1];

	board->current = 1;
	generation->phase = GENERATION_STARTING;
	generation->n_processes = 2;
	CU_ASSERT_PTR_EQUAL(board_find_unready(generation), &generation->processes[0]);
	generation->processes[0] = (struct process_state){ .pid = 7, .is_ready = true };
	CU_ASSERT_PTR_EQUAL(board_find_unready(generation), &generation->processes[1]);
	CU_ASSERT_FALSE(board_is_ready(board));
	generation->processes[1] = (struct process_state){ .pid = 8, .is_ready = true };
	CU_ASSERT_PTR_NULL(board_find_unready(generation));
	CU_ASSERT(board_is_ready(board));
	generation->processes[0].pid = 0;
	CU_ASSERT_FALSE(board_is_ready(board));
}

/* The daemon is as ready as the generation that serves; the others do not matter. */
static void counts_generations_and_asks_the_one_that_serves(void)
{
	struct board *board = board_new();

	board->generations[0].phase = GENERATION_DRAINING;
	board->generations[0].n_processes = 1;
	board->generations[2].phase = GENERATION_SERVING;
	CU_ASSERT_EQUAL(board_count(board), 2);
	CU_ASSERT_FALSE(board_is_ready(board));
	board->current = 2;
	CU_ASSERT(board_is_ready(board));
}

TEST_MAIN("board", TEST(begins_empty), TEST(has_a_word_for_everything),
	  TEST(is_ready_when_all_processes_are),
	  TEST(counts_generations_and_asks_the_one_that_serves))
