#include "smsc/boxlink.h"

#include <stdlib.h>

#include "base/address.h"
#include "base/conn.h"
#include "base/log.h"

#define RECONNECT_MIN_MS 100

enum boxlink_state {
	BOXLINK_WAITING, /* for the time to connect */
	BOXLINK_CONNECTING,
	BOXLINK_UP,
	BOXLINK_RESETTING, /* on_down() is due in the next turn */
};

struct boxlink {
	struct loop *loop;
	struct boxlink_settings settings;
	struct boxlink_callbacks callbacks;
	enum boxlink_state state;
	struct conn *conn;
	struct timer timer;   /* reconnect, or heartbeat */
	struct timer release; /* read what was held back */
	int64_t backoff_ms;
	int64_t up_since_ms;
	uint64_t connection;
	bool is_held;
	bool is_down_logged;
};

static void set_state(struct boxlink *link, enum boxlink_state state)
{
	static const char *const names[] = {
		[BOXLINK_WAITING] = "waiting",
		[BOXLINK_CONNECTING] = "connecting",
		[BOXLINK_UP] = "up",
		[BOXLINK_RESETTING] = "resetting",
	};
	log_debug("link_state", log_str("from", names[link->state]),
		  log_str("to", names[state]));
	link->state = state;
}

/* One line when the link goes, not one for each attempt that fails. */
static void log_down(struct boxlink *link, const char *why)
{
	if (!link->is_down_logged)
		log_warn("link_down", log_str("bearerbox", link->settings.address),
			 log_str("why", why));
	link->is_down_logged = true;
}

/* What was written is sent first: an acknowledgement spares a repetition. */
static void drop_conn(struct boxlink *link)
{
	if (!link->conn)
		return;
	conn_flush(link->conn);
	conn_free(link->conn);
	link->conn = NULL;
}

/* The connection is gone: wait longer each time, but begin anew after a link that
 * lived. */
static void connect_later(struct boxlink *link)
{
	bool was_up = link->state == BOXLINK_UP || link->state == BOXLINK_RESETTING;
	int64_t lived_ms = loop_now_ms(link->loop) - link->up_since_ms;
	drop_conn(link);
	if (was_up && lived_ms > link->settings.reconnect_max_ms)
		link->backoff_ms = RECONNECT_MIN_MS;
	set_state(link, BOXLINK_WAITING);
	timer_start(&link->timer, link->backoff_ms);
	link->backoff_ms *= 2;
	if (link->backoff_ms > link->settings.reconnect_max_ms)
		link->backoff_ms = link->settings.reconnect_max_ms;
	if (was_up)
		link->callbacks.on_down(link->callbacks.arg);
}

/* What is written in one turn is sent at once: a batch of notices, or the
 * acknowledgements of all the reports that were read or stored together. */
static bool write_message(struct boxlink *link, const struct box_message *message)
{
	if (!box_write(message, conn_tx(link->conn)))
		return false;
	conn_flush_later(link->conn);
	return true;
}

static void go_up(struct boxlink *link)
{
	struct box_message identify;
	box_init(&identify, BOX_ADMIN);
	identify.admin.command = BOX_IDENTIFY;
	identify.admin.boxc_id = slice_of(link->settings.box_id);
	bool is_written = write_message(link, &identify);
	BUG_ON(!is_written);

	link->connection++;
	link->up_since_ms = loop_now_ms(link->loop);
	link->is_down_logged = false;
	set_state(link, BOXLINK_UP);
	timer_start(&link->timer, link->settings.heartbeat_ms);
	log_info("link_up", log_str("bearerbox", link->settings.address),
		 log_str("box_id", link->settings.box_id));
	link->callbacks.on_up(link->callbacks.arg);
}

static void fail(struct boxlink *link, const char *why)
{
	log_down(link, why);
	connect_later(link);
}

/* The first whole message; the length is read first, so that only the bytes of one
 * frame are made contiguous. */
static enum box_result next_message(struct boxlink *link, struct box_message *message,
				    size_t *used, const char **why)
{
	struct evbuffer *rx = conn_rx(link->conn);
	enum box_result result = BOX_MORE;
	*used = 4;
	for (int i = 0; i < 2 && result == BOX_MORE && evbuffer_get_length(rx) >= *used;
	     i++)
		result = box_read(
			slice_make(evbuffer_pullup(rx, (ev_ssize_t)*used), *used),
			message, used, why);
	return result;
}

