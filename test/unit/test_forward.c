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

static void play_check_over(struct play *play)
{
	if (play->n_results && play->is_handset_over)
		loop_stop(play->stage.loop);
}

static void on_rest(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange;
	(void)event;
	(void)arg;
}

static void on_result(void *arg, const struct forward_end *end)
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

static void on_gateway_link(struct link *link, enum link_event event,
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

static void on_gateway_accept(struct listener *listener, int fd, void *arg)
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

static void send_body(struct play *play, struct exchange *request)
{
	struct evbuffer *body = evbuffer_new();

	evbuffer_add(body, play->request_body, strlen(play->request_body));
	exchange_send_body(request, body);
	exchange_send_end(request);
	evbuffer_free(body);
}

static void on_handset_exchange(struct exchange *exchange, enum exchange_event event,
				void *arg)
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

static void on_handset_link(struct link *link, enum link_event event,
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

static int deaf_connect(const struct sockaddr_in *gateway)
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
static void play_open(struct play *play, const struct http_head *request,
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

static void play_close(struct play *play)
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

static void answer_and_remember(struct stage *stage, struct exchange *exchange)
{
	static char seen[4096];

	memcpy(seen, stage->last_head, sizeof(seen));
	stage_reply(exchange, 200, seen);
}

static void only_listed_fields_pass(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, answer_and_remember);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_EQUAL(play.status, 200);
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "GET /v1/device\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Accept: application/json\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Prefer: wait=5\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Provbox-Grant: Z3JhbnQ\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(play.body, "Provbox-Exchange: 0\n"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "forged"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "forwarded"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "x-wap"));
	CU_ASSERT_PTR_NULL(strcasestr(play.body, "cookie"));
	/* Nor does the exchange number leave towards the handset. */
	CU_ASSERT_PTR_NULL(strcasestr(play.head, "provbox-"));
	play_close(&play);
}

static void a_body_passes(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", stage_answer_ok);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_STRING_EQUAL(play.stage.last_body, "hello");
	CU_ASSERT_STRING_EQUAL(play.body, "fine");
	play_close(&play);
}

static void a_body_over_the_limit_does_not(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", stage_answer_ok);
	play.body_limit = 4;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_BODY_TOO_LARGE);
	CU_ASSERT_STRING_EQUAL(play.stage.last_body, "");
	play_close(&play);
}

static void answer_early(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	stage_reply(exchange, 415, "no");
}

/* The answer has to wait for room on the handset's link, and the rest of the request
 * comes only after it: the server is not left with half a request. */
static void an_early_answer_ends_both_sides(void)
{
	struct play play;

	play_open(&play, &put_request, "hello", answer_early);
	play.stage.is_hasty = true;
	play.device_tx_high = 2;
	play.is_body_late = true;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_EQUAL(play.status, 415);
	CU_ASSERT_STRING_EQUAL(play.body, "no");
	play_close(&play);
}

/* An answer whose body comes a little after its head, all at once. */
static struct slow_answer {
	struct exchange *exchange;
	struct timer timer;
} slow_answer;

static void on_slow_answer(void *arg)
{
	struct evbuffer *body = evbuffer_new();

	(void)arg;
	evbuffer_add(body, "fine", 4);
	exchange_send_body(slow_answer.exchange, body);
	exchange_send_end(slow_answer.exchange);
	evbuffer_free(body);
}

static void answer_slowly(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("0") };

	exchange_send_head(exchange, &(struct http_head){ .status = 200,
							  .fields = &field,
							  .n_fields = 1,
							  .framing = HTTP_CHUNKED,
							  .keep_alive = true });
	slow_answer.exchange = exchange;
	timer_init(&slow_answer.timer, stage->loop, on_slow_answer, NULL);
	timer_start(&slow_answer.timer, 50);
}

/* The body fills the handset's link, and in the same turn the server's side is over. */
static void an_answer_ends_though_the_handset_is_slow(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, answer_slowly);
	play.device_tx_high = 2;
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_NONE);
	CU_ASSERT_STRING_EQUAL(play.body, "fine");
	play_close(&play);
}

static void answer_wrong_number(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("1") };

	(void)stage;
	exchange_reply(exchange, 200, &field, 1, SLICE("canary"));
}

static void answer_no_number(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	exchange_reply(exchange, 200, NULL, 0, SLICE("canary"));
}

static void an_answer_of_another_exchange_is_not_passed_on(void)
{
	void (*const answers[])(struct stage *,
				struct exchange *) = { answer_wrong_number,
						       answer_no_number };

	for (size_t i = 0; i < 2; i++) {
		struct play play;

		play_open(&play, &get_request, NULL, answers[i]);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, REASON_LANDNET_DESYNC);
		CU_ASSERT_EQUAL(play.status, 0);
		CU_ASSERT_STRING_EQUAL(play.body, "");
		play_close(&play);
	}
}

