#include "gateway/control.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/json.h"
#include "base/log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/landnet.h"

#define NOT_LISTED   "gateway_unknown" /* what a server says of such a gateway */
#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 5000
/* Of a refusal, as much as is read. */
#define PROBLEM_BYTES 4096
#define REASON_CHARS  63
/* So often in a row a server refuses a gateway that it does not list: who is told so
 * once may have met one that is just being reloaded. */
#define REFUSALS 3
/* Lines that are heard at once, and how long others then have their turn. */
#define TURN_LINES    500
#define TURN_PAUSE_MS 10

/** One address. */
struct stream {
	struct control *control;
	const char *text; /* borrowed */
	struct sockaddr_storage address;
	socklen_t size;
	struct link *link;         /* NULL: to be connected again */
	struct exchange *exchange; /* NULL: before and after */
	struct timer timer;        /* to the next attempt, or to silence */
	struct timer more;         /* to the next lines of those that are here */
	int64_t retry_ms;
	bool is_live;        /* a heartbeat came, and nothing was lost since */
	bool is_down;        /* so it was logged */
	unsigned status;     /* of an answer that is no stream; 0: none, or it is one */
	unsigned n_refusals; /* in a row, as a gateway that is not listed */
	int64_t open_ms;     /* of the first heartbeat */
	int64_t last_ms;     /* of the last */
};

struct control {
	struct loop *loop;
	const struct route *route;
	struct link_settings link;
	uint8_t gw[SHA256_BYTES];
	struct stream *streams;
	size_t n_streams;
	uint64_t watch;
	bool is_refused; /* as it was told last */
	control_fn *fn;
	control_refused_fn *refused_fn;
	void *arg;
};

/* ---- Ends ---- */

/* Half of the time at least, the other half by chance: workers of many gateways lose
 * their streams at the same moment. */
static int64_t stream_next_retry(struct stream *stream)
{
	const int64_t half_ms = stream->retry_ms / 2;
	uint32_t chance;

	random_bytes(&chance, sizeof(chance));
	stream->retry_ms = stream->retry_ms * 2 < RETRY_MAX_MS ? stream->retry_ms * 2
							       : RETRY_MAX_MS;
	return half_ms + (int64_t)(chance % (uint32_t)half_ms);
}

/* A person has to do something, at the server. */
static void stream_log_stranger(const struct stream *stream)
{
	char pin[BASE64URL_CHARS(SHA256_BYTES) + 1];

	base64url_encode(slice_make(stream->control->gw, SHA256_BYTES), pin);
	log_error("control_down", log_str("srv", stream->control->route->srv),
		  log_str("address", stream->text),
		  log_str("reason", control_loss_name(CONTROL_LOSS_REFUSED)),
		  log_str("detail", NOT_LISTED), log_str("pin", pin),
		  log_str("hint",
			  "the server does not list this gateway: add a gateway "
			  "section with this pin to its configuration, and "
			  "reload it"));
}

/* One line when it goes, and one when it comes back; one more when what is wrong turns
 * out to be us. */
static void stream_log_loss(struct stream *stream, enum control_loss loss,
			    const char *detail)
{
	const bool is_down = stream->is_down;

	metrics_add(GATEWAY_CONTROL_LOSSES + loss, 1);
	stream->is_down = true;
	if (loss == CONTROL_LOSS_REFUSED && stream->n_refusals == 1)
		stream_log_stranger(stream);
	else if (!is_down)
		log_warn("control_down", log_str("srv", stream->control->route->srv),
			 log_str("address", stream->text),
			 log_str("reason", control_loss_name(loss)),
			 log_str("detail", detail));
}

static void stream_stop(struct stream *stream)
{
	timer_cancel(&stream->timer);
	timer_cancel(&stream->more);
	if (stream->is_live)
		metrics_add(GATEWAY_CONTROL_STREAMS, -1);
	stream->is_live = false;
	stream->status = 0;
	stream->exchange = NULL;
	if (stream->link)
		link_hang_up(stream->link);
	stream->link = NULL;
}

static void stream_lose(struct stream *stream, enum control_loss loss,
			const char *detail)
{
	struct control *control = stream->control;
	const int64_t now_ms = loop_now_ms(control->loop);

	if (stream->is_live) {
		control->watch++;
		if (now_ms - stream->open_ms >= RETRY_MAX_MS)
			stream->retry_ms = RETRY_MIN_MS;
	}
	stream_log_loss(stream, loss, detail);
	stream_stop(stream);
	timer_start(&stream->timer, stream_next_retry(stream));
}

/* ---- Refusals ---- */

/* Whom a server does not list it serves nothing: so one refuses, and none is heard. */
static bool is_refused(const struct control *control)
{
	bool is_refused = false;

	for (size_t i = 0; i < control->n_streams; i++) {
		if (control->streams[i].is_live)
			return false;
		is_refused |= control->streams[i].n_refusals >= REFUSALS;
	}
	return is_refused;
}

