/*
 * What stands behind the proxy in a measurement: it lets every device in with a grant
 * that nobody checks, and answers every request with 1 KB, or with as much as nobody
 * takes below /v1/content/. It holds the exchange number of those that send one.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/exchange.h"
#include "base/listener.h"
#include "base/log.h"
#include "contrib/bench/part.h"

#define ANSWER_BYTES 1024
#define LARGE_BYTES  (8 << 20)
#define PIECE_BYTES  65536
#define GRANT_BYTES  300 /* about what a server's has */
#define HEARTBEAT_MS 250
#define HEARTBEAT    "{\"hb\":1}\n"

struct upstream {
	struct loop *loop;
	struct link_settings links;
	uint8_t answer[ANSWER_BYTES];
	uint8_t piece[PIECE_BYTES];
};

/* The exchange number of the request, for the answer. */
static size_t fields_of(struct exchange *exchange, const char *type,
			struct http_field out[2])
{
	const struct http_field *number =
		http_field(exchange_head(exchange), "Provbox-Exchange");

	out[0] = (struct http_field){ SLICE("Content-Type"), slice_of(type) };
	if (number)
		out[1] = *number;
	return number ? 2 : 1;
}

static void reply(struct exchange *exchange, unsigned status, const char *type,
		  struct slice body)
{
	struct http_field fields[2];
	size_t n = fields_of(exchange, type, fields);

	exchange_reply(exchange, status, fields, n, body);
}

static void send_head(struct exchange *exchange, const char *type,
		      enum http_framing framing, uint64_t length)
{
	struct http_field fields[2];
	size_t n = fields_of(exchange, type, fields);

	exchange_send_head(exchange, &(struct http_head){ .status = 200,
							  .fields = fields,
							  .n_fields = n,
							  .framing = framing,
							  .content_length = length,
							  .keep_alive = true });
}

static void send_bytes(struct exchange *exchange, const void *bytes, size_t n)
{
	struct evbuffer *data = evbuffer_new();

	BUG_ON(!data || evbuffer_add(data, bytes, n) != 0);
	exchange_send_body(exchange, data);
	evbuffer_free(data);
}

/* ---- Authentication ---- */

static void answer_authentication(struct exchange *exchange)
{
	static const char grant[GRANT_BYTES] = "bench";
	struct evbuffer *body = exchange_body(exchange);
	struct arena *arena = exchange_arena(exchange);
	struct slice json =
		slice_make(evbuffer_pullup(body, -1), evbuffer_get_length(body));
	struct auth_claims claims = { 0 };
	struct auth_information information = {
		.standing = STANDING_ACTIVE, .grant = slice_make(grant, sizeof(grant))
	};
	bool wants_proof;
	char why[128];

	if (auth_request_decode(json, &claims, &wants_proof, why, sizeof(why)) !=
	    AUTH_FAULT_NONE) {
		reply(exchange, 400, "text/plain", slice_of(why));
		return;
	}
	memcpy(information.sid, claims.sid, sizeof(claims.sid));
	memcpy(information.nonce, claims.nonce, sizeof(claims.nonce));
	evbuffer_drain(body, evbuffer_get_length(body));
	reply(exchange, 200, "application/json",
	      slice_of(auth_information_encode(&information, arena)));
}

static void on_authentication(struct exchange *exchange, enum exchange_event event,
			      void *arg)
{
	(void)arg;
	if (event == EXCHANGE_END)
		answer_authentication(exchange);
}

/* ---- A large answer ---- */

struct large {
	struct upstream *upstream;
	uint64_t left; /* bytes to send */
};

static void send_pieces(struct exchange *exchange, struct large *large)
{
	while (large->left > 0 && !exchange_is_full(exchange)) {
		send_bytes(exchange, large->upstream->piece, PIECE_BYTES);
		large->left -= PIECE_BYTES;
	}
	if (large->left == 0)
		exchange_send_end(exchange);
}

static void on_large(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct large *large = arg;

	if (event == EXCHANGE_WRITABLE && large->left > 0)
		send_pieces(exchange, large);
	else if (event == EXCHANGE_DONE || event == EXCHANGE_FAILED)
		free(large);
}

static void begin_large(struct upstream *upstream, struct exchange *exchange)
{
	struct large *large = calloc(1, sizeof(*large));

	BUG_ON(!large);
	*large = (struct large){ .upstream = upstream, .left = LARGE_BYTES };
	exchange_on(exchange, on_large, large);
	send_head(exchange, "application/octet-stream", HTTP_LENGTH, LARGE_BYTES);
	send_pieces(exchange, large);
}

/* ---- The control stream ---- */

struct stream {
	struct exchange *exchange;
	struct timer beat;
};

static void beat(void *arg)
{
	struct stream *stream = arg;

	send_bytes(stream->exchange, HEARTBEAT, sizeof(HEARTBEAT) - 1);
	timer_start(&stream->beat, HEARTBEAT_MS);
}

static void on_stream(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct stream *stream = arg;

	(void)exchange;
	if (event != EXCHANGE_DONE && event != EXCHANGE_FAILED)
		return;
	timer_cancel(&stream->beat);
	free(stream);
}

static void begin_stream(struct upstream *upstream, struct exchange *exchange)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	BUG_ON(!stream);
	stream->exchange = exchange;
	timer_init(&stream->beat, upstream->loop, beat, stream);
	exchange_on(exchange, on_stream, stream);
	send_head(exchange, "application/x-ndjson", HTTP_CHUNKED, 0);
	beat(stream);
}

/* ---- Requests ---- */

static void on_plain(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange;
	(void)event;
	(void)arg;
}

static void on_request(struct upstream *upstream, struct exchange *exchange)
{
	const struct slice target = exchange_head(exchange)->target;

	exchange_on(exchange, on_plain, NULL);
	if (slice_eq(target, SLICE("/v1/authentication")))
		exchange_on(exchange, on_authentication, NULL);
	else if (slice_eq(target, SLICE("/v1/control")))
		begin_stream(upstream, exchange);
	else if (slice_starts(target, SLICE("/v1/content/")))
		begin_large(upstream, exchange);
	else if (slice_starts(target, SLICE("/v1/sessions/")))
		reply(exchange, 204, "text/plain", slice_of(NULL));
	else
		reply(exchange, 200, "application/json",
		      slice_make(upstream->answer, ANSWER_BYTES));
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	if (event == LINK_REQUEST)
		on_request(arg, exchange);
	else if (event == LINK_CLOSED)
		link_free(link);
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	struct upstream *upstream = arg;

	(void)listener;
	BUG_ON(!link_accept(upstream->loop, fd, &upstream->links, on_link, upstream));
}

static void on_term(void *arg)
{
	loop_stop(((struct upstream *)arg)->loop);
}

int upstream_run(const struct settings *settings)
{
	static struct upstream upstream; /* what is open ends with the process */
	int fd;

	upstream.loop = loop_new();
	upstream.links.conn.tls = part_tls(settings, TLS_SERVER);
	memset(upstream.answer, 'a', sizeof(upstream.answer));
	fd = part_listen(settings->port);
	if (fd < 0)
		return EXIT_FAILURE;
	listener_new(upstream.loop, fd, on_accept, &upstream);
	loop_on_signal(upstream.loop, SIGTERM, on_term, &upstream);
	puts("ready");
	fflush(stdout);
	loop_run(upstream.loop);
	return EXIT_SUCCESS;
}
