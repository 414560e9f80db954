#include "gateway/pool.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/target.h"

#define SLOW_MS 1000
#define LATE_MS 300 /* of a connect: then the next server is tried beside it */

enum line_state {
	LINE_CONNECTING,
	LINE_LATE, /* still connecting; no longer hoped for, and none of the pool's size
		    */
	LINE_IDLE,
	LINE_BUSY,
	LINE_N_STATES
};

/** One connection of the pool. */
struct line {
	TAILQ_ENTRY(line) entry;
	struct pool *pool;
	struct link *link;
	enum line_state state;
	struct target *target;
	struct timer patience; /* with a connect */
	int64_t busy_since_ms;
	bool is_long; /* the loan */
};

struct pool_wait {
	TAILQ_ENTRY(pool_wait) entry;
	struct pool *pool;
	enum pool_loan loan;
	struct timer timer;
	pool_fn *fn;
	void *arg;
};

TAILQ_HEAD(line_list, line);

struct pool_queue {
	TAILQ_HEAD(, pool_wait) waits;
	size_t n;
};

struct pool {
	struct loop *loop;
	struct pool_settings settings;
	struct targets targets;
	struct line_list lines[LINE_N_STATES]; /* in the order of their changes */
	size_t n_lines[LINE_N_STATES];
	struct pool_queue queues[POOL_N_LOANS];
	struct timer retry; /* when a target that failed may be tried again */
};

static void pool_serve(struct pool *pool);

/* ---- Callers ---- */

static void wait_free(struct pool_wait *wait)
{
	struct pool_queue *queue = &wait->pool->queues[wait->loan];

	TAILQ_REMOVE(&queue->waits, wait, entry);
	queue->n--;
	metrics_add(GATEWAY_LANDNET_WAITING + wait->loan, -1);
	timer_cancel(&wait->timer);
	free(wait);
}

static void wait_end(struct pool_wait *wait, struct link *link, enum auth_reason reason)
{
	pool_fn *fn = wait->fn;
	void *arg = wait->arg;

	wait_free(wait);
	fn(arg, link, reason);
}

static void on_wait_timeout(void *arg)
{
	struct pool_wait *wait = arg;

	metrics_add(GATEWAY_LANDNET_BUSY + wait->loan, 1);
	wait_end(wait, NULL, REASON_LANDNET_BUSY);
}

/* Every server refused: those who wait now are told, later ones try again. */
static void pool_fail_waits(struct pool *pool, enum auth_reason reason)
{
	for (enum pool_loan loan = 0; loan < POOL_N_LOANS; loan++) {
		struct pool_queue *queue = &pool->queues[loan];
		size_t n = queue->n;

		while (n-- && !TAILQ_EMPTY(&queue->waits))
			wait_end(TAILQ_FIRST(&queue->waits), NULL, reason);
	}
}

/* ---- One connection ---- */

static void line_set_long(struct line *line, bool is_long)
{
	if (line->is_long == is_long)
		return;
	line->is_long = is_long;
	metrics_add(GATEWAY_LANDNET_LONG, is_long ? 1 : -1);
}

static void line_leave_state(struct line *line)
{
	struct pool *pool = line->pool;

	TAILQ_REMOVE(&pool->lines[line->state], line, entry);
	pool->n_lines[line->state]--;
	if (line->state == LINE_LATE)
		line->target->n_late--;
}

static void line_enter_state(struct line *line, enum line_state state)
{
	struct pool *pool = line->pool;

	line->state = state;
	TAILQ_INSERT_TAIL(&pool->lines[state], line, entry);
	pool->n_lines[state]++;
	if (state == LINE_LATE)
		line->target->n_late++;
}

static void line_set_state(struct line *line, enum line_state state)
{
	line_leave_state(line);
	line_enter_state(line, state);
}

static void line_free(struct line *line)
{
	line_leave_state(line);
	line_set_long(line, false);
	timer_cancel(&line->patience);
	metrics_add(GATEWAY_LANDNET_OPEN, -1);
	link_hang_up(line->link);
	free(line);
}

static bool line_is_connecting(const struct line *line)
{
	return line->state == LINE_CONNECTING || line->state == LINE_LATE;
}

static size_t pool_n_connecting(const struct pool *pool)
{
	return pool->n_lines[LINE_CONNECTING] + pool->n_lines[LINE_LATE];
}

