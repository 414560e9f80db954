#include "gateway/report.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/landnet.h"

#define QUEUE_LIMIT 1000
#define RETRY_MS    1000

struct report {
	TAILQ_ENTRY(report) entry;
	struct auth_claims claims;
	enum auth_reason reason;
};

/** One report at a time is on its way: the first of the queue. */
struct report_queue {
	struct route *route;
	int64_t deadline_ms;
	TAILQ_HEAD(, report) reports;
	size_t n;
	struct pool_wait *wait;
	struct exchange *exchange;
	struct timer retry;
};

static void queue_send(struct report_queue *queue);

static void report_drop(struct report_queue *queue)
{
	struct report *report = TAILQ_FIRST(&queue->reports);

	TAILQ_REMOVE(&queue->reports, report, entry);
	queue->n--;
	free(report);
}

static void on_retry(void *arg)
{
	queue_send(arg);
}

/* 204 stored, 4xx will never be stored; anything else is tried again. */
static void on_answer(struct report_queue *queue)
{
	unsigned status = exchange_head(queue->exchange)->status;
	bool is_refused = status >= 400 && status < 500;

	exchange_on(queue->exchange, landnet_ignore, NULL);
	queue->exchange = NULL;
	if (is_refused)
		log_error("session_end_refused", log_str("srv", queue->route->srv),
			  log_num("status", status));
	if (status >= 500) {
		timer_start(&queue->retry, RETRY_MS);
		return;
	}
	metrics_add(is_refused ? GATEWAY_ENDS_DROPPED : GATEWAY_ENDS_SENT, 1);
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
		timer_start(&queue->retry, RETRY_MS);
		break;
	case EXCHANGE_FAILED:
		queue->exchange = NULL;
		timer_start(&queue->retry, RETRY_MS);
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
	if (!link || !report) {
		timer_start(&queue->retry, RETRY_MS);
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
	if (TAILQ_EMPTY(&queue->reports) || queue->wait || queue->exchange ||
	    timer_is_pending(&queue->retry))
		return;
	queue->wait = pool_get(queue->route->pool, queue->deadline_ms, on_link, queue);
}

struct report_queue *report_queue_new(struct loop *loop, struct route *route,
				      int64_t deadline_ms)
{
	struct report_queue *queue = calloc(1, sizeof(*queue));

	BUG_ON(!queue);
	queue->route = route;
	queue->deadline_ms = deadline_ms;
	TAILQ_INIT(&queue->reports);
	timer_init(&queue->retry, loop, on_retry, queue);
	return queue;
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
	while (!TAILQ_EMPTY(&queue->reports))
		report_drop(queue);
	free(queue);
}

void report_session_end(struct report_queue *queue, const struct auth_claims *claims,
			enum auth_reason reason)
{
	struct report *report = calloc(1, sizeof(*report));

	BUG_ON(!report);
	report->claims = *claims;
	report->reason = reason;
	/* The first may be on its way: the one after it is the oldest that can go. */
	if (queue->n >= QUEUE_LIMIT) {
		struct report *oldest = TAILQ_NEXT(TAILQ_FIRST(&queue->reports), entry);

		log_warn("session_end_dropped", log_str("srv", queue->route->srv),
			 log_str("dev", oldest->claims.dev));
		metrics_add(GATEWAY_ENDS_DROPPED, 1);
		TAILQ_REMOVE(&queue->reports, oldest, entry);
		queue->n--;
		free(oldest);
	}
	TAILQ_INSERT_TAIL(&queue->reports, report, entry);
	queue->n++;
	queue_send(queue);
}
