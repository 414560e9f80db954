#include "contrib/handset/callqueue.h"

#include <stdlib.h>

#include "base/log.h"

#define ARENA_BYTES (64 * 1024)

void callqueue_init(struct callqueue *queue)
{
	STAILQ_INIT(&queue->calls);
	queue->n = 0;
}

void callqueue_add(struct callqueue *queue, const struct session_call *from)
{
	struct callqueue_call *call = calloc(1, sizeof(*call));
	struct arena *arena = arena_new(ARENA_BYTES);

	BUG_ON(!call || queue->n == CALLQUEUE_LIMIT ||
	       from->n_fields > CALLQUEUE_FIELDS_LIMIT);
	*call = (struct callqueue_call){
		.arena = arena,
		.method = from->method,
		.target = arena_copy(arena, slice_of(from->target)),
		.n_fields = from->n_fields,
		.body = arena_copy(arena, from->body),
		.on_body = from->on_body,
		.on_answer = from->on_answer,
		.arg = from->arg,
	};
	for (size_t i = 0; i < from->n_fields; i++)
		call->fields[i] = (struct http_field){
			arena_copy(arena, from->fields[i].name),
			arena_copy(arena, from->fields[i].value),
		};
	BUG_ON(call->body.n != from->body.n);
	STAILQ_INSERT_TAIL(&queue->calls, call, next);
	queue->n++;
}

struct callqueue_call *callqueue_first(const struct callqueue *queue)
{
	return STAILQ_FIRST(&queue->calls);
}

struct callqueue_call *callqueue_take(struct callqueue *queue)
{
	struct callqueue_call *call = STAILQ_FIRST(&queue->calls);

	if (call) {
		STAILQ_REMOVE_HEAD(&queue->calls, next);
		queue->n--;
	}
	return call;
}

void callqueue_free(struct callqueue_call *call)
{
	arena_free(call->arena);
	free(call);
}
