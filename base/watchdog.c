#include "base/watchdog.h"

#include <signal.h>

#include "base/log.h"
#include "base/systemd.h"

/* So many looks in the time that systemd gives; a process that has not counted at half
 * of them stands still. Looks are counted, not seconds: a machine that was stopped has
 * stopped all of us. */
#define LOOKS       12
#define LOOKS_STILL (LOOKS / 2)
#define BEATS       (2 * LOOKS)

/* What was seen of a place of the board at the last look. */
struct seen {
	pid_t pid;
	uint32_t beats;
	unsigned still; /* looks since they changed */
};

/* One supervisor is one process. */
static struct {
	const struct board *board;
	int64_t interval_ms;
	struct timer timer;
	struct seen seen[BOARD_GENERATIONS][BOARD_PROCESSES];
} self;

/* Returns whether it goes on. */
static bool look(const struct process_state *state, struct seen *seen)
{
	uint32_t beats = __atomic_load_n(&state->beats, __ATOMIC_RELAXED);

	if (state->pid == 0 || state->pid != seen->pid || beats != seen->beats ||
	    beats == 0) {
		*seen = (struct seen){ .pid = state->pid, .beats = beats };
		return true;
	}
	if (++seen->still < LOOKS_STILL)
		return true;
	if (seen->still == LOOKS_STILL) {
		log_error("child_stuck", log_str("role", state->role),
			  log_num("index", (int64_t)state->index),
			  log_num("pid", state->pid),
			  log_num("after_ms", LOOKS_STILL * self.interval_ms),
			  log_str("hint", "it is killed and started again"));
		kill(state->pid, SIGKILL);
	}
	return false;
}

static void on_timer(void *arg)
{
	bool all_go_on = true;

	(void)arg;
	for (size_t g = 0; g < BOARD_GENERATIONS; g++) {
		const struct board_generation *generation = &self.board->generations[g];
		for (size_t i = 0; i < generation->n_processes; i++)
			all_go_on &= look(&generation->processes[i], &self.seen[g][i]);
	}
	if (all_go_on)
		systemd_notify("WATCHDOG=1");
	timer_start(&self.timer, self.interval_ms);
}

int64_t watchdog_open(struct loop *loop, const struct board *board)
{
	int64_t within_ms = systemd_watchdog_ms();

	memset(&self, 0, sizeof(self));
	self.board = board;
	self.interval_ms = within_ms / LOOKS;
	timer_init(&self.timer, loop, on_timer, NULL);
	if (within_ms > 0)
		timer_start(&self.timer, 0);
	return within_ms / BEATS;
}

void watchdog_close(void)
{
	timer_cancel(&self.timer);
}
