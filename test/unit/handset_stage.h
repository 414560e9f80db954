/*
 * A whole handset in a storage of its own, whose session with the server and whose
 * radio are played here: each call is kept, and the test answers it as the server
 * would. Time goes by in stage_turn() and stage_until() alone.
 */
#ifndef TEST_UNIT_HANDSET_STAGE_H
#define TEST_UNIT_HANDSET_STAGE_H

#include <ftw.h>
#include <string.h>

#include "base/loop.h"
#include "contrib/handset/handset.h"
#include "contrib/handset/install.h"
#include "contrib/handset/session.h"
#include "contrib/handset/storage.h"
#include "test/unit/test.h"

#define STAGE_CALLS_MAX 8
#define STAGE_WAIT_MS   10000
#define STAGE_SRV       "prov.example.com:443"
#define STAGE_SENDER    "+447700900123"

/** A call that the server has not answered yet. */
struct stage_call {
	bool is_opening; /* session_open() */
	enum http_method method;
	char target[192], body[2048];
	char range[64], prefer[64], etag[64]; /* fields; empty: not sent */
	session_body_fn *on_body;
	session_answer_fn *on_answer;
	void *arg;
};

static struct {
	char directory[64];
	struct loop *loop;
	struct handset_config config;
	struct handset *handset;
	struct stage_call calls[STAGE_CALLS_MAX];
	size_t n_calls;
	session_progress_fn *on_progress;
	void *progress_arg;
	bool is_closed; /* the session: the handset was switched off */
	struct radio_settings radio;
	bool has_radio, is_radio_busy;
	int n_sent; /* messages by radio */
	char sent_to[64], sent[161];
} stage;

/* ---- The session, as the handset sees it ---- */

struct session *session_new(struct loop *loop, const struct handset_config *config,
			    session_progress_fn *on_progress, void *arg, char *why,
			    size_t why_size)
{
	(void)loop;
	(void)config;
	(void)why;
	(void)why_size;
	stage.on_progress = on_progress;
	stage.progress_arg = arg;
	return (struct session *)&stage;
}

void session_free(struct session *session)
{
	(void)session;
	stage.n_calls = 0;
}

void session_close(struct session *session, loop_fn *fn, void *arg)
{
	(void)session;
	(void)fn;
	(void)arg;
	stage.is_closed = true;
}

const char *session_srv(const struct session *session)
{
	(void)session;
	return STAGE_SRV;
}

static void stage_copy(char *out, size_t size, struct slice from)
{
	CU_ASSERT_FATAL(from.n < size);
	snprintf(out, size, "%.*s", (int)from.n, from.n > 0 ? from.p : "");
}

static void stage_keep_field(struct stage_call *call, const struct http_field *field)
{
	if (slice_eq(field->name, SLICE("Range")))
		stage_copy(call->range, sizeof(call->range), field->value);
	if (slice_eq(field->name, SLICE("Prefer")))
		stage_copy(call->prefer, sizeof(call->prefer), field->value);
	if (slice_eq(field->name, SLICE("If-None-Match")))
		stage_copy(call->etag, sizeof(call->etag), field->value);
}

void session_call(struct session *session, const struct session_call *from)
{
	struct stage_call *call = &stage.calls[stage.n_calls];

	(void)session;
	CU_ASSERT_FATAL(stage.n_calls < STAGE_CALLS_MAX);
	stage.n_calls++;
	*call = (struct stage_call){ .is_opening = !from->target,
				     .method = from->method,
				     .on_body = from->on_body,
				     .on_answer = from->on_answer,
				     .arg = from->arg };
	stage_copy(call->target, sizeof(call->target), slice_of(from->target));
	stage_copy(call->body, sizeof(call->body), from->body);
	for (size_t i = 0; i < from->n_fields; i++)
		stage_keep_field(call, &from->fields[i]);
}

void session_open(struct session *session, session_answer_fn *on_answer, void *arg)
{
	struct session_call call = { .on_answer = on_answer, .arg = arg };

	session_call(session, &call);
}

/* ---- The radio ---- */

struct radio *radio_new(struct loop *loop, const struct radio_settings *settings)
{
	(void)loop;
	stage.radio = *settings;
	return (struct radio *)&stage;
}

void radio_free(struct radio *radio)
{
	(void)radio;
}

bool radio_is_attached(const struct radio *radio)
{
	return radio != NULL;
}

bool radio_send(struct radio *radio, struct slice to, struct slice text)
{
	(void)radio;
	if (stage.is_radio_busy)
		return false;
	stage.n_sent++;
	stage_copy(stage.sent_to, sizeof(stage.sent_to), to);
	stage_copy(stage.sent, sizeof(stage.sent), text);
	return true;
}

/** A short message of one part arrives. */
static inline void stage_receive(const char *text)
{
	struct sms_part part = { .sender = SLICE(STAGE_SENDER),
				 .dcs = SMS_DCS_GSM7,
				 .data = slice_of(text) };

	stage.radio.on_part(stage.radio.arg, &part);
}