static const struct {
	unsigned status;
	const char *body;
	enum auth_reason result;
} verdicts[] = {
	{ 401, "{\"reason\":\"grant_epoch\"}", REASON_GRANT_EPOCH },
	{ 401, "{\"reason\":\"grant_expired\"}", REASON_GRANT_EXPIRED },
	/* No reason that a new grant mends: never taken as success. */
	{ 401, "{\"reason\":\"none\"}", REASON_GRANT_INVALID },
	{ 401, "{\"reason\":7}", REASON_GRANT_INVALID },
	{ 401, "no document", REASON_GRANT_INVALID },
	{ 401, "", REASON_GRANT_INVALID },
	{ 403, "{\"reason\":\"device_blocked\"}", REASON_DEVICE_BLOCKED },
	{ 403, "{\"reason\":\"device_unknown\"}", REASON_DEVICE_UNKNOWN },
	{ 403, "{\"reason\":\"gateway_unknown\"}", REASON_AUTHENTICATION_REFUSED },
	/* The handset's own matter. */
	{ 403, "{\"reason\":\"standing_limited\"}", REASON_NONE },
	{ 403, "{\"reason\":\"grant_epoch\"}", REASON_NONE },
	{ 404, "{\"reason\":\"device_blocked\"}", REASON_NONE },
};
static size_t verdict_now;

static void answer_verdict(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	stage_reply(exchange, verdicts[verdict_now].status, verdicts[verdict_now].body);
}

static void what_the_server_says_of_the_session_is_the_callers_matter(void)
{
	for (verdict_now = 0; verdict_now < sizeof(verdicts) / sizeof(verdicts[0]);
	     verdict_now++) {
		bool is_passed = verdicts[verdict_now].result == REASON_NONE;
		struct play play;

		play_open(&play, &get_request, NULL, answer_verdict);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, verdicts[verdict_now].result);
		CU_ASSERT_EQUAL(play.status,
				is_passed ? verdicts[verdict_now].status : 0);
		CU_ASSERT_STRING_EQUAL(play.body,
				       is_passed ? verdicts[verdict_now].body : "");
		play_close(&play);
	}
}

/* ---- Short and long exchanges ---- */

#define LARGE_BYTES (128 * 1024)

static void answer_bytes(struct exchange *exchange, size_t n, bool is_chunked)
{
	struct evbuffer *body = evbuffer_new();
	char number[24];
	struct http_field field = { SLICE("Provbox-Exchange"), { NULL, 0 } };
	char *bytes = calloc(1, n + 1);

	memset(bytes, 'a', n);
	evbuffer_add(body, bytes, n);
	free(bytes);
	snprintf(number, sizeof(number), "%" PRIu64,
		 link_count(exchange_link(exchange)));
	field.value = slice_of(number);
	exchange_send_head(exchange,
			   &(struct http_head){
				   .status = 200,
				   .fields = &field,
				   .n_fields = 1,
				   .framing = is_chunked ? HTTP_CHUNKED : HTTP_LENGTH,
				   .content_length = n,
				   .keep_alive = true,
			   });
	exchange_send_body(exchange, body);
	exchange_send_end(exchange);
	evbuffer_free(body);
}

static void answer_large(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, LARGE_BYTES, false);
}

static void answer_chunked(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, 4, true);
}

static void answer_held(struct stage *stage, struct exchange *exchange)
{
	(void)stage;
	answer_bytes(exchange, 65536, false);
}

static void on_kept(void *arg, struct link *link, enum auth_reason reason)
{
	struct play *play = arg;

	CU_ASSERT_EQUAL(reason, REASON_NONE);
	play->kept = link_request(link, on_rest, NULL);
}

/* The one long loan that a pool of two may have is out. */
static void play_keep_long(struct play *play)
{
	pool_get(play->pool, POOL_LONG, 5000, on_kept, play);
	STAGE_RUN_UNTIL(&play->stage, play->kept);
}

static const struct {
	void (*answer)(struct stage *, struct exchange *);
	bool is_put, is_long;
	bool is_put_back;
	enum auth_reason result;
} loans[] = {
	/* What the gateway can hold needs no place among the long ones. */
	{ stage_answer_ok, false, false, false, REASON_NONE },
	{ answer_held, false, false, false, REASON_NONE },
	{ stage_answer_ok, true, false, false, REASON_NONE },
	/* It has none: the answer is given back unread, or nobody is asked. */
	{ answer_large, false, false, true, REASON_LANDNET_BUSY },
	{ answer_chunked, false, false, true, REASON_LANDNET_BUSY },
	{ answer_large, true, false, true, REASON_LANDNET_BUSY },
	{ stage_answer_ok, false, true, false, REASON_LANDNET_BUSY },
};