/* What counts against its size: a late connect is beside it until it comes through. */
static bool pool_is_full(const struct pool *pool)
{
	return pool->n_lines[LINE_CONNECTING] + pool->n_lines[LINE_IDLE] +
		       pool->n_lines[LINE_BUSY] >=
	       pool->settings.size;
}

/* ---- Lines ---- */

/* Those who wait are told when there is no server left to hope for. */
static void line_connect_failed(struct line *line)
{
	struct pool *pool = line->pool;
	bool is_untrusted = conn_is_distrust(link_conn(line->link));
	const int64_t now_ms = loop_now_ms(pool->loop);

	target_failed(line->target, now_ms, link_reason(line->link));
	line_free(line);
	/* Anew for each: the last one put the time off. */
	timer_start(&pool->retry, TARGET_RETRY_MS);
	if (pool_n_connecting(pool) > 0 || targets_have_one(&pool->targets, now_ms))
		return;
	pool_fail_waits(pool, is_untrusted ? REASON_LANDNET_UNTRUSTED
					   : REASON_LANDNET_UNREACHABLE);
}

static void line_closed(struct line *line)
{
	log_info("landnet_closed", log_str("srv", line->pool->settings.srv),
		 log_str("address", line->target->text),
		 log_str("reason", link_reason(line->link)),
		 log_num("requests", (int64_t)link_count(line->link)));
	line_free(line);
}

/* A late one may find that others have taken its place. */
static void line_opened(struct line *line)
{
	struct pool *pool = line->pool;

	timer_cancel(&line->patience);
	target_opened(line->target);
	if (line->state == LINE_LATE && pool_is_full(pool)) {
		line_free(line);
		return;
	}
	line_set_state(line, LINE_IDLE);
	log_info("landnet_open", log_str("srv", pool->settings.srv),
		 log_str("address", line->target->text));
}

static void line_returned(struct line *line)
{
	line_set_long(line, false);
	line_set_state(line, LINE_IDLE);
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct line *line = arg;
	struct pool *pool = line->pool;

	(void)link;
	(void)exchange;
	switch (event) {
	case LINK_OPEN: line_opened(line); break;
	case LINK_IDLE: line_returned(line); break;
	case LINK_CLOSED:
		if (line_is_connecting(line))
			line_connect_failed(line);
		else
			line_closed(line);
		break;
	case LINK_REQUEST: BUG_ON("a client link got a request");
	}
	pool_serve(pool);
}

/* It may be that its server is busy, or that nobody will ever answer there. */
static void on_late(void *arg)
{
	struct line *line = arg;
	struct pool *pool = line->pool;

	if (!line->target->n_late)
		log_warn("landnet_late", log_str("srv", pool->settings.srv),
			 log_str("address", line->target->text));
	line_set_state(line, LINE_LATE);
	pool_serve(pool);
}

static void line_new(struct pool *pool, struct target *target)
{
	struct line *line = calloc(1, sizeof(*line));

	BUG_ON(!line);
	*line = (struct line){ .pool = pool, .target = target };
	line->link = link_connect(pool->loop, (struct sockaddr *)&target->address,
				  target->size, &pool->settings.link, on_link, line);
	line_enter_state(line, LINE_CONNECTING);
	timer_init(&line->patience, pool->loop, on_late, line);
	timer_start(&line->patience, LATE_MS);
	metrics_add(GATEWAY_LANDNET_OPEN, 1);
	metrics_add(GATEWAY_LANDNET_CONNECTS, 1);
}

/* ---- Lending ---- */

/* How many further long loans there may be. */
static size_t pool_room_for_long(const struct pool *pool, const struct line *but)
{
	const size_t half = pool->settings.size > 1 ? pool->settings.size / 2 : 1;
	const int64_t since_ms = loop_now_ms(pool->loop) - SLOW_MS;
	const struct line *line;
	size_t n = 0;

	TAILQ_FOREACH (line, &pool->lines[LINE_BUSY], entry)
		n += line != but && (line->is_long || line->busy_since_ms < since_ms);
	return n < half ? half - n : 0;
}

/* Long loans first: they have no more than their half, the other is for short ones. */
static struct pool_wait *pool_next_wait(const struct pool *pool)
{
	struct pool_wait *wait = TAILQ_FIRST(&pool->queues[POOL_LONG].waits);

	if (wait && pool_room_for_long(pool, NULL) > 0)
		return wait;
	return TAILQ_FIRST(&pool->queues[POOL_SHORT].waits);
}

