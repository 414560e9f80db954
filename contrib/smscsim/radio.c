#include "contrib/smscsim/radio.h"

#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/conn.h"
#include "base/json.h"
#include "base/listener.h"
#include "base/log.h"
#include "contrib/smscsim/centre.h"

#define LINE_LIMIT       4096
#define WRITE_TIMEOUT_MS 10000
#define WHY_SIZE         128

/* One connection. Attached when its number is set. */
struct handset {
	const char *number; /* first: the key of the tree of attached handsets */
	char number_text[SMS_ADDRESS_MAX];
	TAILQ_ENTRY(handset) link;
	struct radio *radio;
	struct conn *conn;
	uint64_t serial;
	bool is_sending;    /* a message waits for the centre's answer */
	struct timer go_on; /* the answer came: handle the lines that waited for it */
};

struct radio {
	struct loop *loop;
	struct centre *centre;
	char *path;
	int fd;
	struct listener *listener;
	TAILQ_HEAD(, handset) handsets;
	void *by_number; /* tsearch(3) tree of attached handsets */
	uint64_t last_serial;
};

static int compare(const void *a, const void *b)
{
	const struct handset *one = a, *other = b;
	return strcmp(one->number, other->number);
}

static struct handset *find_number(struct radio *radio, const char *number)
{
	struct handset key = { .number = number };
	struct handset *const *found = tfind(&key, &radio->by_number, compare);
	return found ? *found : NULL;
}

static struct handset *find_serial(struct radio *radio, uint64_t serial)
{
	struct handset *handset;
	TAILQ_FOREACH (handset, &radio->handsets, link)
		if (handset->serial == serial)
			return handset;
	return NULL;
}

/* Write one line; @p object is taken. */
static void write_line(struct handset *handset, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	BUG_ON(!text);
	evbuffer_add(conn_tx(handset->conn), text, strlen(text));
	evbuffer_add(conn_tx(handset->conn), "\n", 1);
	conn_flush(handset->conn);
	free(text);
	json_decref(object);
}

static void send_error(struct handset *handset, const char *error)
{
	write_line(handset, json_pack("{s:s}", "error", error));
}

static void detach(struct handset *handset)
{
	if (!handset->number)
		return;
	log_info("detached", log_masked("number", slice_of(handset->number)));
	tdelete(handset, &handset->radio->by_number, compare);
	handset->number = NULL;
}

/* Out of coverage: what was written still goes out. */
static void drop(struct handset *handset)
{
	detach(handset);
	TAILQ_REMOVE(&handset->radio->handsets, handset, link);
	timer_cancel(&handset->go_on);
	conn_close(handset->conn);
	free(handset);
}

static void drop_with_error(struct handset *handset, const char *error)
{
	log_warn("handset_dropped", log_str("error", error));
	send_error(handset, error);
	drop(handset);
}

/* ---- lines of a handset ---- */

/* Each returns NULL, or the error; those of `attach` end the connection. */

static const char *attach(struct handset *handset, struct slice number)
{
	struct radio *radio = handset->radio;
	if (handset->number)
		return "already_attached";
	if (!sms_is_number(number))
		return "bad_number";
	memcpy(handset->number_text, number.p, number.n);
	handset->number_text[number.n] = 0;
	struct handset *older = find_number(radio, handset->number_text);
	if (older)
		drop_with_error(older, "number_replaced");
	handset->number = handset->number_text;
	void *added = tsearch(handset, &radio->by_number, compare);
	BUG_ON(!added);
	log_info("attached", log_masked("number", number));
	write_line(handset, json_pack("{s:s}", "attached", handset->number));
	centre_reachable(radio->centre, handset->number);
	return NULL;
}

struct outgoing {
	struct slice to, udh, data;
	int64_t dcs;
};

