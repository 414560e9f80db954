#include "test/unit/http_vector.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static const struct http_limits limits = { 0 };

/* ---- Reading messages in steps of some bytes ---- */

static const char *judge_body(struct http_body *body, struct slice in, size_t step)
{
	size_t at = 0, end = 0;

	while (!http_body_is_done(body) && at < in.n) {
		struct slice payload;
		size_t eaten;
		enum http_error error;

		end = at + step < in.n ? at + step : in.n;
		error = http_body_feed(body, slice_make(in.p + at, end - at), &eaten,
				       &payload);
		if (error)
			return http_error_name(error);
		CU_ASSERT_FATAL(eaten > 0);
		at += eaten;
	}
	if (!http_body_is_done(body))
		return "more";
	return at == in.n ? "ok" : "surplus";
}

static const char *judge_head(struct slice in, size_t step, const char *kind)
{
	struct arena *arena = arena_new(65536);
	struct http_scan scan = { 0 };
	struct http_head head;
	struct http_body body;
	enum http_error error = HTTP_OK;
	const char *result = "more";
	size_t size = 0, have = 0;
	int found = 0;

	while (found == 0 && have < in.n) {
		have = have + step < in.n ? have + step : in.n;
		found = http_scan(&scan, slice_make(in.p, have), &limits, &size,
				  &error);
	}
	if (found < 0) {
		result = http_error_name(error);
	} else if (found > 0) {
		struct slice bytes = slice_make(in.p, size);

		if (strcmp(kind, "request") == 0)
			error = http_request_parse(bytes, &limits, arena, &head);
		else
			error = http_response_parse(bytes, &limits,
						    *kind == 'h' ? HTTP_HEAD : HTTP_GET,
						    arena, &head);
		result = http_error_name(error);
		if (!error && strcmp(kind, "request") == 0) {
			http_body_init(&body, &head);
			result = judge_body(&body, slice_make(in.p + size, in.n - size),
					    step);
		}
	}
	arena_free(arena);
	return result;
}

static void judge_vector(const struct http_vector *vector, void *arg)
{
	(void)arg;
	static const size_t steps[] = { 1, 2, 7, 4096, HTTP_VECTOR_BYTES };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const char *result;

		if (strcmp(vector->kind, "chunked") == 0) {
			const struct http_head head = { .framing = HTTP_CHUNKED };
			struct http_body body;

			http_body_init(&body, &head);
			result = judge_body(&body, vector->bytes, steps[i]);
		} else {
			result = judge_head(vector->bytes, steps[i], vector->kind);
		}
		if (strcmp(result, vector->result) != 0)
			printf("\n%s in steps of %zu: %s, not %s", vector->name,
			       steps[i], result, vector->result);
		CU_ASSERT_STRING_EQUAL(result, vector->result);
	}
}

static void judges_every_vector(void)
{
	CU_ASSERT(http_vector_walk(judge_vector, NULL) > 150);
}

static bool is_error_seen[HTTP_N_ERRORS];

static void mark_result(const struct http_vector *vector, void *arg)
{
	(void)arg;
	for (int i = 0; i < HTTP_N_ERRORS; i++)
		if (strcmp(vector->result, http_error_name((enum http_error)i)) == 0)
			is_error_seen[i] = true;
}

static void has_a_vector_for_every_error(void)
{
	http_vector_walk(mark_result, NULL);
	is_error_seen[HTTP_NO_MEMORY] = true; /* see ends_at_the_arena_limit */
	for (int i = 0; i < HTTP_N_ERRORS; i++) {
		const char *name = http_error_name((enum http_error)i);
		unsigned status = http_error_status((enum http_error)i);

		if (!is_error_seen[i])
			printf("\nno vector for %s", name);
		CU_ASSERT(is_error_seen[i]);
		CU_ASSERT(*http_status_phrase(status) != '\0');
		CU_ASSERT(*http_error_words((enum http_error)i) != '\0');
	}
}

/* ---- Heads ---- */

#define ASSERT_SLICE(s, text) CU_ASSERT(slice_eq((s), slice_of(text)))

static struct http_head parse_request(struct arena *arena, const char *text)
{
	struct http_head head;

	CU_ASSERT_EQUAL_FATAL(http_request_parse(slice_of(text), &limits, arena, &head),
			      HTTP_OK);
	return head;
}

