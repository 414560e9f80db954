#include "gateway/pool.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"

#define RECONNECT_MS 500
#define SLOW_MS      1000

enum line_state {
	LINE_CONNECTING,
	LINE_IDLE,
	LINE_BUSY
};

/** One server of the route. */
struct target {
	const char *text; /* borrowed */
	struct sockaddr_storage address;
	socklen_t size;
	int64_t retry_ms; /* not to be connected to before */
	bool is_down;     /* the last connect failed */
};

/** One connection of the pool. */
struct line {
	TAILQ_ENTRY(line) entry;
	struct pool *pool;
	struct link *link;
	enum line_state state;
	struct target *target;
	int64_t busy_since_ms;
};

struct pool_wait {
	TAILQ_ENTRY(pool_wait) entry;
	struct pool *pool;
	struct timer timer;
	pool_fn *fn;
	void *arg;
};

struct pool {
	struct loop *loop;
	struct pool_settings settings;
	struct target *targets; /* settings.n_addresses of them, used in turn */
	size_t next_target;
	TAILQ_HEAD(, line) lines;
	TAILQ_HEAD(, pool_wait) waits;
	size_t n_lines;
	size_t n_connecting;
	size_t n_waits;
	struct timer retry; /* when a target that failed may be tried again */
};

static void pool_serve(struct pool *pool);

static void wait_end(struct pool_wait *wait, struct link *link, enum auth_reason reason)
{
	struct pool *pool = wait->pool;
	pool_fn *fn = wait->fn;
	void *arg = wait->arg;

	TAILQ_REMOVE(&pool->waits, wait, entry);
	pool->n_waits--;
	metrics_add(GATEWAY_LANDNET_WAITING, -1);
	timer_cancel(&wait->timer);
	free(wait);
	fn(arg, link, reason);
}

static void on_wait_timeout(void *arg)
{
	wait_end(arg, NULL, REASON_LANDNET_BUSY);
}

/* Every server refused: those who wait now are told, later ones try again. */
static void pool_fail_waits(struct pool *pool, enum auth_reason reason)
{
	size_t n = pool->n_waits;

	while (n-- && !TAILQ_EMPTY(&pool->waits))
		wait_end(TAILQ_FIRST(&pool->waits), NULL, reason);
}

static void line_free(struct line *line)
{
	struct pool *pool = line->pool;

	TAILQ_REMOVE(&pool->lines, line, entry);
	pool->n_lines--;
	if (line->state == LINE_CONNECTING)
		pool->n_connecting--;
	metrics_add(GATEWAY_LANDNET_OPEN, -1);
	link_free(line->link);
	free(line);
}

/* ---- Servers ---- */

/* One line when a server goes, not one for each try. */
static void target_failed(struct target *target, struct line *line)
{
	const struct pool *pool = line->pool;

	target->retry_ms = loop_now_ms(pool->loop) + RECONNECT_MS;
	if (!target->is_down)
		log_warn("landnet_down", log_str("srv", pool->settings.srv),
			 log_str("address", target->text),
			 log_str("reason", link_reason(line->link)));
	target->is_down = true;
}

static void target_opened(struct target *target, const struct pool *pool)
{
	if (target->is_down)
		log_info("landnet_up", log_str("srv", pool->settings.srv),
			 log_str("address", target->text));
	target->is_down = false;
	target->retry_ms = 0;
}

/* The next server in turn that has not just failed, or NULL. */
static struct target *pool_next_target(struct pool *pool)
{
	const int64_t now_ms = loop_now_ms(pool->loop);

	for (size_t i = 0; i < pool->settings.n_addresses; i++) {
		size_t next = pool->next_target++ % pool->settings.n_addresses;

		if (pool->targets[next].retry_ms <= now_ms)
			return &pool->targets[next];
	}
	return NULL;
}

static bool pool_has_target(const struct pool *pool)
{
	const int64_t now_ms = loop_now_ms(pool->loop);

	for (size_t i = 0; i < pool->settings.n_addresses; i++) {
		if (pool->targets[i].retry_ms <= now_ms)
			return true;
	}
	return false;
}

/* ---- Lines ---- */

/* Those who wait are told when there is no server left to hope for. */
static void line_connect_failed(struct line *line)
{
	struct pool *pool = line->pool;
	bool is_untrusted = conn_failure(link_conn(line->link)) == CONN_FAILURE_TLS;

	target_failed(line->target, line);
	line_free(line);
	/* Anew for each: the last one put the time off. */
	timer_start(&pool->retry, RECONNECT_MS);
	if (pool->n_connecting > 0 || pool_has_target(pool))
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

static void line_opened(struct line *line)
{
	struct pool *pool = line->pool;

	pool->n_connecting--;
	line->state = LINE_IDLE;
	target_opened(line->target, pool);
	log_info("landnet_open", log_str("srv", pool->settings.srv),
		 log_str("address", line->target->text));
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
	case LINK_IDLE: line->state = LINE_IDLE; break;
	case LINK_CLOSED:
		if (line->state == LINE_CONNECTING)
			line_connect_failed(line);
		else
			line_closed(line);
		break;
	case LINK_REQUEST: BUG_ON("a client link got a request");
	}
	pool_serve(pool);
}