/* Pass on every whole message, until the owner holds or resets the link. */
static void read_messages(struct boxlink *link)
{
	struct box_message message;
	enum box_result result = BOX_DONE;
	size_t used;
	const char *why = NULL;
	while (!link->is_held &&
	       (result = next_message(link, &message, &used, &why)) == BOX_DONE) {
		link->callbacks.on_message(link->callbacks.arg, &message);
		if (link->state != BOXLINK_UP)
			return;
		evbuffer_drain(conn_rx(link->conn), used);
	}
	if (result == BOX_BAD)
		fail(link, why);
	else if (!link->is_held)
		conn_resume(link->conn);
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct boxlink *link = arg;
	switch (event) {
	case CONN_OPEN: go_up(link); break;
	case CONN_READABLE: read_messages(link); break;
	case CONN_WRITABLE: break;
	case CONN_EOF: fail(link, "closed"); break;
	case CONN_FAILED: fail(link, conn_failure_name(conn)); break;
	}
}

static void start_connecting(struct boxlink *link)
{
	struct sockaddr_storage address;
	socklen_t size = 0;
	const struct conn_settings settings = {
		.handshake_timeout_ms = link->settings.connect_timeout_ms,
		.write_timeout_ms = link->settings.connect_timeout_ms,
		.rx_limit = 2 * BOX_FRAME_LIMIT,
	};
	bool is_address = address_parse(link->settings.address, &address, &size);
	BUG_ON(!is_address);
	link->conn = conn_connect(link->loop, (const struct sockaddr *)&address, size,
				  &settings, on_conn, link);
	set_state(link, BOXLINK_CONNECTING);
}

static void beat(struct boxlink *link)
{
	struct box_message heartbeat;
	box_init(&heartbeat, BOX_HEARTBEAT);
	heartbeat.heartbeat.load = 0;
	bool is_written = write_message(link, &heartbeat);
	BUG_ON(!is_written);
	timer_start(&link->timer, link->settings.heartbeat_ms);
}

static void on_timer(void *arg)
{
	struct boxlink *link = arg;
	switch (link->state) {
	case BOXLINK_WAITING: start_connecting(link); break;
	case BOXLINK_UP: beat(link); break;
	case BOXLINK_RESETTING: connect_later(link); break;
	case BOXLINK_CONNECTING: break;
	}
}

static void on_release(void *arg)
{
	struct boxlink *link = arg;
	if (link->state == BOXLINK_UP)
		read_messages(link);
}

struct boxlink *boxlink_new(struct loop *loop, const struct boxlink_settings *settings,
			    const struct boxlink_callbacks *callbacks)
{
	struct boxlink *link = calloc(1, sizeof(*link));
	BUG_ON(!link);
	link->loop = loop;
	link->settings = *settings;
	link->callbacks = *callbacks;
	link->backoff_ms = RECONNECT_MIN_MS;
	link->state = BOXLINK_WAITING;
	timer_init(&link->timer, loop, on_timer, link);
	timer_init(&link->release, loop, on_release, link);
	timer_start(&link->timer, 0);
	return link;
}

void boxlink_free(struct boxlink *link)
{
	timer_cancel(&link->timer);
	timer_cancel(&link->release);
	drop_conn(link);
	free(link);
}

bool boxlink_is_up(const struct boxlink *link)
{
	return link->state == BOXLINK_UP;
}

uint64_t boxlink_connection(const struct boxlink *link)
{
	return link->connection;
}

bool boxlink_send(struct boxlink *link, const struct box_message *message)
{
	return link->state == BOXLINK_UP && write_message(link, message);
}

bool boxlink_is_full(const struct boxlink *link)
{
	return link->state != BOXLINK_UP || conn_is_full(link->conn);
}

void boxlink_reset(struct boxlink *link, const char *why)
{
	if (link->state != BOXLINK_UP)
		return;
	log_down(link, why);
	set_state(link, BOXLINK_RESETTING);
	drop_conn(link);
	timer_start(&link->timer, 0);
}

void boxlink_hold(struct boxlink *link)
{
	link->is_held = true;
	if (link->state == BOXLINK_UP)
		conn_pause(link->conn);
}

void boxlink_release(struct boxlink *link)
{
	if (!link->is_held)
		return;
	link->is_held = false;
	timer_start(&link->release, 0);
}