static void what_may_last_needs_a_place_among_the_long_ones(void)
{
	stage_metrics_open();
	for (size_t i = 0; i < sizeof(loans) / sizeof(loans[0]); i++) {
		const int64_t n = metrics_sum(GATEWAY_LANDNET_PUT_BACK);
		struct play play;

		play_open(&play, loans[i].is_put ? &put_request : &get_request,
			  loans[i].is_put ? "hello" : NULL, loans[i].answer);
		play.is_long = loans[i].is_long;
		play_keep_long(&play);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, loans[i].result);
		CU_ASSERT_EQUAL(play.status, loans[i].result ? 0 : 200);
		CU_ASSERT_EQUAL(metrics_sum(GATEWAY_LANDNET_PUT_BACK) - n,
				loans[i].is_put_back);
		play_close(&play);
	}
}

static void an_answer_that_was_put_back_comes_when_there_is_place(void)
{
	struct play play;
	int64_t n;

	stage_metrics_open();
	n = metrics_sum(GATEWAY_LANDNET_PUT_BACK);
	play_open(&play, &get_request, NULL, answer_large);
	play_keep_long(&play);
	STAGE_RUN_UNTIL(&play.stage, metrics_sum(GATEWAY_LANDNET_PUT_BACK) == n + 1);
	CU_ASSERT_EQUAL(play.status, 0);
	exchange_cancel(play.kept);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.status, 200);
	CU_ASSERT_EQUAL(play.stage.n_requests, 2);
	CU_ASSERT_EQUAL(play.n_body_bytes, LARGE_BYTES);
	play_close(&play);
}

static void send_half(void *arg)
{
	struct evbuffer *body = evbuffer_new();
	char bytes[32768] = { 0 };

	evbuffer_add(body, bytes, sizeof(bytes));
	exchange_send_body(slow_answer.exchange, body);
	evbuffer_free(body);
	if (arg) /* the second */
		exchange_send_end(slow_answer.exchange);
}

static void answer_in_halves(struct stage *stage, struct exchange *exchange)
{
	struct http_field field = { SLICE("Provbox-Exchange"), SLICE("0") };

	exchange_send_head(exchange, &(struct http_head){ .status = 200,
							  .fields = &field,
							  .n_fields = 1,
							  .framing = HTTP_LENGTH,
							  .content_length = 65536,
							  .keep_alive = true });
	slow_answer.exchange = exchange;
	send_half(NULL);
	timer_init(&slow_answer.timer, stage->loop, send_half, stage);
	timer_start(&slow_answer.timer, 50);
}

static void on_lent(void *arg, struct link *link, enum auth_reason reason)
{
	struct play *play = arg;

	(void)link;
	CU_ASSERT_EQUAL(reason, REASON_NONE);
	loop_stop(play->stage.loop);
}

/* However slowly the handset reads: the other link is out, this one is free again. */
static void a_small_answer_leaves_the_link_at_once(void)
{
	struct play play;

	play_open(&play, NULL, NULL, answer_in_halves);
	play.device_tx_high = 2;
	play_keep_long(&play);
	STAGE_RUN_UNTIL(&play.stage, play.stage.n_requests == 1);
	pool_get(play.pool, POOL_SHORT, 2000, on_lent, &play);
	stage_run(&play.stage);
	CU_ASSERT_PTR_NOT_NULL(play.forward);
	play_close(&play);
}

static void nobody_is_invited_to_wait_without_a_place(void)
{
	for (int is_kept = 0; is_kept < 2; is_kept++) {
		struct play play;

		play_open(&play, &get_request, NULL, answer_and_remember);
		if (is_kept)
			play_keep_long(&play);
		stage_run(&play.stage);
		CU_ASSERT_EQUAL(play.result, REASON_NONE);
		CU_ASSERT_EQUAL(strstr(play.body, "Prefer: wait=5\n") == NULL, is_kept);
		play_close(&play);
	}
}

static void a_server_that_is_away_is_told(void)
{
	struct play play;

	play_open(&play, &get_request, NULL, stage_answer_ok);
	stage_stop_listening(&play.stage);
	stage_run(&play.stage);
	CU_ASSERT_EQUAL(play.result, REASON_LANDNET_UNREACHABLE);
	play_close(&play);
}

TEST_MAIN("forward", TEST(only_listed_fields_pass), TEST(a_body_passes),
	  TEST(an_early_answer_ends_both_sides), TEST(a_body_over_the_limit_does_not),
	  TEST(an_answer_ends_though_the_handset_is_slow),
	  TEST(an_answer_of_another_exchange_is_not_passed_on),
	  TEST(what_the_server_says_of_the_session_is_the_callers_matter),
	  TEST(what_may_last_needs_a_place_among_the_long_ones),
	  TEST(an_answer_that_was_put_back_comes_when_there_is_place),
	  TEST(a_small_answer_leaves_the_link_at_once),
	  TEST(nobody_is_invited_to_wait_without_a_place),
	  TEST(a_server_that_is_away_is_told))