static const struct json_member send_members[] = {
	{ "to", JSON_TEXT, offsetof(struct outgoing, to), 1, 16 },
	{ "dcs", JSON_INT, offsetof(struct outgoing, dcs), 0, SMS_UCS2 },
	{ "udh", JSON_TEXT, offsetof(struct outgoing, udh), 0, 2 * SMS_DATA_MAX },
	{ "data", JSON_TEXT, offsetof(struct outgoing, data), 0, 2 * SMS_DATA_MAX },
};

static bool read_sms(const struct outgoing *line, const char *from, struct sms *out)
{
	size_t udh_n = line->udh.n / 2, data_n = line->data.n / 2;
	memset(out, 0, sizeof(*out));
	if (udh_n + data_n > SMS_DATA_MAX ||
	    !hex_decode(line->udh, out->bytes, udh_n) ||
	    !hex_decode(line->data, out->bytes + udh_n, data_n))
		return false;
	bool is_international = line->to.p[0] == '+';
	char to[SMS_ADDRESS_MAX] = "";
	memcpy(to, line->to.p + is_international, line->to.n - is_international);
	if (!sms_address(is_international ? TON_International : TON_Unknown, to,
			 out->to))
		return false;
	memcpy(out->from, from, strlen(from) + 1);
	out->dcs = (uint8_t)line->dcs;
	out->udh_n = (uint8_t)udh_n;
	out->n = (uint8_t)(udh_n + data_n);
	return out->n > 0 && sms_problem(out) == NULL;
}

static const char *send_sms(struct handset *handset, const json_t *object)
{
	struct outgoing line;
	struct sms sms;
	char why[WHY_SIZE];
	if (!json_read(object, send_members,
		       sizeof(send_members) / sizeof(send_members[0]), &line, why,
		       sizeof(why)))
		return "bad_line";
	if (!handset->number)
		return "not_attached";
	if (!read_sms(&line, handset->number, &sms))
		return "bad_data";
	handset->is_sending = true;
	centre_originate(handset->radio->centre, handset->serial, &sms);
	return NULL;
}

struct line {
	struct slice attach;
	json_t *send;
};

static const struct json_member attach_line[] = {
	{ "attach", JSON_TEXT, offsetof(struct line, attach), 1, 32 },
};

static const struct json_member send_line[] = {
	{ "send", JSON_OBJECT_OF, offsetof(struct line, send), 0, 0 },
};

static const char *handle_object(struct handset *handset, const json_t *object)
{
	struct line line;
	char why[WHY_SIZE];
	if (json_read(object, attach_line, 1, &line, why, sizeof(why)))
		return attach(handset, line.attach);
	if (json_read(object, send_line, 1, &line, why, sizeof(why)))
		return send_sms(handset, line.send);
	return "bad_line";
}

static bool ends_connection(const char *error)
{
	return strcmp(error, "not_attached") != 0 && strcmp(error, "bad_data") != 0;
}

/* @return false when the handset was dropped */
static bool handle_line(struct handset *handset, struct slice line)
{
	char why[WHY_SIZE];
	json_t *object = json_parse(line, why, sizeof(why));
	const char *error = object ? handle_object(handset, object) : "bad_line";
	json_decref(object);
	if (!error)
		return true;
	if (ends_connection(error)) {
		drop_with_error(handset, error);
		return false;
	}
	send_error(handset, error);
	return true;
}

/* @return false when the handset was dropped */
static bool handle_lines(struct handset *handset)
{
	struct evbuffer *rx = conn_rx(handset->conn);
	while (!handset->is_sending) {
		size_t eol_n = 0;
		struct evbuffer_ptr eol =
			evbuffer_search_eol(rx, NULL, &eol_n, EVBUFFER_EOL_LF);
		size_t n = eol.pos < 0 ? evbuffer_get_length(rx) : (size_t)eol.pos;
		if (n >= LINE_LIMIT) {
			drop_with_error(handset, "bad_line");
			return false;
		}
		if (eol.pos < 0)
			break;
		char line[LINE_LIMIT];
		evbuffer_remove(rx, line, n);
		evbuffer_drain(rx, eol_n);
		if (!handle_line(handset, slice_make(line, n)))
			return false;
	}
	return true;
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct handset *handset = arg;
	switch (event) {
	case CONN_OPEN: break;
	case CONN_WRITABLE:
		if (handset->number)
			centre_reachable(handset->radio->centre, handset->number);
		break;
	case CONN_READABLE:
		if (handle_lines(handset))
			conn_resume(conn);
		break;
	case CONN_EOF:
	case CONN_FAILED: drop(handset); break;
	}
}

