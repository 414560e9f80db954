/*
 * Fuzz target of the HTTP parser: whatever the bytes, it stays within them, and the
 * outcome is the same when they come at once and when they come in pieces.
 *
 * Input: first byte modulo 3 is the kind (request, response, chunked body), second
 * byte the size of the pieces, then the message.
 */
#include "base/http.h"

#include <stdlib.h>

/* Small limits, so that short inputs reach them. */
static const struct http_limits limits = { .head_bytes = 512, .fields = 8 };

enum kind {
	REQUEST,
	RESPONSE,
	CHUNKED,
	N_KINDS
};

/* What became of a message. */
struct outcome {
	enum http_error error;
	bool is_done;
	size_t at; /* where the message or the error is in the input */
	uint64_t payload_bytes;
	uint32_t payload_sum; /* changes with the payload's bytes and their order */
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static bool is_within(struct slice part, struct slice whole)
{
	return part.n == 0 || (part.p >= whole.p && part.n <= whole.n &&
			       part.p + part.n <= whole.p + whole.n);
}

static void read_body(struct http_body *body, struct slice in, size_t step,
		      struct outcome *out)
{
	size_t at = 0;

	while (!http_body_is_done(body) && at < in.n) {
		size_t n = in.n - at < step ? in.n - at : step, eaten;
		struct slice piece = slice_make(in.p + at, n), payload;

		out->error = http_body_feed(body, piece, &eaten, &payload);
		if (out->error)
			return;
		require(eaten > 0 && eaten <= n && is_within(payload, piece));
		for (size_t i = 0; i < payload.n; i++)
			out->payload_sum =
				out->payload_sum * 31 + (uint8_t)payload.p[i];
		out->payload_bytes += payload.n;
		at += eaten;
	}
	out->at += at;
	out->is_done = http_body_is_done(body);
}

static void check_head(const struct http_head *head, struct slice bytes)
{
	require(is_within(head->target, bytes));
	require(head->n_fields <= limits.fields);
	for (size_t i = 0; i < head->n_fields; i++) {
		require(is_within(head->fields[i].name, bytes));
		require(is_within(head->fields[i].value, bytes));
	}
	if (head->status == 0)
		require(head->host.n > 0 && http_target_is_canonical(head->target));
}

/* What was read can be written, and is then read the same. */
static void check_round_trip(const struct http_head *head)
{
	const struct http_limits wide = { 0 };
	struct evbuffer *wire = evbuffer_new();
	struct arena *arena = arena_new(65536);
	struct http_head again;
	struct slice bytes;
	enum http_error error;

	http_write_head(wire, head);
	bytes = slice_make(evbuffer_pullup(wire, -1), evbuffer_get_length(wire));
	error = head->status == 0 ? http_request_parse(bytes, &wide, arena, &again)
				  : http_response_parse(bytes, &wide, head->method,
							arena, &again);
	require(error == HTTP_OK);
	require(again.status == head->status && again.method == head->method);
	require(slice_eq(again.target, head->target) &&
		slice_eq(again.host, head->host));
	require(again.keep_alive == head->keep_alive || head->status / 100 == 1);
	/* Date may have come before the others. */
	require(again.n_fields - head->n_fields <= 1);
	again.fields += again.n_fields - head->n_fields;
	for (size_t i = 0; i < head->n_fields; i++)
		require(slice_eq(again.fields[i].value, head->fields[i].value));
	arena_free(arena);
	evbuffer_free(wire);
}

static struct outcome read_message(enum kind kind, struct slice in, size_t step)
{
	struct outcome out = { .error = HTTP_OK };
	struct http_head head = { .framing = HTTP_CHUNKED };
	struct http_scan scan = { 0 };
	struct http_body body;
	struct arena *arena = arena_new(8192);
	int found = 0;

	for (size_t have = 0; kind != CHUNKED && found == 0 && have < in.n;) {
		have = in.n - have < step ? in.n : have + step;
		found = http_scan(&scan, slice_make(in.p, have), &limits, &out.at,
				  &out.error);
	}
	if (found > 0) {
		struct slice bytes = slice_make(in.p, out.at);

		require(out.at <= in.n);
		out.error = kind == REQUEST
				    ? http_request_parse(bytes, &limits, arena, &head)
				    : http_response_parse(bytes, &limits, HTTP_GET,
							  arena, &head);
		if (!out.error) {
			check_head(&head, bytes);
			check_round_trip(&head);
		}
	}
	if (!out.error && (kind == CHUNKED || found > 0)) {
		http_body_init(&body, &head);
		read_body(&body, slice_make(in.p + out.at, in.n - out.at), step, &out);
	}
	arena_free(arena);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outcome whole, pieces;
	struct slice in;
	enum kind kind;

	if (n < 3)
		return 0;
	kind = (enum kind)(data[0] % N_KINDS);
	in = slice_make(data + 2, n - 2);
	whole = read_message(kind, in, in.n);
	pieces = read_message(kind, in, 1 + (size_t)data[1]);
	require(whole.error == pieces.error);
	require(whole.is_done == pieces.is_done);
	require(whole.error || whole.at == pieces.at);
	require(whole.payload_sum == pieces.payload_sum || whole.error);
	require(whole.payload_bytes == pieces.payload_bytes || whole.error);
	return 0;
}