static void control_tell_refused(struct control *control)
{
	const bool was_refused = control->is_refused;

	control->is_refused = is_refused(control);
	if (control->is_refused != was_refused)
		control->refused_fn(control->arg, control->is_refused);
}

/* The `reason` of a problem document, when it is a word as ours are.
 * @return false: it has none that could be shown */
static bool read_reason(struct evbuffer *body, char out[REASON_CHARS + 1])
{
	const size_t n = evbuffer_get_length(body);
	char why[128];
	json_t *problem =
		json_parse(slice_make(evbuffer_pullup(body, -1), n), why, sizeof(why));
	const char *said = json_string_value(json_object_get(problem, "reason"));
	const size_t length =
		said ? strspn(said, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
	const bool is_word = length > 0 && length <= REASON_CHARS && !said[length];

	snprintf(out, REASON_CHARS + 1, "%s", is_word ? said : "");
	json_decref(problem);
	return is_word;
}

static bool has_problem(const struct http_head *head)
{
	const struct http_field *type = http_field(head, "content-type");

	return type &&
	       slice_eq_nocase(type->value, SLICE("application/problem+json")) &&
	       head->framing == HTTP_LENGTH && head->content_length <= PROBLEM_BYTES;
}

/* As much of the answer as there is says why. */
static void stream_refuse(struct stream *stream)
{
	char said[REASON_CHARS + 1];
	bool is_stranger;

	if (!read_reason(exchange_body(stream->exchange), said))
		snprintf(said, sizeof(said), "%u", stream->status);
	is_stranger = stream->status == 403 && !strcmp(said, NOT_LISTED);
	stream->n_refusals = is_stranger ? stream->n_refusals + 1 : 0;
	stream_lose(stream, CONTROL_LOSS_REFUSED, said);
	control_tell_refused(stream->control);
}

/* ---- Lines ---- */

/* What was changed before its first heartbeat was not heard. */
static void stream_go_live(struct stream *stream, int64_t now_ms)
{
	struct control *control = stream->control;

	control->watch++;
	stream->is_live = true;
	stream->is_down = false;
	stream->n_refusals = 0;
	stream->open_ms = now_ms;
	metrics_add(GATEWAY_CONTROL_STREAMS, 1);
	log_info("control_up", log_str("srv", control->route->srv),
		 log_str("address", stream->text));
	control_tell_refused(control);
}

static bool stream_is_silent(const struct stream *stream, int64_t now_ms)
{
	return now_ms - stream->last_ms >= CONTROL_SILENCE_MS;
}

/* A loop that was held up may find the next heartbeat before its own timer. */
static bool stream_hear_heartbeat(struct stream *stream)
{
	const int64_t now_ms = loop_now_ms(stream->control->loop);

	if (stream->is_live && stream_is_silent(stream, now_ms)) {
		stream_lose(stream, CONTROL_LOSS_SILENT, NULL);
		return false;
	}
	if (!stream->is_live)
		stream_go_live(stream, now_ms);
	stream->last_ms = now_ms;
	timer_start(&stream->timer, CONTROL_SILENCE_MS);
	return true;
}

/* @return what it costs, in lines for one device; 0: the stream is lost */
static size_t stream_hear(struct stream *stream, struct slice text)
{
	struct control *control = stream->control;
	struct control_line line;
	char why[128];

	if (!control_line_decode(text, &line, why, sizeof(why))) {
		stream_lose(stream, CONTROL_LOSS_MALFORMED, why);
		return 0;
	}
	if (line.is_heartbeat)
		return stream_hear_heartbeat(stream) ? 1 : 0;
	metrics_add(GATEWAY_CONTROL_CHANGES, 1);
	control->fn(control->arg, control->route, &line);
	return line.dev[0] ? 1 : TURN_LINES; /* of all sessions */
}

static bool has_line(struct evbuffer *body, size_t *n)
{
	struct evbuffer_ptr end =
		evbuffer_search_eol(body, NULL, NULL, EVBUFFER_EOL_LF);

	*n = end.pos >= 0 ? (size_t)end.pos : evbuffer_get_length(body);
	return end.pos >= 0 && end.pos <= CONTROL_LINE_BYTES;
}

/* A server that has much to say, or says it for ever, holds up nobody else. */
static void stream_read(struct stream *stream)
{
	struct evbuffer *body = exchange_body(stream->exchange);
	char text[CONTROL_LINE_BYTES + 1];
	size_t n, cost;

	for (size_t heard = 0; has_line(body, &n); heard += cost) {
		if (heard >= TURN_LINES) {
			timer_start(&stream->more, TURN_PAUSE_MS);
			return;
		}
		evbuffer_remove(body, text, n + 1);
		cost = stream_hear(stream, slice_make(text, n));
		if (cost == 0)
			return;
	}
	if (n > CONTROL_LINE_BYTES)
		stream_lose(stream, CONTROL_LOSS_MALFORMED, "too long");
	else
		exchange_resume(stream->exchange);
}

static void on_more(void *arg)
{
	struct stream *stream = arg;

	if (stream->exchange)
		stream_read(stream);
}

/* ---- Exchange ---- */

static void on_refusal(struct stream *stream, const struct http_head *head)
{
	stream->status = head->status;
	if (!has_problem(head))
		stream_refuse(stream);
}

static void on_head(struct stream *stream)
{
	const struct http_head *head = exchange_head(stream->exchange);
	const struct http_field *type = http_field(head, "content-type");

	if (!landnet_check_exchange(stream->exchange))
		stream_lose(stream, CONTROL_LOSS_REFUSED,
			    auth_reason_name(REASON_LANDNET_DESYNC));
	else if (head->status != 200)
		on_refusal(stream, head);
	else if (!type || !slice_eq(type->value, SLICE("application/x-ndjson")))
		stream_lose(stream, CONTROL_LOSS_REFUSED, "media_type");
}

static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	struct stream *stream = arg;

	switch (event) {
	case EXCHANGE_HEAD: on_head(stream); break;
	case EXCHANGE_BODY:
		if (stream->status)
			exchange_resume(exchange);
		else if (!timer_is_pending(&stream->more))
			stream_read(stream);
		break;
	case EXCHANGE_END:
		if (stream->status)
			stream_refuse(stream);
		else
			stream_lose(stream, CONTROL_LOSS_ENDED, NULL);
		break;
	case EXCHANGE_FAILED: stream->exchange = NULL; break;
	case EXCHANGE_WRITABLE:
	case EXCHANGE_DONE: break;
	}
}

