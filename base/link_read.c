#include "base/exchange_private.h"
#include "base/log.h"

#define HEAD_BYTES  16384
#define INTERIM_MAX 16

/* A server answers what it could not read; a client has nobody to tell. */
static enum link_read refuse(struct link *link, enum http_error error)
{
	if (link->is_server)
		link_refuse(link, http_error_status(error), http_error_name(error),
			    http_error_words(error));
	else
		link_end(link, http_error_name(error), false);
	return LINK_READ_FAILED;
}

/* Find a whole head and copy it into the arena, where it lives as long as the
 * exchange. */
static enum link_read read_head(struct link *link, struct arena *arena,
				struct slice *head)
{
	struct evbuffer *rx = conn_rx(link->conn);
	size_t limit = link->limits.head_bytes ? link->limits.head_bytes : HEAD_BYTES;
	size_t n = evbuffer_get_length(rx), size;
	enum http_error error;
	struct slice bytes;
	int found;

	if (n > limit)
		n = limit;
	bytes = slice_make(evbuffer_pullup(rx, (ev_ssize_t)n), n);
	found = http_scan(&link->scan, bytes, &link->limits, &size, &error);
	if (found < 0)
		return refuse(link, error);
	if (found == 0)
		return LINK_READ_MORE;
	link->scan = (struct http_scan){ 0 };
	*head = arena_copy(arena, slice_make(bytes.p, size));
	evbuffer_drain(rx, size);
	return head->p ? LINK_READ_DONE : refuse(link, HTTP_NO_MEMORY);
}

enum link_read link_read_request(struct link *link)
{
	struct exchange *exchange = link_begin(link);
	struct slice bytes = { NULL, 0 };
	enum link_read read = read_head(link, exchange->arena, &bytes);
	enum http_error error;

	if (read == LINK_READ_DONE) {
		error = http_request_parse(bytes, &link->limits, exchange->arena,
					   &exchange->head);
		if (error)
			read = refuse(link, error);
	}
	if (read != LINK_READ_DONE) {
		exchange_free(exchange);
		return read;
	}
	exchange->method = exchange->head.method;
	exchange->is_head_received = true;
	exchange->is_continue_owed = exchange->head.expects_continue;
	http_body_init(&exchange->decoder, &exchange->head);
	exchange->is_received = http_body_is_done(&exchange->decoder);
	if (!exchange->head.keep_alive)
		link->is_closing = true;
	link_set_exchange(link, exchange);
	return LINK_READ_DONE;
}

enum link_read link_read_response(struct link *link)
{
	struct exchange *exchange = link->exchange;
	struct slice bytes = { NULL, 0 };
	enum http_error error;
	enum link_read read;

	do {
		if (link->n_interim == INTERIM_MAX) {
			link_end(link, "interim_responses", false);
			return LINK_READ_FAILED;
		}
		read = read_head(link, exchange->arena, &bytes);
		if (read != LINK_READ_DONE)
			return read;
		error = http_response_parse(bytes, &link->limits, exchange->method,
					    exchange->arena, &exchange->head);
		if (error)
			return refuse(link, error);
		link->n_interim++;
	} while (exchange->head.status < 200);
	link->n_interim = 0;
	exchange->is_head_received = true;
	http_body_init(&exchange->decoder, &exchange->head);
	if (!exchange->head.keep_alive)
		link->is_closing = true;
	return LINK_READ_DONE;
}

/* Take what has been decoded off the connection: framing goes, payload moves. */
static void move_payload(struct exchange *exchange, struct evbuffer *rx, size_t eaten,
			 struct slice payload)
{
	evbuffer_drain(rx, eaten - payload.n);
	if (exchange_is_discarding(exchange)) {
		evbuffer_drain(rx, payload.n);
		exchange->discarded_bytes += payload.n;
		return;
	}
	evbuffer_remove_buffer(rx, exchange->body, payload.n);
	exchange->received_bytes += payload.n;
	exchange->is_body_due |= payload.n > 0;
}

bool link_read_body(struct link *link)
{
	struct exchange *exchange = link->exchange;
	struct evbuffer *rx = conn_rx(link->conn);

	while (!http_body_is_done(&exchange->decoder) &&
	       !exchange_is_stuffed(exchange)) {
		const size_t room =
			EXCHANGE_BODY_BYTES - evbuffer_get_length(exchange->body);
		size_t n = evbuffer_get_contiguous_space(rx), eaten;
		struct slice bytes, payload;
		enum http_error error;

		if (n == 0)
			break;
		n = n < room ? n : room;
		bytes = slice_make(evbuffer_pullup(rx, (ev_ssize_t)n), n);
		error = http_body_feed(&exchange->decoder, bytes, &eaten, &payload);
		if (error) {
			refuse(link, error);
			return false;
		}
		move_payload(exchange, rx, eaten, payload);
		exchange->is_continue_owed = false;
		link->is_progressing = true;
	}
	return true;
}
