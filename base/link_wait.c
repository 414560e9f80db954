#include "base/exchange_private.h"

static const int64_t default_timeouts_ms[LINK_N_WAITS] = {
	[LINK_WAITS_FOR_EXCHANGE] = 300000,
	[LINK_WAITS_FOR_HEAD] = 10000,
	[LINK_WAITS_FOR_BODY] = 30000,
};

static enum link_wait wait_of_exchange(const struct link *link)
{
	const struct exchange *exchange = link->exchange;

	if (!exchange->is_head_received)
		return exchange->is_sent ? LINK_WAITS_FOR_HEAD : LINK_WAITS_FOR_NOTHING;
	if (exchange->is_received || exchange->is_continue_owed ||
	    exchange_is_stuffed(exchange))
		return LINK_WAITS_FOR_NOTHING;
	return LINK_WAITS_FOR_BODY;
}

static enum link_wait wait_of(const struct link *link)
{
	switch (link->state) {
	case LINK_IN_IDLE:
		/* What does not read its answers has the connection's write deadline.
		 */
		return link_has_bytes(link) && !conn_is_full(link->conn)
			       ? LINK_WAITS_FOR_HEAD
			       : LINK_WAITS_FOR_EXCHANGE;
	case LINK_IN_EXCHANGE: return wait_of_exchange(link);
	default: return LINK_WAITS_FOR_NOTHING;
	}
}

void link_watch(struct link *link)
{
	const enum link_wait wait = wait_of(link);
	int64_t now_ms;

	if (wait == link->wait && !link->is_progressing)
		return;
	link->wait = wait;
	link->is_progressing = false;
	if (wait == LINK_WAITS_FOR_NOTHING)
		return;
	now_ms = loop_now_ms(link->loop);
	link->since_ms = now_ms;
	link->due_ms = now_ms + link->timeouts_ms[wait];
	if (timer_is_pending(&link->timer) && link->fires_ms <= link->due_ms)
		return;
	link->fires_ms = link->due_ms;
	timer_start(&link->timer, link->timeouts_ms[wait]);
}

static void expire(struct link *link)
{
	static const char *const reasons[LINK_N_WAITS] = {
		[LINK_WAITS_FOR_EXCHANGE] = "idle_timeout",
		[LINK_WAITS_FOR_HEAD] = "head_timeout",
		[LINK_WAITS_FOR_BODY] = "body_timeout",
	};
	const char *reason = reasons[link->wait];

	if (link->wait == LINK_WAITS_FOR_EXCHANGE && link->is_draining)
		reason = "drained";
	if (link->wait == LINK_WAITS_FOR_EXCHANGE)
		link_end(link, reason, true);
	else if (link->is_server)
		link_refuse(link, 408, reason, "The request did not come in time.");
	else
		link_end(link, reason, false);
	link_advance(link);
}

static void on_timer(void *arg)
{
	struct link *link = arg;
	int64_t left_ms;

	if (link->wait == LINK_WAITS_FOR_NOTHING)
		return;
	left_ms = link->due_ms - loop_now_ms(link->loop);
	if (left_ms <= 0) {
		expire(link);
		return;
	}
	link->fires_ms = link->due_ms;
	timer_start(&link->timer, left_ms);
}

void link_wait_less(struct link *link)
{
	int64_t *limit_ms = &link->timeouts_ms[LINK_WAITS_FOR_EXCHANGE];
	int64_t wanted_ms = link->count > 0 ? LINK_DRAIN_IDLE_MS
					    : link->timeouts_ms[LINK_WAITS_FOR_HEAD];

	if (wanted_ms < *limit_ms)
		*limit_ms = wanted_ms;
	if (link->wait != LINK_WAITS_FOR_EXCHANGE || link->state != LINK_IN_IDLE)
		return;
	link->due_ms = link->fires_ms = link->since_ms + *limit_ms;
	int64_t left_ms = link->due_ms - loop_now_ms(link->loop);
	timer_start(&link->timer, left_ms > 0 ? left_ms : 0);
}

void link_wait_init(struct link *link, const struct link_settings *settings)
{
	const int64_t timeouts_ms[LINK_N_WAITS] = {
		[LINK_WAITS_FOR_EXCHANGE] = settings->idle_timeout_ms,
		[LINK_WAITS_FOR_HEAD] = settings->head_timeout_ms,
		[LINK_WAITS_FOR_BODY] = settings->body_timeout_ms,
	};

	for (int i = 0; i < LINK_N_WAITS; i++)
		link->timeouts_ms[i] =
			timeouts_ms[i] > 0 ? timeouts_ms[i] : default_timeouts_ms[i];
	timer_init(&link->timer, link->loop, on_timer, link);
}
