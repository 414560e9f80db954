#include "contrib/handset/radio.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/address.h"
#include "base/codec.h"
#include "base/conn.h"
#include "base/json.h"
#include "base/log.h"
#include "contrib/handset/gsm7.h"

#define LINE_BYTES         4096
#define CONNECT_TIMEOUT_MS 5000
#define PART_BYTES         160
#define PART_SEPTETS_LIMIT 160
#define PART_UCS2_BYTES    140

struct radio {
	struct loop *loop;
	struct radio_settings settings;
	struct conn *conn; /* NULL: no coverage */
	bool is_attached;
	char *waiting;    /* line that is to be sent, or was and has no answer */
	bool is_underway; /* the line went out on this connection */
	struct timer again;
};

static void send_line(struct radio *radio, const char *line)
{
	evbuffer_add_printf(conn_tx(radio->conn), "%s\n", line);
	conn_flush(radio->conn);
}

static void send_waiting(struct radio *radio)
{
	if (!radio->waiting || radio->is_underway || !radio->is_attached)
		return;
	send_line(radio, radio->waiting);
	radio->is_underway = true;
}

/* What an answer was lost of may have been sent; then it is not sent twice. */
static void finish_sending(struct radio *radio, const char *error)
{
	if (!radio->is_underway)
		return;
	free(radio->waiting);
	radio->waiting = NULL;
	radio->is_underway = false;
	radio->settings.on_sent(radio->settings.arg, error);
}

static void lose_coverage(struct radio *radio, const char *reason)
{
	log_warn("coverage_lost", log_str("reason", reason));
	conn_free(radio->conn);
	radio->conn = NULL;
	radio->is_attached = false;
	timer_start(&radio->again, radio->settings.retry_delay_ms);
	finish_sending(radio, "no_coverage");
}

/* Hex of at most PART_BYTES into @p out. */
static bool read_hex(struct slice text, uint8_t out[PART_BYTES], struct slice *bytes)
{
	*bytes = slice_make(out, text.n / 2);
	return text.n % 2 == 0 && bytes->n <= PART_BYTES &&
	       hex_decode(text, out, bytes->n);
}

struct part_line {
	struct slice from;
	int64_t dcs;
	struct slice udh, data; /* hex */
};
static const struct json_member part_members[] = {
	{ "from", JSON_TEXT, offsetof(struct part_line, from), 1, SMS_SENDER_CHARS },
	{ "dcs", JSON_INT, offsetof(struct part_line, dcs), 0, 255 },
	{ "udh", JSON_TEXT, offsetof(struct part_line, udh), 0, 2 * PART_BYTES },
	{ "data", JSON_TEXT, offsetof(struct part_line, data), 0, 2 * PART_BYTES },
};
#define PART_MEMBERS_N (sizeof(part_members) / sizeof(part_members[0]))

static void on_part(struct radio *radio, const json_t *json)
{
	uint8_t udh[PART_BYTES], data[PART_BYTES];
	struct part_line line;
	struct sms_part part;
	char why[128] = "bad hex";

	if (!json_read(json, part_members, PART_MEMBERS_N, &line, why, sizeof(why)) ||
	    !read_hex(line.udh, udh, &part.udh) ||
	    !read_hex(line.data, data, &part.data)) {
		log_warn("part_malformed", log_str("why", why));
		return;
	}
	part.sender = line.from;
	part.dcs = (unsigned)line.dcs;
	radio->settings.on_part(radio->settings.arg, &part);
}

static void on_attached(struct radio *radio)
{
	radio->is_attached = true;
	log_info("attached", log_masked("number", slice_of(radio->settings.number)));
	send_waiting(radio);
}

static void on_line(struct radio *radio, struct slice line)
{
	char why[128];
	json_t *json = json_parse(line, why, sizeof(why));
	const json_t *part = json_object_get(json, "part");
	const char *error = json_string_value(json_object_get(json, "error"));

	if (part)
		on_part(radio, part);
	else if (json_object_get(json, "attached"))
		on_attached(radio);
	else if (json_object_get(json, "sent"))
		finish_sending(radio, NULL);
	else if (error && radio->is_underway)
		finish_sending(radio, error);
	else
		log_warn("radio_line", log_str("error", error ? error : "malformed"));
	json_decref(json);
}

