#include "base/board.h"

#include <sys/mman.h>

#include "base/log.h"

static const char *const phase_names[GENERATION_N_PHASES] = {
	[GENERATION_NONE] = "none",       [GENERATION_STARTING] = "starting",
	[GENERATION_SERVING] = "serving", [GENERATION_DRAINING] = "draining",
	[GENERATION_ENDED] = "ended",
};

static const char *const result_names[RELOAD_N_RESULTS] = {
	[RELOAD_NONE] = "none",     [RELOAD_RUNNING] = "running",
	[RELOAD_DONE] = "done",     [RELOAD_REFUSED] = "refused",
	[RELOAD_FAILED] = "failed",
};

struct board *board_new(void)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	BUG_ON(board == MAP_FAILED);
	return board;
}

const char *board_phase_name(enum generation_phase phase)
{
	return phase_names[phase];
}

const char *board_result_name(enum reload_result result)
{
	return result_names[result];
}

static bool is_ready(const struct process_state *state)
{
	return state->pid && __atomic_load_n(&state->is_ready, __ATOMIC_ACQUIRE);
}

const struct process_state *board_find_unready(
	const struct board_generation *generation)
{
	for (size_t i = 0; i < generation->n_processes; i++)
		if (!is_ready(&generation->processes[i]))
			return &generation->processes[i];
	return NULL;
}

bool board_is_ready(const struct board *board)
{
	size_t current = __atomic_load_n(&board->current, __ATOMIC_ACQUIRE);

	return !board_find_unready(&board->generations[current]);
}

size_t board_count(const struct board *board)
{
	size_t n = 0;

	for (size_t i = 0; i < BOARD_GENERATIONS; i++)
		n += board->generations[i].phase != GENERATION_NONE;
	return n;
}