static void line_new(struct pool *pool, struct target *target)
{
	struct line *line = calloc(1, sizeof(*line));

	BUG_ON(!line);
	*line = (struct line){ .pool = pool, .target = target };
	line->link = link_connect(pool->loop, (struct sockaddr *)&target->address,
				  target->size, &pool->settings.link, on_link, line);
	TAILQ_INSERT_TAIL(&pool->lines, line, entry);
	pool->n_lines++;
	pool->n_connecting++;
	metrics_add(GATEWAY_LANDNET_OPEN, 1);
	metrics_add(GATEWAY_LANDNET_CONNECTS, 1);
}

/* ---- Lending ---- */

static struct line *pool_idle_line(struct pool *pool)
{
	struct line *line;

	TAILQ_FOREACH (line, &pool->lines, entry) {
		if (line->state == LINE_IDLE && link_is_ready(line->link))
			return line;
	}
	return NULL;
}

/* Lend out what is idle; busy lines stand at the end, so the search is short. */
static void pool_serve(struct pool *pool)
{
	struct target *target;
	struct line *line;

	while (!TAILQ_EMPTY(&pool->waits) && (line = pool_idle_line(pool))) {
		line->state = LINE_BUSY;
		line->busy_since_ms = loop_now_ms(pool->loop);
		TAILQ_REMOVE(&pool->lines, line, entry);
		TAILQ_INSERT_TAIL(&pool->lines, line, entry);
		wait_end(TAILQ_FIRST(&pool->waits), line->link, REASON_NONE);
		if (link_is_ready(line->link)) /* not taken after all */
			line->state = LINE_IDLE;
	}
	while (pool->n_connecting < pool->n_waits &&
	       pool->n_lines < pool->settings.size && (target = pool_next_target(pool)))
		line_new(pool, target);
}

static void on_serve(void *arg)
{
	pool_serve(arg);
}

static void pool_open_targets(struct pool *pool)
{
	pool->targets = calloc(pool->settings.n_addresses, sizeof(*pool->targets));
	BUG_ON(!pool->targets);
	for (size_t i = 0; i < pool->settings.n_addresses; i++) {
		struct target *target = &pool->targets[i];

		target->text = pool->settings.addresses[i];
		BUG_ON(!conn_address(target->text, &target->address, &target->size));
	}
}

struct pool *pool_new(struct loop *loop, const struct pool_settings *settings)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	BUG_ON(!pool);
	pool->loop = loop;
	pool->settings = *settings;
	pool_open_targets(pool);
	TAILQ_INIT(&pool->lines);
	TAILQ_INIT(&pool->waits);
	timer_init(&pool->retry, loop, on_serve, pool);
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	while (!TAILQ_EMPTY(&pool->waits))
		pool_cancel(TAILQ_FIRST(&pool->waits));
	while (!TAILQ_EMPTY(&pool->lines))
		line_free(TAILQ_FIRST(&pool->lines));
	timer_cancel(&pool->retry);
	free(pool->targets);
	free(pool);
}

struct pool_wait *pool_get(struct pool *pool, int64_t deadline_ms, pool_fn *fn,
			   void *arg)
{
	struct pool_wait *wait = calloc(1, sizeof(*wait));

	BUG_ON(!wait);
	wait->pool = pool;
	wait->fn = fn;
	wait->arg = arg;
	timer_init(&wait->timer, pool->loop, on_wait_timeout, wait);
	timer_start(&wait->timer, deadline_ms);
	TAILQ_INSERT_TAIL(&pool->waits, wait, entry);
	pool->n_waits++;
	metrics_add(GATEWAY_LANDNET_WAITING, 1);
	loop_defer(pool->loop, on_serve, pool);
	return wait;
}

void pool_cancel(struct pool_wait *wait)
{
	TAILQ_REMOVE(&wait->pool->waits, wait, entry);
	wait->pool->n_waits--;
	metrics_add(GATEWAY_LANDNET_WAITING, -1);
	timer_cancel(&wait->timer);
	free(wait);
}

bool pool_is_crowded(struct pool *pool)
{
	int64_t since_ms = loop_now_ms(pool->loop) - SLOW_MS;
	size_t n_slow = 0;
	struct line *line;

	TAILQ_FOREACH (line, &pool->lines, entry)
		n_slow += line->state == LINE_BUSY && line->busy_since_ms < since_ms;
	return 2 * n_slow >= pool->settings.size;
}