static void reads_a_request(void)
{
	struct arena *arena = arena_new(65536);
	struct http_head head = parse_request(
		arena, "PUT /v1/requests/x?a=b HTTP/1.1\r\nHost: Example.COM:8443\r\n"
		       "Content-Length: 17\r\nExpect: 100-continue\r\n"
		       "X-One: \t a  b \t\r\nx-one: c\r\nAccept:text/plain\r\n\r\n");
	struct slice path, query;

	CU_ASSERT_EQUAL(head.method, HTTP_PUT);
	CU_ASSERT_EQUAL(head.status, 0);
	ASSERT_SLICE(head.target, "/v1/requests/x?a=b");
	ASSERT_SLICE(head.host, "example.com:8443");
	CU_ASSERT_EQUAL(head.framing, HTTP_LENGTH);
	CU_ASSERT_EQUAL(head.content_length, 17);
	CU_ASSERT(head.keep_alive);
	CU_ASSERT(head.expects_continue);
	CU_ASSERT_EQUAL(head.n_fields, 3);
	ASSERT_SLICE(head.fields[0].value, "a  b");
	CU_ASSERT_PTR_NULL(http_field(&head, "X-One"));
	CU_ASSERT_EQUAL(http_field_count(&head, "X-ONE"), 2);
	CU_ASSERT_PTR_NULL(http_field(&head, "Content-Length"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(http_field(&head, "accept"));
	ASSERT_SLICE(http_field(&head, "accept")->value, "text/plain");
	http_target_split(head.target, &path, &query);
	ASSERT_SLICE(path, "/v1/requests/x");
	ASSERT_SLICE(query, "a=b");
	arena_free(arena);
}

static void drops_fields_of_this_hop(void)
{
	struct arena *arena = arena_new(65536);
	struct http_head head = parse_request(
		arena,
		"GET / HTTP/1.1\r\nHost: a\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
		"Connection: close , x-hop,prefer\r\nTE: trailers\r\nTrailer: X\r\n"
		"Proxy-Connection: close\r\nPrefer: wait=5\r\nAccept: a\r\n\r\n");

	CU_ASSERT_FALSE(head.keep_alive);
	CU_ASSERT_EQUAL_FATAL(head.n_fields, 1);
	ASSERT_SLICE(head.fields[0].name, "Accept");
	arena_free(arena);
}

static void ignores_an_expectation_without_body(void)
{
	struct arena *arena = arena_new(65536);
	struct http_head head = parse_request(
		arena, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");

	CU_ASSERT_FALSE(head.expects_continue);
	arena_free(arena);
}

static void reads_a_response(void)
{
	const struct slice text =
		SLICE("HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\n"
		      "Host: a\r\nExpect: b\r\nUpgrade: c\r\n"
		      "Connection: close\r\n"
		      "Content-Length: 9\r\n\r\n");
	struct arena *arena = arena_new(65536);
	struct http_head head;

	CU_ASSERT_EQUAL(http_response_parse(text, &limits, HTTP_GET, arena, &head),
			HTTP_OK);
	CU_ASSERT_EQUAL(head.status, 206);
	CU_ASSERT_EQUAL(head.framing, HTTP_LENGTH);
	CU_ASSERT_FALSE(head.keep_alive);
	CU_ASSERT_EQUAL(head.n_fields, 1);
	CU_ASSERT_EQUAL(http_response_parse(text, &limits, HTTP_HEAD, arena, &head),
			HTTP_OK);
	CU_ASSERT_EQUAL(head.framing, HTTP_NO_BODY);
	CU_ASSERT_EQUAL(head.content_length, 9);
	arena_free(arena);
}

static void refuses_bytes_after_the_head(void)
{
	struct arena *arena = arena_new(65536);
	struct http_head head;

	CU_ASSERT_EQUAL(
		http_request_parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"),
				   &limits, arena, &head),
		HTTP_BAD_LINE);
	CU_ASSERT_EQUAL(http_request_parse(SLICE("GET / HTTP/1.1\r\nHost: a\r\n"),
					   &limits, arena, &head),
			HTTP_BAD_LINE);
	CU_ASSERT_EQUAL(http_request_parse(SLICE(""), &limits, arena, &head),
			HTTP_BAD_LINE);
	arena_free(arena);
}

static void ends_at_the_arena_limit(void)
{
	const struct slice text = SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n");
	struct http_head head;
	bool is_out_of_memory = false;

	for (size_t limit = 1; limit < 256; limit++) {
		struct arena *arena = arena_new(limit);
		enum http_error error = http_request_parse(text, &limits, arena, &head);

		CU_ASSERT(error == HTTP_OK || error == HTTP_NO_MEMORY);
		is_out_of_memory |= error == HTTP_NO_MEMORY;
		arena_free(arena);
	}
	CU_ASSERT(is_out_of_memory);
}

static void finds_each_end_of_head_at_its_limit(void)
{
	const struct http_limits small = { .head_bytes = 27 };
	const struct slice fits = SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	struct http_scan scan = { 0 };
	enum http_error error;
	size_t size;

	CU_ASSERT_EQUAL(fits.n, 27);
	CU_ASSERT_EQUAL(http_scan(&scan, fits, &small, &size, &error), 1);
	CU_ASSERT_EQUAL(size, 27);
	scan = (struct http_scan){ 0 };
	CU_ASSERT_EQUAL(http_scan(&scan, slice_make(fits.p, 26), &small, &size, &error),
			0);
	scan = (struct http_scan){ 0 };
	CU_ASSERT_EQUAL(http_scan(&scan, SLICE("GET / HTTP/1.1\r\nHost: ab\r\n\r\n"),
				  &small, &size, &error),
			-1);
	CU_ASSERT_EQUAL(error, HTTP_HEAD_TOO_LARGE);
}

/* ---- Bodies ---- */

static void gives_the_payload_however_it_is_cut(void)
{
	static const char wire[] = "4\r\nwiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\n"
				   "chunks.\r\n0\r\nX: y\r\n\r\nNEXT";
	static const char payload[] = "wikipedia in \r\n\r\nchunks.";
	const size_t n = sizeof(wire) - 1;

	for (size_t cut = 0; cut <= n; cut++) {
		const struct http_head head = { .framing = HTTP_CHUNKED };
		struct http_body body;
		char got[64];
		size_t n_got = 0, at = 0, eaten;

		http_body_init(&body, &head);
		do {
			size_t end = at < cut ? cut : n;
			struct slice run;

			CU_ASSERT_EQUAL_FATAL(
				http_body_feed(&body, slice_make(wire + at, end - at),
					       &eaten, &run),
				HTTP_OK);
			memcpy(got + n_got, run.n ? run.p : got, run.n);
			n_got += run.n;
			at += eaten;
		} while (eaten > 0);
		CU_ASSERT(http_body_is_done(&body));
		CU_ASSERT_EQUAL(at, n - 4);
		CU_ASSERT(slice_eq(slice_make(got, n_got), slice_of(payload)));
	}
}

static void ends_a_body_at_its_length(void)
{
	const struct http_head head = { .framing = HTTP_LENGTH, .content_length = 3 };
	const struct http_head none = { .framing = HTTP_NO_BODY, .content_length = 3 };
	struct http_body body;
	struct slice payload;
	size_t eaten;

	http_body_init(&body, &head);
	CU_ASSERT_EQUAL(http_body_feed(&body, SLICE("ab"), &eaten, &payload), HTTP_OK);
	CU_ASSERT_FALSE(http_body_is_done(&body));
	CU_ASSERT_EQUAL(http_body_feed(&body, SLICE("cde"), &eaten, &payload), HTTP_OK);
	CU_ASSERT(http_body_is_done(&body));
	CU_ASSERT_EQUAL(eaten, 1);
	ASSERT_SLICE(payload, "c");
	http_body_init(&body, &none);
	CU_ASSERT(http_body_is_done(&body));
}

/* ---- Targets ---- */

static void spells_each_byte_one_way(void)
{
	for (int c = 1; c < 256; c++) {
		char raw[8], escaped[8];
		bool is_raw, is_escaped;

		snprintf(raw, sizeof(raw), "/a%c", c);
		snprintf(escaped, sizeof(escaped), "/a%%%02X", (unsigned)c);
		is_raw = http_target_is_canonical(slice_of(raw));
		is_escaped = http_target_is_canonical(slice_of(escaped));
		/* `?` begins a query, and `/a/` is refused by its empty segment. */
		if (c == '?')
			CU_ASSERT_FALSE(is_escaped)
		else
			CU_ASSERT_FALSE(is_raw && is_escaped);
		if (c < 0x20 || c == 0x7f || strchr("/\\.%;", c))
			CU_ASSERT_FALSE(is_escaped);
		if (c <= 0x20 || c >= 0x7f)
			CU_ASSERT_FALSE(is_raw);
	}
	CU_ASSERT_FALSE(http_target_is_canonical(SLICE("/a%00")));
	CU_ASSERT_FALSE(http_target_is_canonical(SLICE("")));
	CU_ASSERT(http_target_is_canonical(SLICE("/")));
	CU_ASSERT(http_target_is_canonical(SLICE("/?")));
}

/* ---- Writing ---- */

static const char *written(struct evbuffer *out)
{
	evbuffer_add(out, "", 1);
	return (const char *)evbuffer_pullup(out, -1);
}

static void writes_a_request(void)
{
	const struct http_field fields[] = { { SLICE("Accept"), SLICE("*/*") } };
	const struct http_head head = {
		.method = HTTP_PUT,
		.target = SLICE("/v1/a"),
		.host = SLICE("b:1"),
		.fields = fields,
		.n_fields = 1,
		.framing = HTTP_LENGTH,
		.content_length = UINT64_MAX,
	};
	struct evbuffer *out = evbuffer_new();

	http_write_head(out, &head);
	CU_ASSERT_STRING_EQUAL(written(out),
			       "PUT /v1/a HTTP/1.1\r\nHost: b:1\r\nAccept: */*\r\n"
			       "Content-Length: 18446744073709551615\r\n"
			       "Connection: close\r\n\r\n");
	evbuffer_free(out);
}

static void writes_what_it_reads(void)
{
	const struct http_field fields[] = {
		{ SLICE("ETag"), SLICE("\"x\"") },
		{ SLICE("Date"), SLICE("Sun, 06 Nov 1994 08:49:37 GMT") },
	};
	static const unsigned statuses[] = { 100, 200, 201, 204, 304, 404, 599 };

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct http_head head = { .status = statuses[i],
					  .fields = fields,
					  .n_fields = i % 3,
					  .keep_alive = true };
		struct evbuffer *out = evbuffer_new();
		struct arena *arena = arena_new(65536);
		struct http_head got;
		const char *text;

		http_write_head(out, &head);
		text = written(out);
		CU_ASSERT_EQUAL(http_response_parse(slice_of(text), &limits, HTTP_GET,
						    arena, &got),
				HTTP_OK);
		CU_ASSERT_EQUAL(got.status, statuses[i]);
		CU_ASSERT(got.keep_alive);
		CU_ASSERT_EQUAL(got.content_length, 0);
		CU_ASSERT_EQUAL(http_field_count(&got, "date"), statuses[i] >= 200);
		arena_free(arena);
		evbuffer_free(out);
	}
}

static void writes_chunks(void)
{
	struct evbuffer *out = evbuffer_new(), *data = evbuffer_new();

	http_write_chunk(out, data);
	evbuffer_add(data, "hello, this is it", 17);
	http_write_chunk(out, data);
	CU_ASSERT_EQUAL(evbuffer_get_length(data), 0);
	http_write_last_chunk(out);
	CU_ASSERT_STRING_EQUAL(written(out), "11\r\nhello, this is it\r\n0\r\n\r\n");
	evbuffer_free(out);
	evbuffer_free(data);
}

/* Whether writing the head ends the process by SIGABRT. */
static bool aborts(const struct http_head *head)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		http_write_head(evbuffer_new(), head);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void aborts_rather_than_splits_a_head(void)
{
	static const struct http_field bad[] = {
		{ { "X", 1 }, { "a\r\nY: b", 7 } },
		{ { "X", 1 }, { "a\0b", 3 } },
		{ { "X: a\n", 5 }, { "b", 1 } },
		{ { "", 0 }, { "b", 1 } },
		{ { "Content-Length", 14 }, { "5", 1 } },
		{ { "transfer-encoding", 17 }, { "chunked", 7 } },
		{ { "Host", 4 }, { "b", 1 } },
	};
	const struct http_field good = { SLICE("X"), SLICE("y") };
	struct http_head head = {
		.target = SLICE("/"),
		.host = SLICE("a"),
		.fields = &good,
		.n_fields = 1,
	};

	CU_ASSERT_FALSE(aborts(&head));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		head.fields = &bad[i];
		CU_ASSERT(aborts(&head));
	}
	head.fields = &good;
	head.target = SLICE("/a HTTP/1.1\r\nX: b");
	CU_ASSERT(aborts(&head));
	head.target = SLICE("/");
	head.host = SLICE("a\r\nX: b");
	CU_ASSERT(aborts(&head));
}

TEST_MAIN("http", TEST(judges_every_vector), TEST(has_a_vector_for_every_error),
	  TEST(reads_a_request), TEST(drops_fields_of_this_hop),
	  TEST(ignores_an_expectation_without_body), TEST(reads_a_response),
	  TEST(refuses_bytes_after_the_head), TEST(ends_at_the_arena_limit),
	  TEST(finds_each_end_of_head_at_its_limit),
	  TEST(gives_the_payload_however_it_is_cut), TEST(ends_a_body_at_its_length),
	  TEST(spells_each_byte_one_way), TEST(writes_a_request),
	  TEST(writes_what_it_reads), TEST(writes_chunks),
	  TEST(aborts_rather_than_splits_a_head))