/* ---- Time ---- */

/** Let everything happen that is due now. */
static inline void stage_turn(void)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(loop_base(stage.loop), EVLOOP_NONBLOCK);
}

/** Let time go by until the handset is in that state. */
static inline void stage_until(enum state state)
{
	int64_t end_ms = loop_now_ms(stage.loop) + STAGE_WAIT_MS;

	while (stage.handset->state != state && loop_now_ms(stage.loop) < end_ms) {
		event_base_loop(loop_base(stage.loop), EVLOOP_NONBLOCK);
		usleep(1000);
	}
	CU_ASSERT_STRING_EQUAL_FATAL(state_name(stage.handset->state),
				     state_name(state));
}

/* ---- Answers ---- */

/** The call that was made first and has no answer. */
static inline const struct stage_call *stage_call(void)
{
	CU_ASSERT_FATAL(stage.n_calls > 0);
	return &stage.calls[0];
}

static inline void stage_reply(const struct session_answer *answer)
{
	struct stage_call call = *stage_call();

	memmove(stage.calls, stage.calls + 1, --stage.n_calls * sizeof(stage.calls[0]));
	call.on_answer(call.arg, answer);
}

/** Answer the first call; all borrowed. @param field with its value, or NULL */
static inline void stage_answer_with(unsigned status, const char *body,
				     const char *field, const char *value)
{
	struct http_field fields[1] = { { slice_of(field), slice_of(value) } };
	struct http_head head = { .status = status,
				  .fields = fields,
				  .n_fields = field != NULL };
	char reason[REQUEST_WORD_CHARS + 1];
	struct session_answer answer = { .status = status,
					 .head = &head,
					 .body = slice_of(body) };

	if (status >= 400 && problem_parse(answer.body, reason))
		answer.reason = reason;
	stage_reply(&answer);
}

static inline void stage_answer(unsigned status, const char *body)
{
	stage_answer_with(status, body, NULL, NULL);
}

/** The first call gets no answer. */
static inline void stage_fail(const char *reason)
{
	struct session_answer answer = { .failure = reason };

	stage_reply(&answer);
}

/* ---- A handset ---- */

/* Fatal: after another call, or in another state, nothing makes sense. */
#define STAGE_EXPECT(wanted_method, wanted_target)                                 \
	do {                                                                       \
		CU_ASSERT_EQUAL_FATAL(stage_call()->method, wanted_method);        \
		CU_ASSERT_STRING_EQUAL_FATAL(stage_call()->target, wanted_target); \
	} while (0)
#define STAGE_STATE(wanted)                                            \
	CU_ASSERT_STRING_EQUAL_FATAL(state_name(stage.handset->state), \
				     state_name(wanted))

static inline struct handset_config stage_config(void)
{
	return (struct handset_config){
		.device = "urn:gsma:imei:35209900-176148-0",
		.number = "+447700900001",
		.model = "Model",
		.firmware = "1.0",
		.language = "en",
		.radio = stage.has_radio ? "radio" : "",
		.care_number = "+447700900999",
		.care_uri = "https://care.example.com/",
		.wait_s = 5,
		.poll_delay_ms = 20,
		.retries = 2,
		.retry_delay_ms = 10,
		.part_timeout_ms = 60000,
		.answer_repeat_ms = 20,
		.connect_limit_ms = 60000,
		.server_limit_ms = 60000,
		.terms_limit_ms = 60000,
		.transfer_limit_ms = 60000,
		.test_limit_ms = 10000,
		.again_limit_ms = 1,
	};
}

/** The handset gets lost with all that was in its memory; its storage stays. */
static inline void stage_power_cut(void)
{
	handset_free(stage.handset);
	loop_free(stage.loop);
	stage.handset = NULL;
	stage.loop = NULL;
}