static void read_lines(struct radio *radio)
{
	struct evbuffer *rx = conn_rx(radio->conn);
	size_t n;
	char *line;

	while ((line = evbuffer_readln(rx, &n, EVBUFFER_EOL_LF))) {
		on_line(radio, slice_make(line, n));
		free(line);
	}
	if (evbuffer_get_length(rx) > LINE_BYTES)
		lose_coverage(radio, "line_too_long");
	else
		conn_resume(radio->conn);
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct radio *radio = arg;
	char line[128];

	switch (event) {
	case CONN_OPEN:
		snprintf(line, sizeof(line), "{\"attach\":\"%s\"}",
			 radio->settings.number);
		send_line(radio, line);
		break;
	case CONN_READABLE: read_lines(radio); break;
	case CONN_WRITABLE: break;
	case CONN_EOF: lose_coverage(radio, "eof"); break;
	case CONN_FAILED: lose_coverage(radio, conn_failure_name(conn)); break;
	}
}

static void attach(void *arg)
{
	struct radio *radio = arg;
	struct conn_settings settings = { .handshake_timeout_ms = CONNECT_TIMEOUT_MS,
					  .write_timeout_ms = CONNECT_TIMEOUT_MS };
	char text[128];
	struct sockaddr_storage address;
	socklen_t size;

	snprintf(text, sizeof(text), "unix:%s", radio->settings.path);
	if (address_parse(text, &address, &size))
		radio->conn =
			conn_connect(radio->loop, (const struct sockaddr *)&address,
				     size, &settings, on_conn, radio);
	if (!radio->conn)
		timer_start(&radio->again, radio->settings.retry_delay_ms);
}

struct radio *radio_new(struct loop *loop, const struct radio_settings *settings)
{
	struct radio *radio = calloc(1, sizeof(*radio));

	BUG_ON(!radio);
	radio->loop = loop;
	radio->settings = *settings;
	timer_init(&radio->again, loop, attach, radio);
	timer_start(&radio->again, 0);
	return radio;
}

void radio_free(struct radio *radio)
{
	if (!radio)
		return;
	timer_cancel(&radio->again);
	if (radio->conn)
		conn_free(radio->conn);
	free(radio->waiting);
	free(radio);
}

bool radio_is_attached(const struct radio *radio)
{
	return radio->is_attached;
}

static char *describe(struct slice to, unsigned dcs, struct evbuffer *data)
{
	size_t n = evbuffer_get_length(data);
	char hex[2 * PART_BYTES + 1];
	json_t *json;
	char *line;

	hex_encode(slice_make(evbuffer_pullup(data, -1), n), hex);
	json = json_pack("{s:{s:s%, s:i, s:s, s:s}}", "send", "to", to.p, to.n, "dcs",
			 (int)dcs, "udh", "", "data", hex);
	line = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return line;
}

/* One part as a line: GSM 7-bit where it can, UCS-2 otherwise; NULL if too long. */
static char *encode(struct slice to, struct slice text)
{
	struct evbuffer *data = evbuffer_new();
	bool is_gsm7 = gsm7_encode(text, data);
	size_t limit = is_gsm7 ? PART_SEPTETS_LIMIT : PART_UCS2_BYTES;
	char *line = NULL;

	if ((is_gsm7 || ucs2_encode(text, data)) && evbuffer_get_length(data) <= limit)
		line = describe(to, is_gsm7 ? SMS_DCS_GSM7 : SMS_DCS_UCS2, data);
	evbuffer_free(data);
	return line;
}

bool radio_send(struct radio *radio, struct slice to, struct slice text)
{
	if (radio->waiting)
		return false;
	radio->waiting = encode(to, text);
	if (radio->waiting)
		send_waiting(radio);
	return radio->waiting != NULL;
}