/* ---- to a handset ---- */

bool radio_can_deliver(struct radio *radio, const char *number)
{
	struct handset *handset = find_number(radio, number);
	return handset && !conn_is_full(handset->conn);
}

bool radio_deliver(struct radio *radio, const struct sms *sms)
{
	if (!radio_can_deliver(radio, sms->to))
		return false;
	struct handset *handset = find_number(radio, sms->to);
	char udh[2 * SMS_DATA_MAX + 1], data[2 * SMS_DATA_MAX + 1];
	hex_encode(sms_udh(sms), udh);
	hex_encode(sms_data(sms), data);
	write_line(handset,
		   json_pack("{s:{s:s,s:i,s:s,s:s}}", "part", "from", sms->from, "dcs",
			     (int)sms->dcs, "udh", udh, "data", data));
	return true;
}

static void on_go_on(void *arg)
{
	struct handset *handset = arg;
	if (handle_lines(handset))
		conn_resume(handset->conn);
}

/* Not at once: the answer may come while the line is being handled. */
static void answered(struct handset *handset)
{
	handset->is_sending = false;
	timer_start(&handset->go_on, 0);
}

void radio_sent(struct radio *radio, uint64_t handset_serial, uint64_t id)
{
	struct handset *handset = find_serial(radio, handset_serial);
	if (!handset)
		return;
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	write_line(handset, json_pack("{s:{s:s}}", "sent", "id", text));
	answered(handset);
}

void radio_not_sent(struct radio *radio, uint64_t handset_serial, const char *error)
{
	struct handset *handset = find_serial(radio, handset_serial);
	if (!handset)
		return;
	send_error(handset, error);
	answered(handset);
}

/* ---- opening ---- */

static void on_accept(struct listener *listener, int fd, void *arg)
{
	static const struct conn_settings settings = {
		.write_timeout_ms = WRITE_TIMEOUT_MS,
		.rx_limit = 2 * LINE_LIMIT,
	};
	struct radio *radio = arg;
	struct handset *handset = calloc(1, sizeof(*handset));
	(void)listener;
	BUG_ON(!handset);
	handset->conn = conn_accept(radio->loop, fd, &settings, on_conn, handset);
	if (!handset->conn) {
		free(handset);
		return;
	}
	handset->radio = radio;
	timer_init(&handset->go_on, radio->loop, on_go_on, handset);
	handset->serial = ++radio->last_serial;
	TAILQ_INSERT_TAIL(&radio->handsets, handset, link);
}

struct radio *radio_open(struct loop *loop, const char *path, struct centre *centre)
{
	struct radio *radio = calloc(1, sizeof(*radio));
	char address[256];
	BUG_ON(!radio);
	radio->loop = loop;
	radio->centre = centre;
	TAILQ_INIT(&radio->handsets);
	snprintf(address, sizeof(address), "unix:%s", path);
	radio->fd = listener_open(address);
	if (radio->fd < 0) {
		free(radio);
		return NULL;
	}
	radio->path = strdup(path);
	radio->listener = listener_new(loop, radio->fd, on_accept, radio);
	BUG_ON(!radio->path || !radio->listener);
	centre_set_radio(centre, radio);
	return radio;
}

void radio_close(struct radio *radio)
{
	struct handset *handset;
	while ((handset = TAILQ_FIRST(&radio->handsets)))
		drop(handset);
	listener_free(radio->listener);
	close(radio->fd);
	unlink(radio->path);
	free(radio->path);
	free(radio);
}
