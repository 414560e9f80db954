#include "gateway/report.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/landnet.h"

#define QUEUE_LIMIT 1000
#define RETRY_MS    1000
#define SAY_MS      1000

struct report {
	TAILQ_ENTRY(report) entry;
	struct auth_claims claims;
	enum auth_reason reason;
};

/** One report at a time is on its way: the first of the queue. */
struct report_queue {
	struct loop *loop;
	struct route *route;
	int64_t deadline_ms;
	TAILQ_HEAD(, report) reports;
	size_t n;
	struct pool_wait *wait;
	struct exchange *exchange;
	struct timer retry;
	size_t n_unsaid;  /* dropped for want of room, and not logged yet */
	struct timer say; /* not before it ends are they */
	report_fn *fn;    /* finishing: to be called when nothing waits */
	void *arg;
};

static void queue_send(struct report_queue *queue);

static void report_drop(struct report_queue *queue)
{
	struct report *report = TAILQ_FIRST(&queue->reports);

	TAILQ_REMOVE(&queue->reports, report, entry);
	queue->n--;
	free(report);
}

/* A server that is away for long loses many: one line a second says how many. */
static void say_dropped(struct report_queue *queue)
{
	if (queue->n_unsaid == 0)
		return;
	log_warn("session_end_dropped", log_str("srv", queue->route->srv),
		 log_num("n", (int64_t)queue->n_unsaid));
	queue->n_unsaid = 0;
	timer_start(&queue->say, SAY_MS);
}

static void on_say(void *arg)
{
	say_dropped(arg);
}

static void on_retry(void *arg)
{
	queue_send(arg);
}

static void on_finished(void *arg)
{
	struct report_queue *queue = arg;

	queue->fn(queue->arg);
}

/* Again later; or, when there is no later, never. */
static void queue_failed(struct report_queue *queue)
{
	if (!queue->fn) {
		timer_start(&queue->retry, RETRY_MS);
		return;
	}
	log_warn("session_ends_lost", log_str("srv", queue->route->srv),
		 log_num("n", (int64_t)queue->n));
	metrics_add(GATEWAY_ENDS_DROPPED, (int64_t)queue->n);
	while (!TAILQ_EMPTY(&queue->reports))
		report_drop(queue);
	queue_send(queue);
}

/* 204 stored, 4xx will never be stored; anything else is tried again. */
static void on_answer(struct report_queue *queue)
{
	unsigned status = exchange_head(queue->exchange)->status;
	bool is_stored = status == 204, is_refused = status >= 400 && status < 500;

	exchange_on(queue->exchange, landnet_ignore, NULL);
	queue->exchange = NULL;
	if (is_refused)
		log_error("session_end_refused", log_str("srv", queue->route->srv),
			  log_num("status", status));
	if (!is_stored && !is_refused) {
		queue_failed(queue);
		return;
	}
	metrics_add(is_stored ? GATEWAY_ENDS_SENT : GATEWAY_ENDS_DROPPED, 1);
	report_drop(queue);
	queue_send(queue);
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct report_queue *queue = arg;

	switch (event) {
	case EXCHANGE_HEAD:
		if (landnet_check_exchange(exchange)) {
			on_answer(queue);
			break;
		}
		queue->exchange = NULL;
		exchange_cancel(exchange);
		queue_failed(queue);
		break;
	case EXCHANGE_FAILED:
		queue->exchange = NULL;
		queue_failed(queue);
		break;
	case EXCHANGE_BODY:
	case EXCHANGE_END:
	case EXCHANGE_WRITABLE:
	case EXCHANGE_DONE: break;
	}
}

static void on_link(void *arg, struct link *link, enum auth_reason reason)
{
	struct report_queue *queue = arg;
	struct report *report = TAILQ_FIRST(&queue->reports);
	struct arena *arena;
	char sid[BASE64URL_CHARS(AUTH_SID_BYTES) + 1];
	char *json, *path;

	(void)reason;
	queue->wait = NULL;
	if (!link) {
		queue_failed(queue);
		return;
	}
	queue->exchange = link_request(link, on_exchange, queue);
	arena = exchange_arena(queue->exchange);
	base64url_encode(slice_make(report->claims.sid, AUTH_SID_BYTES), sid);
	path = arena_printf(arena, "/v1/sessions/%s/end", sid);
	json = auth_end_encode(&report->claims, report->reason, arena);
	BUG_ON(!json || !path);
	landnet_send_request(queue->exchange, queue->route, slice_of(path),
			     slice_of(json));
}

static void queue_send(struct report_queue *queue)
{
	if (queue->wait || queue->exchange || timer_is_pending(&queue->retry))
		return;
	if (TAILQ_EMPTY(&queue->reports)) {
		if (queue->fn)
			loop_defer(queue->loop, on_finished, queue);
		return;
	}
	queue->wait = pool_get(queue->route->pool, POOL_SHORT, queue->deadline_ms,
			       on_link, queue);
}

struct report_queue *report_queue_new(struct loop *loop, struct route *route,
				      int64_t deadline_ms)
{
	struct report_queue *queue = calloc(1, sizeof(*queue));

	BUG_ON(!queue);
	queue->loop = loop;
	queue->route = route;
	queue->deadline_ms = deadline_ms;
	TAILQ_INIT(&queue->reports);
	timer_init(&queue->retry, loop, on_retry, queue);
	timer_init(&queue->say, loop, on_say, queue);
	return queue;
}

void report_queue_finish(struct report_queue *queue, report_fn *fn, void *arg)
{
	queue->fn = fn;
	queue->arg = arg;
	timer_cancel(&queue->retry);
	queue_send(queue);
}

void report_queue_free(struct report_queue *queue)
{
	if (!queue)
		return;
	if (queue->wait)
		pool_cancel(queue->wait);
	if (queue->exchange)
		exchange_cancel(queue->exchange);
	timer_cancel(&queue->retry);
	say_dropped(queue);
	timer_cancel(&queue->say);
	while (!TAILQ_EMPTY(&queue->reports))
		report_drop(queue);
	free(queue);
}

/* The first may be on its way: the one after it is the oldest that can go. */
static void drop_oldest(struct report_queue *queue)
{
	struct report *oldest = TAILQ_NEXT(TAILQ_FIRST(&queue->reports), entry);

	TAILQ_REMOVE(&queue->reports, oldest, entry);
	queue->n--;
	free(oldest);
	metrics_add(GATEWAY_ENDS_DROPPED, 1);
	queue->n_unsaid++;
	if (!timer_is_pending(&queue->say))
		say_dropped(queue);
}

void report_session_end(struct report_queue *queue, const struct auth_claims *claims,
			enum auth_reason reason)
{
	struct report *report = calloc(1, sizeof(*report));

	BUG_ON(!report);
	report->claims = *claims;
	report->reason = reason;
	if (queue->n >= QUEUE_LIMIT)
		drop_oldest(queue);
	TAILQ_INSERT_TAIL(&queue->reports, report, entry);
	queue->n++;
	queue_send(queue);
}
