/*
 * Fuzz target of the HTTP parser: whatever the bytes, it stays within them, and the
 * outcome is the same when they come at once and when they come in pieces.
 *
 * Input: first byte modulo 3 is the kind (request, response, chunked body), second
 * byte the size of the pieces, then the message.
 *
 * Parser: base/http.c base/http_body.c base/http_head.c base/http_target.c
 * Parser: base/http_write.c
 */
#include "base/http.h"

#include "test/fuzz/fuzz.h"

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
		REQUIRE(eaten > 0 && eaten <= n && is_within(payload, piece));
		for (size_t i = 0; i < payload.n; i++)
			out->payload_sum =
				out->payload_sum * 31 + (uint8_t)payload.p[i];
		out->payload_bytes += payload.n;
		at += eaten;
	}
	out->at += at;
	out->is_done = http_body_is_done(body);
}

/* Lines of a head that have this name, as any reader would count them. */
static size_t count_lines(struct slice bytes, const char *name)
{
	struct slice line, field;
	size_t n = 0;

	while (slice_next(&bytes, '\n', &line)) {
		slice_next(&line, ':', &field);
		n += slice_eq_nocase(slice_trim(field), slice_of(name));
	}
	return n;
}

/* No two readers find two ends of what was taken (RFC 9112, 11.2). */
static void check_framing(const struct http_head *head, struct slice bytes)
{
	size_t lengths = count_lines(bytes, "Content-Length"),
	       codings = count_lines(bytes, "Transfer-Encoding");

	REQUIRE(lengths + codings <= 1);
	REQUIRE(head->framing != HTTP_CHUNKED || codings == 1);
	REQUIRE(head->framing != HTTP_LENGTH || lengths == 1);
	REQUIRE(head->status || count_lines(bytes, "Host") == 1);
	REQUIRE(!memchr(bytes.p, '\0', bytes.n) && bytes.p[0] != '\n');
	for (size_t i = 1; i < bytes.n; i++)
		REQUIRE(bytes.p[i] != '\n' || bytes.p[i - 1] == '\r');
}

static void check_field(const struct http_head *head, const struct http_field *field)
{
	char name[1024];

	REQUIRE(field->name.n > 0 && field->name.n < sizeof(name));
	memcpy(name, field->name.p, field->name.n);
	name[field->name.n] = '\0';
	size_t n = http_field_count(head, name);
	REQUIRE(n >= 1 && http_field(head, name) == (n == 1 ? field : NULL));
}

static void check_head(const struct http_head *head, struct slice bytes)
{
	check_framing(head, bytes);
	REQUIRE(is_within(head->target, bytes));
	REQUIRE(head->n_fields <= limits.fields);
	for (size_t i = 0; i < head->n_fields; i++) {
		REQUIRE(is_within(head->fields[i].name, bytes));
		REQUIRE(is_within(head->fields[i].value, bytes));
		check_field(head, &head->fields[i]);
	}
	if (head->status == 0)
		REQUIRE(head->host.n > 0 && http_target_is_canonical(head->target));
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
	REQUIRE(error == HTTP_OK);
	REQUIRE(again.status == head->status && again.method == head->method);
	REQUIRE(slice_eq(again.target, head->target) &&
		slice_eq(again.host, head->host));
	REQUIRE(again.keep_alive == head->keep_alive || head->status / 100 == 1);
	/* Date may have come before the others. */
	REQUIRE(again.n_fields - head->n_fields <= 1);
	again.fields += again.n_fields - head->n_fields;
	for (size_t i = 0; i < head->n_fields; i++)
		REQUIRE(slice_eq(again.fields[i].value, head->fields[i].value));
	arena_free(arena);
	evbuffer_free(wire);
}

/* Any bytes, written in chunks, are read as they were. */
static void check_chunks(struct slice in)
{
	const struct http_head head = { .framing = HTTP_CHUNKED };
	struct evbuffer *wire = evbuffer_new(), *data = evbuffer_new();
	struct outcome out = { .error = HTTP_OK };
	struct http_body body;
	uint32_t sum = 0;

	for (size_t i = 0; i < in.n; i++) {
		sum = sum * 31 + (uint8_t)in.p[i];
		evbuffer_add(data, in.p + i, 1);
		if (i % 20 == 19)
			http_write_chunk(wire, data);
	}
	http_write_chunk(wire, data);
	http_write_last_chunk(wire);
	size_t n = evbuffer_get_length(wire);
	http_body_init(&body, &head);
	read_body(&body, slice_make(evbuffer_pullup(wire, -1), n), n, &out);
	REQUIRE(out.is_done && out.at == n && out.payload_bytes == in.n &&
		out.payload_sum == sum);
	evbuffer_free(wire);
	evbuffer_free(data);
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

		REQUIRE(out.at <= in.n);
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
	if (kind == CHUNKED)
		check_chunks(in);
	REQUIRE(whole.error == pieces.error);
	REQUIRE((whole.error == HTTP_OK) == (http_error_status(whole.error) == 200));
	REQUIRE(*http_error_name(whole.error) && http_error_words(whole.error));
	REQUIRE(whole.is_done == pieces.is_done);
	REQUIRE(whole.error || whole.at == pieces.at);
	REQUIRE(whole.payload_sum == pieces.payload_sum || whole.error);
	REQUIRE(whole.payload_bytes == pieces.payload_bytes || whole.error);
	return 0;
}
