#include "provisioning/content.h"

#include <inttypes.h>

#include "base/log.h"
#include "provisioning/device_api.h"
#include "provisioning/header.h"
#include "provisioning/server_metrics.h"

struct content {
	uint8_t sha256[SHA256_BYTES];
	uint64_t size;
	struct slice media_type;
	uint64_t next, end; /* bytes still to send: next..end-1 */
};

static void content_send_more(struct api_call *call);

bool content_fill(struct api_call *call, struct db_param *params, size_t *n)
{
	struct content *content = api_alloc(call, sizeof(*content));
	call->own = content;
	BUG_ON(!hex_decode(call->match.args[0], content->sha256, SHA256_BYTES));
	params[(*n)++] = db_bytes(content->sha256, SHA256_BYTES);
	return true;
}

/* ---- The rows ---- */

static void on_chunk(struct api_call *call, const PGresult *result)
{
	struct content *content = call->own;
	uint64_t first = content->next / CONTENT_CHUNK_BYTES * CONTENT_CHUNK_BYTES;
	uint64_t last = first + CONTENT_CHUNK_BYTES < content->end
				? first + CONTENT_CHUNK_BYTES
				: content->end;
	struct slice chunk = { NULL, 0 };
	if (PQntuples(result) == 1)
		chunk = db_value(result, 0, 0);
	if (chunk.n < last - first) {
		log_error("content_short",
			  log_hex("sha256", slice_make(content->sha256, SHA256_BYTES)),
			  log_num("at", (int64_t)first));
		api_abort(call, "content_short");
		return;
	}
	size_t n = (size_t)(last - content->next);
	struct evbuffer *data = evbuffer_new();
	BUG_ON(!data || evbuffer_add(data, chunk.p + (content->next - first), n));
	content->next = last;
	metrics_add(SERVER_CONTENT_BYTES, (int64_t)n);
	exchange_send_body(call->exchange, data);
	evbuffer_free(data);
	content_send_more(call);
}

static void content_send_more(struct api_call *call)
{
	struct content *content = call->own;
	if (call->query || exchange_is_full(call->exchange))
		return;
	if (content->next == content->end) {
		call->on_writable = NULL;
		exchange_send_end(call->exchange);
		return;
	}
	char number[24];
	snprintf(number, sizeof(number), "%" PRIu64,
		 content->next / CONTENT_CHUNK_BYTES);
	struct db_param params[] = { db_bytes(content->sha256, SHA256_BYTES),
				     db_text(number) };
	api_query(call, STATEMENT_CONTENT_CHUNK_READ, params, 2, on_chunk);
}

/* ---- The head ---- */

struct content_row {
	int64_t size;
	struct slice media_type;
};

static const struct json_member row_members[] = {
	{ "size", JSON_INT, offsetof(struct content_row, size), 0, INT64_MAX },
	{ "media_type", JSON_TEXT, offsetof(struct content_row, media_type), 1, 127 },
};

static bool read_row(struct api_call *call, struct slice json)
{
	struct content *content = call->own;
	struct content_row row;
	char why[128];
	json_t *object = json_parse(json, why, sizeof(why));
	bool is_read =
		object && json_read(object, row_members, 2, &row, why, sizeof(why));
	if (is_read) {
		content->size = (uint64_t)row.size;
		content->media_type = arena_copy(api_arena(call), row.media_type);
	} else {
		log_error("row_malformed", log_str("statement", "content_open"),
			  log_str("why", why));
		api_refuse(call, API_INTERNAL, NULL);
	}
	json_decref(object);
	return is_read;
}

static void refuse_range(struct api_call *call)
{
	const struct content *content = call->own;
	struct http_field field = {
		SLICE("Content-Range"),
		slice_of(arena_printf(api_arena(call), "bytes */%" PRIu64,
				      content->size)),
	};
	api_refuse_with(call, API_RANGE, NULL, &field);
}

static void send_head(struct api_call *call, struct slice etag, bool is_part)
{
	const struct content *content = call->own;
	struct arena *arena = api_arena(call);
	char digest[4 * ((SHA256_BYTES + 2) / 3) + 1];
	base64_encode(slice_make(content->sha256, SHA256_BYTES), digest);
	struct http_field fields[] = {
		{ SLICE("Content-Type"), content->media_type },
		{ SLICE("ETag"), etag },
		{ SLICE("Accept-Ranges"), SLICE("bytes") },
		{ SLICE("Repr-Digest"),
		  slice_of(arena_printf(arena, "sha-256=:%s:", digest)) },
		{ SLICE("Content-Range"),
		  slice_of(arena_printf(arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
					content->next, content->end - 1,
					content->size)) },
	};
	api_send_head(call, is_part ? 206 : 200, fields, is_part ? 5 : 4,
		      content->end - content->next);
}

void content_answer(struct api_call *call, const PGresult *result)
{
	struct content *content = call->own;
	struct api_row row;
	if (!api_row_read(call, result, &row))
		return;
	if (row.status != 200) {
		device_api_reply(call, &row, NULL);
		return;
	}
	struct slice condition = api_field(call, "If-None-Match");
	if (condition.n > 0 && header_matches_tag(condition, row.etag)) {
		struct http_field etag = { SLICE("ETag"), row.etag };
		api_reply(call, 304, &etag, 1, slice_make(NULL, 0));
		return;
	}
	if (!read_row(call, row.body))
		return;
	uint64_t first = 0, last = content->size - 1;
	enum header_range range =
		header_range(api_field(call, "Range"), content->size, &first, &last);
	if (range == HEADER_RANGE_UNSATISFIABLE) {
		refuse_range(call);
		return;
	}
	content->next = first;
	content->end = last + 1; /* of nothing: 0 */
	call->on_writable = content_send_more;
	send_head(call, row.etag, range == HEADER_RANGE_PART);
	content_send_more(call);
}