/* Those who get a link as soon as there is one. */
static size_t pool_n_served(const struct pool *pool)
{
	size_t n_short = pool->queues[POOL_SHORT].n, n_long = pool->queues[POOL_LONG].n;
	size_t room;

	if (!n_long)
		return n_short;
	room = pool_room_for_long(pool, NULL);
	return n_short + (n_long < room ? n_long : room);
}

/* The one that was used last, so that what is not needed becomes old and ends. */
static struct line *pool_idle_line(const struct pool *pool)
{
	struct line *line;

	TAILQ_FOREACH_REVERSE(line, &pool->lines[LINE_IDLE], line_list, entry)
	{
		if (link_is_ready(line->link))
			return line;
	}
	return NULL;
}

static void line_lend(struct line *line, struct pool_wait *wait)
{
	line_set_state(line, LINE_BUSY);
	line_set_long(line, wait->loan == POOL_LONG);
	line->busy_since_ms = loop_now_ms(line->pool->loop);
	wait_end(wait, line->link, REASON_NONE);
	if (link_is_ready(line->link)) /* not taken after all */
		line_returned(line);
}

static void pool_serve(struct pool *pool)
{
	struct pool_wait *wait;
	struct target *target;
	struct line *line;

	while ((wait = pool_next_wait(pool)) && (line = pool_idle_line(pool)))
		line_lend(line, wait);
	while (pool->n_lines[LINE_CONNECTING] < pool_n_served(pool) &&
	       !pool_is_full(pool) &&
	       (target = targets_next(&pool->targets, loop_now_ms(pool->loop))))
		line_new(pool, target);
}

static void on_serve(void *arg)
{
	pool_serve(arg);
}

/* ---- The pool ---- */

struct pool *pool_new(struct loop *loop, const struct pool_settings *settings)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	BUG_ON(!pool);
	pool->loop = loop;
	pool->settings = *settings;
	targets_open(&pool->targets, settings->srv, settings->addresses,
		     settings->n_addresses);
	for (size_t i = 0; i < LINE_N_STATES; i++)
		TAILQ_INIT(&pool->lines[i]);
	for (size_t i = 0; i < POOL_N_LOANS; i++)
		TAILQ_INIT(&pool->queues[i].waits);
	timer_init(&pool->retry, loop, on_serve, pool);
	return pool;
}

static void free_memory(void *arg)
{
	struct pool *pool = arg;

	targets_close(&pool->targets);
	free(pool);
}

/* Who has asked in this turn is still to be served in the next: then nobody waits. */
void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < POOL_N_LOANS; i++) {
		while (!TAILQ_EMPTY(&pool->queues[i].waits))
			wait_free(TAILQ_FIRST(&pool->queues[i].waits));
	}
	for (size_t i = 0; i < LINE_N_STATES; i++) {
		while (!TAILQ_EMPTY(&pool->lines[i]))
			line_free(TAILQ_FIRST(&pool->lines[i]));
	}
	timer_cancel(&pool->retry);
	loop_defer(pool->loop, free_memory, pool);
}

struct pool_wait *pool_get(struct pool *pool, enum pool_loan loan, int64_t deadline_ms,
			   pool_fn *fn, void *arg)
{
	struct pool_queue *queue = &pool->queues[loan];
	bool is_full = queue->n >= pool->settings.queue_limit;
	struct pool_wait *wait = calloc(1, sizeof(*wait));

	BUG_ON(!wait);
	*wait = (struct pool_wait){ .pool = pool, .loan = loan, .fn = fn, .arg = arg };
	timer_init(&wait->timer, pool->loop, on_wait_timeout, wait);
	timer_start(&wait->timer, is_full ? 0 : deadline_ms);
	TAILQ_INSERT_TAIL(&queue->waits, wait, entry);
	queue->n++;
	metrics_add(GATEWAY_LANDNET_WAITING + loan, 1);
	loop_defer(pool->loop, on_serve, pool);
	return wait;
}

void pool_cancel(struct pool_wait *wait)
{
	wait_free(wait);
}

bool pool_lengthen(struct pool *pool, const struct link *link)
{
	struct line *line;

	TAILQ_FOREACH (line, &pool->lines[LINE_BUSY], entry) {
		if (line->link == link)
			break;
	}
	BUG_ON(!line);
	if (!line->is_long && !pool_room_for_long(pool, line))
		return false;
	line_set_long(line, true);
	return true;
}
