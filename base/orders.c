#include "base/orders.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"

/* A process follows one supervisor. */
static struct {
	struct process *process;
	struct board *board;
	struct timer deadline;
	int64_t since_ms; /* of the drain; 0: none yet */
	bool has_taken_over;
} self;

static int64_t drain_timeout_ms(void)
{
	const struct supervisor_config *config = self.process->worker.config;

	return config->drain_timeout_ms;
}

static void cut(void)
{
	struct worker *worker = &self.process->worker;
	const struct supervisor_role *role = self.process->role;
	size_t n = role->cut ? role->cut(worker) : 0;

	if (n > 0) {
		__atomic_fetch_add(&self.board->n_cut, n, __ATOMIC_RELAXED);
		log_warn(
			"drain_cut", log_num("exchanges", (int64_t)n),
			log_num("after_ms", loop_now_ms(worker->loop) - self.since_ms));
	}
	loop_stop(worker->loop);
}

static void on_deadline(void *arg)
{
	(void)arg;
	cut();
}

/* Those that wait in a socket nobody else has were taken by role->stop(): from now on
 * nobody is left waiting there in vain. */
static void close_listeners(struct worker *worker)
{
	for (size_t i = 0; i < worker->n_listeners; i++)
		close(worker->listeners[i]);
	worker->n_listeners = 0;
}

static void on_terminate(void *arg)
{
	struct worker *worker = &self.process->worker;

	(void)arg;
	if (self.since_ms) {
		cut();
		return;
	}
	self.since_ms = loop_now_ms(worker->loop);
	timer_start(&self.deadline, drain_timeout_ms());
	if (self.process->role->stop)
		self.process->role->stop(worker);
	else
		loop_stop(worker->loop);
	close_listeners(worker);
}

/* Not once it has been told to end: it has nothing to begin. */
static void take_over(void *arg)
{
	const struct supervisor_role *role = self.process->role;

	(void)arg;
	if (!role->take_over || self.has_taken_over || self.since_ms ||
	    !__atomic_load_n(&self.process->state->is_alone, __ATOMIC_ACQUIRE))
		return;
	self.has_taken_over = true;
	role->take_over(&self.process->worker);
}

void orders_hear(struct process *process, struct board *board)
{
	struct loop *loop = process->worker.loop;

	self.process = process;
	self.board = board;
	timer_init(&self.deadline, loop, on_deadline, NULL);
	loop_on_signal(loop, SIGTERM, on_terminate, NULL);
	loop_on_signal(loop, SIGUSR1, take_over, NULL);
}

void orders_begin(void)
{
	take_over(NULL);
}
