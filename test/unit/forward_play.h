/*
 * One forward, played: a handset's link before it, a pool behind it, and the stage as
 * the server that answers. play_open() sends the handset's request, stage_run() lets it
 * end.
 */
#ifndef TEST_UNIT_FORWARD_PLAY_H
#define TEST_UNIT_FORWARD_PLAY_H

#include "base/listener.h"
#include "gateway/forward.h"
#include "test/unit/gateway_stage.h"

/* A handset's link, the forward in the middle, and the stage as server. */
struct play {
	struct stage stage;
	struct route route;
	struct route_config config;
	const char *addresses[1];
	struct pool *pool;
	struct forward *forward;
	struct exchange *at_gateway; /* the request as the gateway has it */
	struct link *gateway_link;
	struct link *handset_link;
	int deaf_fd; /* instead: a handset that asks, and reads nothing */
	int gateway_fd;
	struct listener *gateway_listener;
	const struct http_head *request;
	const char *request_body;
	int64_t body_limit;
	size_t device_tx_high; /* 0: as the gateway has it */
	bool is_long;          /* as it is begun */
	bool is_body_late;     /* sent when the answer is there */
	struct exchange *kept; /* on the other link of the pool */
	bool is_handset_over;
	size_t n_results;
	enum auth_reason result;
	unsigned status; /* as the handset saw it; 0: cut off */
	char head[4096];
	char body[4096]; /* its beginning */
	size_t n_body_bytes;
};

static inline void play_check_over(struct play *play)
{
	if (play->n_results && play->is_handset_over)
		loop_stop(play->stage.loop);
}

static inline void on_rest(struct exchange *exchange, enum exchange_event event,
			   void *arg)
{
	(void)exchange;
	(void)event;
	(void)arg;
}

static inline void on_result(void *arg, const struct forward_end *end)
{
	struct play *play = arg;

	play->n_results++;
	play->result = end->reason;
	play->forward = NULL;
	CU_ASSERT_EQUAL(end->is_over, end->reason == REASON_NONE);
	if (!end->is_over)
		exchange_on(play->at_gateway, on_rest, NULL);
	if (end->reason != REASON_NONE)
		loop_stop(play->stage.loop);
	play_check_over(play);
}

static inline void on_gateway_link(struct link *link, enum link_event event,
				   struct exchange *exchange, void *arg)
{
	struct play *play = arg;

	if (event == LINK_REQUEST) {
		play->at_gateway = exchange;
		play->forward = forward_begin(exchange,
					      &(struct forward_settings){
						      .route = &play->route,
						      .grant = SLICE("Z3JhbnQ"),
						      .is_long = play->is_long,
						      .pool_wait_ms = 1000,
						      .body_limit = play->body_limit,
					      },
					      on_result, play);
	} else if (event == LINK_CLOSED) {
		play->gateway_link = NULL;
		link_free(link);
	}
}

static const int few_bytes = 2048; /* in a socket's buffer */

static inline void on_gateway_accept(struct listener *listener, int fd, void *arg)
{
	struct play *play = arg;
	struct link_settings settings = stage_link_settings();

	(void)listener;
	settings.conn.tx_high = play->device_tx_high;
	if (!play->request)
		BUG_ON(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few_bytes,
				  sizeof(few_bytes)));
	play->gateway_link =
		link_accept(play->stage.loop, fd, &settings, on_gateway_link, play);
}

static inline void send_body(struct play *play, struct exchange *request)
{
	struct evbuffer *body = evbuffer_new();

	evbuffer_add(body, play->request_body, strlen(play->request_body));
	exchange_send_body(request, body);
	exchange_send_end(request);
	evbuffer_free(body);
}

static inline void on_handset_exchange(struct exchange *exchange,
				       enum exchange_event event, void *arg)
{
	struct play *play = arg;
	const struct http_head *head;
	struct evbuffer *body;
	size_t used;
	int n;

	switch (event) {
	case EXCHANGE_HEAD:
		head = exchange_head(exchange);
		play->status = head->status;
		stage_note_head(&play->stage, head);
		memcpy(play->head, play->stage.last_head, sizeof(play->head));
		break;
	case EXCHANGE_BODY:
		body = exchange_body(exchange);
		play->n_body_bytes += evbuffer_get_length(body);
		used = strlen(play->body);
		n = evbuffer_remove(body, play->body + used,
				    sizeof(play->body) - 1 - used);
		if (n > 0)
			play->body[used + (size_t)n] = '\0';
		evbuffer_drain(body, evbuffer_get_length(body));
		exchange_resume(exchange);
		break;
	case EXCHANGE_END:
		if (play->is_body_late)
			send_body(play, exchange);
		break;
	case EXCHANGE_DONE:
	case EXCHANGE_FAILED:
		play->is_handset_over = true;
		play_check_over(play);
		break;
	default: break;
	}
}