/** A handset of this storage that is off. */
static inline void stage_power(void)
{
	char why[256] = "";

	stage.n_calls = 0;
	stage.is_closed = stage.is_radio_busy = false;
	stage.n_sent = 0;
	stage.config = stage_config();
	stage.loop = loop_new();
	stage.handset = handset_new(stage.loop, &stage.config, why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(stage.handset);
}

static inline int stage_remove(const char *path, const struct stat *status, int kind,
			       struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	return remove(path);
}

/** A handset that is off, with an empty storage. */
static inline void stage_begin(bool has_radio)
{
	char why[256] = "";

	stage.has_radio = has_radio;
	snprintf(stage.directory, sizeof(stage.directory), "/tmp/provbox-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(stage.directory));
	CU_ASSERT_FATAL(storage_open(stage.directory, why, sizeof(why)));
	stage_power();
}

static inline void stage_end(void)
{
	stage_power_cut();
	CU_ASSERT(chdir("/") == 0);
	CU_ASSERT(nftw(stage.directory, stage_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- The usual way ---- */

#define STAGE_CATALOGUE                                                          \
	"{\"version\":7,\"packages\":[{}],\"features\":[{\"id\":\"callscreen\"," \
	"\"name\":\"Call screen\",\"description\":\"Shows who calls.\","         \
	"\"kind\":\"module\",\"version\":\"1.0\",\"uri\":\"/"                    \
	"v1\"},{\"id\":\"elsewhere\","                                           \
	"\"name\":\"Elsewhere\",\"kind\":\"module\",\"version\":\"2.0\","        \
	"\"uri\":\"https://other.example.com/\"}]}"

/** Power on, up to the menu. */
static inline void stage_choose(void)
{
	handset_power_on(stage.handset);
	stage.on_progress(stage.progress_arg, SESSION_CONNECTED);
	CU_ASSERT_FATAL(stage_call()->is_opening);
	stage_answer(0, NULL);
	STAGE_EXPECT(HTTP_GET, "/v1/device");
	stage_answer(200, "{\"standing\":\"unprovisioned\"}");
	STAGE_EXPECT(HTTP_GET, "/v1/catalogue");
	stage_answer(200, STAGE_CATALOGUE);
	STAGE_STATE(STATE_CHOOSING);
}

static inline void stage_type(enum form_field field, const char *value)
{
	CU_ASSERT(handset_type(stage.handset, field, slice_of(value)));
}

/** And order the first feature. */
static inline void stage_order(void)
{
	stage_choose();
	handset_press(stage.handset, KEY_2);
	handset_press(stage.handset, KEY_1);
	handset_press(stage.handset, KEY_OK);
	stage_type(FORM_GIVEN_NAME, "Ada");
	stage_type(FORM_FAMILY_NAME, "Lovelace");
	stage_type(FORM_POSTCODE, "N1 9GU");
	stage_type(FORM_REFERENCE, "acct-4711");
	handset_press(stage.handset, KEY_OK);
	STAGE_STATE(STATE_REQUESTING);
}

/** JSON of the request in that state; @p rest begins with a comma or is empty. */
static inline const char *stage_request(const char *state, const char *rest)
{
	static char json[2048];

	snprintf(json, sizeof(json), "{\"id\":\"%s\",\"state\":\"%s\"%s%s}",
		 stage.handset->journal.id, state,
		 strstr(rest, "\"items\"") ? "" : ",\"items\":[]", rest);
	return json;
}

/** JSON of an item that is @p state, with @p content. */
static inline const char *stage_item(const char *state, const char *kind,
				     const char *content)
{
	static char json[512];
	char digest[2 * SHA256_BYTES + 1];
	uint8_t sum[SHA256_BYTES];

	sha256(slice_of(content), sum);
	hex_encode(slice_make(sum, SHA256_BYTES), digest);
	snprintf(json, sizeof(json),
		 ",\"items\":[{\"id\":\"callscreen\",\"state\":\"%s\",\"kind\":\"%s\","
		 "\"version\":\"1.0\",\"content\":{\"sha256\":\"%s\",\"size\":%zu}}]",
		 state, kind, digest, strlen(content));
	return json;
}

/** JSON of an offer of these terms. */
static inline const char *stage_offer(const char *terms)
{
	static char json[512];
	char digest[2 * SHA256_BYTES + 1];
	uint8_t sum[SHA256_BYTES];

	sha256(slice_of(terms), sum);
	hex_encode(slice_make(sum, SHA256_BYTES), digest);
	snprintf(json, sizeof(json),
		 ",\"offer\":{\"terms\":{\"sha256\":\"%s\",\"version\":\"2026-1\","
		 "\"language\":\"en\"},\"code_hint\":\"11\"}",
		 digest);
	return json;
}

/** The server sends a whole body to a call for content that has the digest of
 * @p promised. */
static inline void stage_send_content(const char *promised, const char *sent)
{
	char digest[64], value[80];
	uint8_t sum[SHA256_BYTES];
	struct evbuffer *body = evbuffer_new();
	struct http_field field = { SLICE("Repr-Digest"), { NULL, 0 } };
	struct http_head head = { .status = 200, .fields = &field, .n_fields = 1 };

	sha256(slice_of(promised), sum);
	base64_encode(slice_make(sum, SHA256_BYTES), digest);
	snprintf(value, sizeof(value), "sha-256=:%s:", digest);
	field.value = slice_of(value);
	evbuffer_add(body, sent, strlen(sent));
	if (stage_call()->on_body(stage_call()->arg, &head, body))
		stage_answer(200, "");
	else
		stage_fail("cancelled");
	evbuffer_free(body);
}

/** Does the display say this, anywhere? */
static inline bool stage_shows(const char *text)
{
	return view_contains(&stage.handset->view, slice_of(text));
}

#endif
