#include "base/gate.h"

#include "base/log.h"

#define LOOK_MS      100
#define SAY_AGAIN_MS 60000

static bool is_full(const struct gate *gate)
{
	return (gate->max > 0 && gate->n >= gate->max) ||
	       (gate->max_strangers > 0 && gate->n_strangers >= gate->max_strangers);
}

/* A gate at its limit opens and closes all the time: one line a minute is enough. */
static void say(struct gate *gate)
{
	const int64_t now_ms = loop_now_ms(gate->loop);

	if (gate->said_ms > 0 && now_ms - gate->said_ms < SAY_AGAIN_MS)
		return;
	gate->said_ms = now_ms;
	log_warn("accept_held", log_num("connections", (int64_t)gate->n),
		 log_num("strangers", (int64_t)gate->n_strangers));
}

static void look(struct gate *gate)
{
	const bool is_held = is_full(gate) && !gate->is_closed;

	if (is_held == gate->is_held)
		return;
	gate->is_held = is_held;
	gate->hold(is_held, gate->arg);
	if (is_held) {
		say(gate);
		timer_start(&gate->timer, LOOK_MS);
	} else {
		timer_cancel(&gate->timer);
	}
}

/* Half of them at most: whoever comes instead is likely of the same kind. */
static void displace_slow(struct gate *gate)
{
	const int64_t before_ms = loop_now_ms(gate->loop) - GATE_PATIENCE_MS;
	struct gate_entry *oldest;

	for (size_t n = (gate->n_strangers + 1) / 2; n > 0; n--) {
		oldest = TAILQ_FIRST(&gate->strangers);
		if (!oldest || oldest->since_ms > before_ms)
			return;
		oldest->displace(oldest->owner);
	}
}

static void on_look(void *arg)
{
	struct gate *gate = arg;

	displace_slow(gate);
	if (gate->is_held)
		timer_start(&gate->timer, LOOK_MS);
}

void gate_init(struct gate *gate, struct loop *loop, size_t max, size_t max_strangers,
	       void (*hold)(bool is_held, void *arg), void *arg)
{
	*gate = (struct gate){ .loop = loop,
			       .max = max,
			       .max_strangers = max_strangers,
			       .hold = hold,
			       .arg = arg };
	TAILQ_INIT(&gate->strangers);
	timer_init(&gate->timer, loop, on_look, gate);
}

void gate_enter(struct gate *gate, struct gate_entry *entry,
		void (*displace)(void *owner), void *owner)
{
	*entry = (struct gate_entry){ .since_ms = loop_now_ms(gate->loop),
				      .displace = displace,
				      .owner = owner,
				      .is_stranger = true,
				      .is_inside = true };
	TAILQ_INSERT_TAIL(&gate->strangers, entry, next);
	gate->n++;
	gate->n_strangers++;
	look(gate);
}

static void forget_stranger(struct gate *gate, struct gate_entry *entry)
{
	if (!entry->is_stranger)
		return;
	entry->is_stranger = false;
	TAILQ_REMOVE(&gate->strangers, entry, next);
	gate->n_strangers--;
}

void gate_know(struct gate *gate, struct gate_entry *entry)
{
	forget_stranger(gate, entry);
	look(gate);
}

void gate_leave(struct gate *gate, struct gate_entry *entry)
{
	if (!entry->is_inside)
		return;
	entry->is_inside = false;
	forget_stranger(gate, entry);
	gate->n--;
	look(gate);
}

void gate_close(struct gate *gate)
{
	gate->is_closed = true;
	look(gate);
}