static inline void on_handset_link(struct link *link, enum link_event event,
				   struct exchange *exchange, void *arg)
{
	struct play *play = arg;
	struct exchange *request;

	(void)exchange;
	if (event == LINK_CLOSED) {
		play->handset_link = NULL;
		link_free(link);
	} else if (event == LINK_OPEN) {
		request = link_request(link, on_handset_exchange, play);
		exchange_send_head(request, play->request);
		if (play->request_body && !play->is_body_late)
			send_body(play, request);
	}
}

static inline int deaf_connect(const struct sockaddr_in *gateway)
{
	static const char ask[] = "GET /v1/device HTTP/1.1\r\n"
				  "Host: prov.example.com:8443\r\n\r\n";
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	BUG_ON(fd < 0 ||
	       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few_bytes, sizeof(few_bytes)) ||
	       connect(fd, (const struct sockaddr *)gateway, sizeof(*gateway)) ||
	       write(fd, ask, sizeof(ask) - 1) != sizeof(ask) - 1);
	return fd;
}

/** @param request  borrowed; NULL: the handset is deaf */
static inline void play_open(struct play *play, const struct http_head *request,
			     const char *request_body,
			     void (*answer)(struct stage *, struct exchange *))
{
	struct link_settings settings = stage_link_settings();
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage);
	play->stage.answer = answer;
	play->addresses[0] = play->stage.address;
	play->request = request;
	play->request_body = request_body;
	play->body_limit = 1024;
	play->pool = pool_new(play->stage.loop, &(struct pool_settings){
							.srv = "prov.example.com:8443",
							.host = "prov.example.com",
							.addresses = play->addresses,
							.n_addresses = 1,
							.link = stage_link_settings(),
							.size = 2,
							.queue_limit = 16,
						});
	snprintf(play->route.srv, sizeof(play->route.srv), "prov.example.com:8443");
	play->route.pool = play->pool;
	play->route.config = &play->config;
	play->gateway_fd = listener_open("127.0.0.1:0");
	BUG_ON(getsockname(play->gateway_fd, (struct sockaddr *)&bound, &size));
	play->gateway_listener = listener_new(play->stage.loop, play->gateway_fd,
					      on_gateway_accept, play);
	if (request)
		play->handset_link =
			link_connect(play->stage.loop, (struct sockaddr *)&bound, size,
				     &settings, on_handset_link, play);
	else
		play->deaf_fd = deaf_connect(&bound);
}

static inline void play_close(struct play *play)
{
	if (play->forward)
		forward_cancel(play->forward);
	if (play->handset_link)
		link_free(play->handset_link);
	if (play->deaf_fd)
		close(play->deaf_fd);
	if (play->gateway_link)
		link_free(play->gateway_link);
	listener_free(play->gateway_listener);
	close(play->gateway_fd);
	pool_free(play->pool);
	stage_close(&play->stage);
}

static struct http_field hostile_fields[] = {
	{ SLICE("Accept"), SLICE("application/json") },
	{ SLICE("Provbox-Grant"), SLICE("forged") },
	{ SLICE("provbox-exchange"), SLICE("7") },
	{ SLICE("X-Forwarded-For"), SLICE("192.0.2.1") },
	{ SLICE("X-WAP-MSISDN"), SLICE("+447700900123") },
	{ SLICE("Forwarded"), SLICE("for=192.0.2.1") },
	{ SLICE("Cookie"), SLICE("a=b") },
	{ SLICE("Prefer"), SLICE("wait=5") },
};

static const struct http_head get_request = {
	.method = HTTP_GET,
	.target = SLICE("/v1/device"),
	.host = SLICE("prov.example.com:8443"),
	.fields = hostile_fields,
	.n_fields = sizeof(hostile_fields) / sizeof(hostile_fields[0]),
	.keep_alive = true,
};

static const struct http_head put_request = {
	.method = HTTP_PUT,
	.target = SLICE("/v1/requests/x"),
	.host = SLICE("prov.example.com:8443"),
	.framing = HTTP_LENGTH,
	.content_length = 5,
	.keep_alive = true,
};

static inline void answer_and_remember(struct stage *stage, struct exchange *exchange)
{
	static char seen[4096];

	memcpy(seen, stage->last_head, sizeof(seen));
	stage_reply(exchange, 200, seen);
}

#endif