static void stream_ask(struct stream *stream)
{
	char number[LANDNET_NUMBER_CHARS];
	struct http_field field = { SLICE("Provbox-Exchange"), { NULL, 0 } };

	stream->exchange = link_request(stream->link, on_exchange, stream);
	landnet_exchange_number(stream->exchange, number);
	field.value = slice_of(number);
	exchange_send_head(stream->exchange,
			   &(struct http_head){
				   .method = HTTP_GET,
				   .target = SLICE("/v1/control"),
				   .host = slice_of(stream->control->route->srv),
				   .fields = &field,
				   .n_fields = 1,
				   .framing = HTTP_NO_BODY,
				   .keep_alive = true,
			   });
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	struct stream *stream = arg;

	(void)exchange;
	if (event == LINK_OPEN)
		stream_ask(stream);
	else if (event == LINK_CLOSED)
		stream_lose(stream, CONTROL_LOSS_UNREACHABLE, link_reason(link));
}

static void on_timer(void *arg)
{
	struct stream *stream = arg;
	struct control *control = stream->control;

	if (stream->link) {
		stream_lose(stream, CONTROL_LOSS_SILENT, NULL);
		return;
	}
	stream->link = link_connect(control->loop, (struct sockaddr *)&stream->address,
				    stream->size, &control->link, on_link, stream);
	/* Handshake and head have the link's own deadlines; this is for the heartbeat.
	 */
	timer_start(&stream->timer, RETRY_MAX_MS);
}

/* ---- Control ---- */

uint64_t control_watch(const struct control *control)
{
	const int64_t now_ms = loop_now_ms(control->loop);

	for (size_t i = 0; i < control->n_streams; i++) {
		const struct stream *stream = &control->streams[i];

		if (stream->is_live && !stream_is_silent(stream, now_ms))
			return control->watch;
	}
	return 0;
}

bool control_is_refused(const struct control *control)
{
	return control->is_refused;
}

struct control *control_new(struct loop *loop, const struct control_settings *settings)
{
	const struct config_list *addresses = &settings->route->config->addresses;
	struct control *control = calloc(1, sizeof(*control));

	BUG_ON(!control);
	*control = (struct control){ .loop = loop,
				     .route = settings->route,
				     .link = settings->link,
				     .n_streams = addresses->n,
				     .fn = settings->fn,
				     .refused_fn = settings->refused_fn,
				     .arg = settings->arg };
	memcpy(control->gw, settings->gw, SHA256_BYTES);
	control->streams = calloc(addresses->n, sizeof(*control->streams));
	BUG_ON(!control->streams);
	for (size_t i = 0; i < addresses->n; i++) {
		struct stream *stream = &control->streams[i];

		stream->control = control;
		stream->text = addresses->items[i];
		stream->retry_ms = RETRY_MIN_MS;
		BUG_ON(!address_parse(stream->text, &stream->address, &stream->size));
		timer_init(&stream->timer, loop, on_timer, stream);
		timer_init(&stream->more, loop, on_more, stream);
		timer_start(&stream->timer, 0);
	}
	return control;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < control->n_streams; i++)
		stream_stop(&control->streams[i]);
	free(control->streams);
	free(control);
}
