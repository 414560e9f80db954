#include "provisioning/control.h"

#include <stdlib.h>

#include "base/log.h"
#include "provisioning/server_metrics.h"

#define INTERVAL_MS 250
/* More devices than this in one look are told as one line for all. */
#define CHANGES_LIMIT "1000"
#define HEARTBEAT     SLICE("{\"hb\":1}\n")

struct stream {
	LIST_ENTRY(stream) entry;
	struct api_call *call;
	bool is_open; /* in the list: its head is sent and its end is not */
};

struct control {
	struct landnet *landnet;
	LIST_HEAD(, stream) streams;
	char *cursor; /* of the last look; NULL: no stream needs one */
	struct timer timer;
	int64_t asked_ms; /* the look in progress, or the last one */
	bool is_looking;
	bool is_stopping;
};

/* ---- Streams ---- */

static void stream_close(struct stream *stream)
{
	if (!stream->is_open)
		return;
	LIST_REMOVE(stream, entry);
	stream->is_open = false;
	metrics_add(SERVER_CONTROL_STREAMS, -1);
}

static void on_end(struct api_call *call)
{
	stream_close(call->own);
}

static void stream_send(struct stream *stream, struct slice lines)
{
	if (exchange_is_full(stream->call->exchange)) {
		metrics_add(SERVER_CONTROL_SLOW, 1);
		api_abort(stream->call, "slow_reader");
		return;
	}
	struct evbuffer *data = evbuffer_new();
	BUG_ON(!data || evbuffer_add(data, lines.p, lines.n) ||
	       evbuffer_add(data, HEARTBEAT.p, HEARTBEAT.n));
	exchange_send_body(stream->call->exchange, data);
	evbuffer_free(data);
}

static void end_all(struct control *control)
{
	struct stream *stream;
	while ((stream = LIST_FIRST(&control->streams))) {
		stream_close(stream);
		exchange_send_end(stream->call->exchange);
	}
}

/* ---- Looks ---- */

static void set_cursor(struct control *control, struct slice cursor)
{
	free(control->cursor);
	control->cursor = cursor.p ? strndup(cursor.p, cursor.n) : NULL;
	BUG_ON(cursor.p && !control->cursor);
}

/* The next look begins a whole interval after this one did, or at once. */
static void look_again(struct control *control)
{
	int64_t since_ms = loop_now_ms(control->landnet->loop) - control->asked_ms;
	timer_start(&control->timer,
		    since_ms < INTERVAL_MS ? INTERVAL_MS - since_ms : 0);
}

/* Gateways must not take silence of the database for silence of its operators. */
static void look_failed(struct control *control)
{
	metrics_add(SERVER_CONTROL_FAILURES, 1);
	if (!LIST_EMPTY(&control->streams))
		log_warn("control_ended", log_str("reason", "database_unavailable"));
	end_all(control);
	set_cursor(control, slice_make(NULL, 0));
}

static void on_look(void *arg, enum db_status status, const PGresult *result)
{
	struct control *control = arg;
	struct stream *stream, *next;
	control->is_looking = false;
	server_metrics_database(status);
	if (status != DB_OK) {
		look_failed(control);
		return;
	}
	set_cursor(control, db_value(result, 0, 0));
	for (stream = LIST_FIRST(&control->streams); stream; stream = next) {
		next = LIST_NEXT(stream, entry);
		stream_send(stream, db_value(result, 0, 1));
	}
	look_again(control);
}

static void look(void *arg)
{
	struct control *control = arg;
	struct db_param params[] = { db_text(control->cursor), db_text(CHANGES_LIMIT) };
	if (LIST_EMPTY(&control->streams)) {
		set_cursor(control, slice_make(NULL, 0));
		return;
	}
	control->asked_ms = loop_now_ms(control->landnet->loop);
	metrics_add(SERVER_DATABASE_CALLS, 1);
	control->is_looking = db_call(control->landnet->db, STATEMENT_CHANGES_READ,
				      params, 2, on_look, control) != NULL;
	if (!control->is_looking)
		look_failed(control);
}

struct control *control_new(struct landnet *landnet)
{
	struct control *control = calloc(1, sizeof(*control));
	BUG_ON(!control);
	control->landnet = landnet;
	LIST_INIT(&control->streams);
	timer_init(&control->timer, landnet->loop, look, control);
	return control;
}

void control_stop(struct control *control)
{
	control->is_stopping = true;
	end_all(control);
}

/* ---- The call ---- */

static int64_t count_streams(const struct control *control,
			     const struct gateway *gateway)
{
	const struct stream *stream;
	int64_t n = 0;
	LIST_FOREACH (stream, &control->streams, entry)
		n += stream->call->peer->gateway == gateway;
	return n;
}

bool control_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	struct stream *stream = api_alloc(call, sizeof(*stream));
	*stream = (struct stream){ .call = call };
	call->own = stream;
	params[(*n)++] = db_null();
	params[(*n)++] = db_text(CHANGES_LIMIT);
	return true;
}

/* The database answers, so there is something to tell. Changes from before the first
 * heartbeat are no loss: until then the gateway trusts nothing it was told. */
void control_answer(struct api_call *call, const PGresult *result)
{
	static const struct http_field type = { SLICE("Content-Type"),
						SLICE("application/x-ndjson") };
	const struct landnet *landnet = call->peer->landnet;
	struct control *control = landnet->control;
	struct stream *stream = call->own;
	if (control->is_stopping || count_streams(control, call->peer->gateway) >=
					    landnet->config->control_streams) {
		api_refuse(call, API_BUSY, NULL);
		return;
	}
	if (!control->cursor) /* none is open yet: this was the first look */
		set_cursor(control, db_value(result, 0, 0));
	if (!control->is_looking && !timer_is_pending(&control->timer))
		timer_start(&control->timer, INTERVAL_MS);
	LIST_INSERT_HEAD(&control->streams, stream, entry);
	stream->is_open = true;
	exchange_end_with_peer(call->exchange);
	call->on_end = on_end;
	metrics_add(SERVER_CONTROL_STREAMS, 1);
	api_send_head_chunked(call, 200, &type, 1);
	stream_send(stream, slice_make("", 0));
}
