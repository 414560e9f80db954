/* Control streams, and a server that says on them what the test says. */
#ifndef TEST_UNIT_CONTROL_PLAY_H
#define TEST_UNIT_CONTROL_PLAY_H

#include "gateway/control.h"
#include "test/unit/caught.h"
#include "test/unit/gateway_stage.h"

#define DEV       "urn:gsma:imei:35209900-176148-0"
#define HEARTBEAT "{\"hb\":1}\n"
#define BLOCKED   "{\"end\":\"" DEV "\",\"epoch\":3,\"reason\":\"device_blocked\"}\n"
#define STREAMS   8

/* Streams, and a server that says on them what the test says. */
struct play {
	struct stage stage; /* first */
	char *addresses[2];
	struct route_config config;
	struct route route;
	struct control *control;
	struct exchange *streams[STREAMS]; /* of the server, in the order they came */
	size_t n_streams;
	/* How it answers. */
	unsigned status; /* 0: 200 */
	const char *media_type;
	const char *number;  /* NULL: the right one */
	const char *problem; /* the whole body of an answer; NULL: a stream */
	/* What was heard. */
	size_t n_changes;
	struct control_line last;
	size_t n_verdicts;                /* of refused_fn */
	int64_t losses[CONTROL_N_LOSSES]; /* metrics at the beginning */
	struct caught caught;
};

static inline void on_stream(struct exchange *exchange, enum exchange_event event,
			     void *arg)
{
	struct play *play = arg;

	if (event != EXCHANGE_FAILED && event != EXCHANGE_DONE)
		return;
	for (size_t i = 0; i < play->n_streams; i++) {
		if (play->streams[i] == exchange)
			play->streams[i] = NULL;
	}
}

static inline void say(struct play *play, size_t stream, const char *text, size_t n)
{
	struct evbuffer *data = evbuffer_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(play->streams[stream]);
	evbuffer_add(data, text, n);
	exchange_send_body(play->streams[stream], data);
	evbuffer_free(data);
}

static inline void answer(struct stage *stage, struct exchange *exchange)
{
	struct play *play = (struct play *)stage;
	char number[24];
	struct http_field fields[] = {
		{ SLICE("Provbox-Exchange"), { NULL, 0 } },
		{ SLICE("Content-Type"), slice_of(play->media_type) },
	};

	CU_ASSERT_PTR_NOT_NULL(strstr(stage->last_head, "GET /v1/control\n"));
	snprintf(number, sizeof(number), "%" PRIu64,
		 link_count(exchange_link(exchange)));
	fields[0].value = slice_of(play->number ? play->number : number);
	CU_ASSERT_FATAL(play->n_streams < STREAMS);
	play->streams[play->n_streams++] = exchange;
	exchange_on(exchange, on_stream, play);
	if (play->problem) {
		exchange_send_head(
			exchange,
			&(struct http_head){ .status = play->status,
					     .fields = fields,
					     .n_fields = 2,
					     .framing = HTTP_LENGTH,
					     .content_length =
						     (int64_t)strlen(play->problem),
					     .keep_alive = true });
		say(play, play->n_streams - 1, play->problem, strlen(play->problem));
		exchange_send_end(exchange);
		return;
	}
	exchange_send_head(
		exchange,
		&(struct http_head){ .status = play->status ? play->status : 200,
				     .fields = fields,
				     .n_fields = 2,
				     .framing = HTTP_CHUNKED,
				     .keep_alive = true });
}

static inline void on_change(void *arg, const struct route *route,
			     const struct control_line *line)
{
	struct play *play = arg;

	CU_ASSERT_PTR_EQUAL(route, &play->route);
	CU_ASSERT_FALSE(line->is_heartbeat);
	play->n_changes++;
	play->last = *line;
}

static inline void on_refused(void *arg, bool is_refused)
{
	struct play *play = arg;

	CU_ASSERT_EQUAL(control_is_refused(play->control), is_refused);
	play->n_verdicts++;
}

static inline void play_begin(struct play *play, size_t n_addresses)
{
	static const uint8_t gw[SHA256_BYTES] = { 0xff, 0xff, 0xff };
	const struct control_settings settings = {
		.route = &play->route,
		.link = stage_link_settings(),
		.gw = gw,
		.fn = on_change,
		.refused_fn = on_refused,
		.arg = play,
	};

	play->config.addresses =
		(struct config_list){ .items = play->addresses, .n = n_addresses };
	play->control = control_new(play->stage.loop, &settings);
}

static inline void play_prepare(struct play *play)
{
	memset(play, 0, sizeof(*play));
	stage_metrics_open();
	stage_open(&play->stage);
	play->stage.answer = answer;
	play->media_type = "application/x-ndjson";
	play->addresses[0] = play->addresses[1] = play->stage.address;
	play->route = (struct route){ .srv = "prov.example.com:8443",
				      .host = "prov.example.com",
				      .config = &play->config };
	for (size_t i = 0; i < CONTROL_N_LOSSES; i++)
		play->losses[i] = metrics_sum(GATEWAY_CONTROL_LOSSES + i);
}

static inline void play_close(struct play *play)
{
	control_free(play->control);
	CU_ASSERT_EQUAL(metrics_sum(GATEWAY_CONTROL_STREAMS), 0);
	stage_close(&play->stage);
}

static inline int64_t losses(const struct play *play, enum control_loss loss)
{
	return metrics_sum(GATEWAY_CONTROL_LOSSES + loss) - play->losses[loss];
}

static inline uint64_t watch(const struct play *play)
{
	return control_watch(play->control);
}

/* One stream, of which a heartbeat was heard. */
static inline void play_open(struct play *play)
{
	play_prepare(play);
	play_begin(play, 1);
	STAGE_RUN_UNTIL(&play->stage, play->n_streams == 1);
	say(play, 0, HEARTBEAT, strlen(HEARTBEAT));
	STAGE_RUN_UNTIL(&play->stage, watch(play));
}

#endif
