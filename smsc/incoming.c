#include "smsc/incoming.h"

#include <stdlib.h>

#include "base/log.h"
#include "smsc/smsc_metrics.h"
#include "smsc/statements.h"
#include "smsc/text.h"

/* A frame in UTF-8 at most three times over, and its fields. */
#define ARENA_BYTES (4 * BOX_FRAME_LIMIT)

/* SQL NULL among parameters. */
#define NO_VALUE ((struct slice){ NULL, 0 })

struct incoming {
	struct incoming_parts p;
	struct arena *arena; /* of one message */
	struct loop *loop;
	uint64_t kept_connection; /* the last whose messages bearerbox keeps */
	int64_t kept_ms;          /* since when */
};

/* A message of bearerbox that is acknowledged when it is stored. */
struct pending {
	struct incoming *incoming;
	uint64_t connection;
	int32_t time;
	char id[UUID_CHARS];
	bool is_report;
	char part[UUID_CHARS]; /* that it reports on; "": none of ours */
};

struct incoming *incoming_new(struct loop *loop, const struct incoming_parts *parts)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));
	BUG_ON(!incoming);
	incoming->p = *parts;
	incoming->loop = loop;
	incoming->arena = arena_new(ARENA_BYTES);
	return incoming;
}

/* On a newer connection bearerbox brings the message again; then that is answered. */
static void acknowledge(struct incoming *incoming, uint64_t connection, struct slice id,
			int32_t time, enum box_nack nack)
{
	struct box_message ack;
	if (!boxlink_is_up(incoming->p.link) ||
	    boxlink_connection(incoming->p.link) != connection)
		return;
	box_init(&ack, BOX_ACK);
	ack.ack.nack = nack;
	ack.ack.time = time;
	ack.ack.id = id;
	bool is_sent = boxlink_send(incoming->p.link, &ack);
	BUG_ON(!is_sent);
}

static void acknowledge_sms(struct incoming *incoming, const struct box_sms *sms,
			    enum box_nack nack)
{
	acknowledge(incoming, boxlink_connection(incoming->p.link), sms->id, sms->time,
		    nack);
}

/* Not acknowledged: bearerbox keeps it. What an older connection brought it has brought
 * again by now, or will. */
static void keep(struct incoming *incoming, uint64_t connection)
{
	if (connection != boxlink_connection(incoming->p.link) ||
	    connection == incoming->kept_connection)
		return;
	incoming->kept_connection = connection;
	incoming->kept_ms = loop_now_ms(incoming->loop);
}

int64_t incoming_kept_ms(const struct incoming *incoming)
{
	return incoming->kept_connection == boxlink_connection(incoming->p.link)
		       ? incoming->kept_ms
		       : 0;
}

/* What a report was to the database: nothing but a number where it changed nothing. */
static void count_news(struct slice id, struct slice news)
{
	if (slice_eq(news, SLICE("repeated"))) {
		metrics_add(SMSC_REPORT_REPEATED, 1);
	} else if (slice_eq(news, SLICE("late"))) {
		metrics_add(SMSC_REPORT_LATE, 1);
	} else if (slice_eq(news, SLICE("unknown"))) {
		metrics_add(SMSC_REPORT_FOREIGN, 1);
		log_warn("report_foreign", log_slice("id", id));
	}
}

static void on_stored(void *arg, enum store_outcome outcome, struct slice answer)
{
	struct pending *pending = arg;
	struct incoming *incoming = pending->incoming;
	struct slice id = slice_make(pending->id, UUID_CHARS);
	if (outcome == STORE_GIVEN_UP) {
		keep(incoming, pending->connection);
		free(pending);
		return;
	}
	/* Not before: the window holds what the database has no report on. */
	window_remove(incoming->p.window, slice_make(pending->part, UUID_CHARS));
	acknowledge(incoming, pending->connection, id, pending->time,
		    outcome == STORE_DONE ? BOX_ACK_SUCCESS : BOX_ACK_FAILED);
	if (!pending->is_report) {
		log_info("mo", log_slice("id", id), log_slice("outcome", answer));
		notices_expect(incoming->p.notices);
	} else if (outcome == STORE_DONE) {
		count_news(id, answer);
	}
	free(pending);
}

static struct pending *pending_new(struct incoming *incoming, const struct box_sms *sms)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	BUG_ON(!pending);
	pending->incoming = incoming;
	pending->connection = boxlink_connection(incoming->p.link);
	pending->time = sms->time;
	memcpy(pending->id, sms->id.p, UUID_CHARS);
	return pending;
}

/* Text of bearerbox as the database takes it; NULL stays NULL. */
static struct slice clean(struct incoming *incoming, struct slice text)
{
	return text.p ? text_repair(incoming->arena, text) : text;
}

static struct slice number(struct incoming *incoming, int32_t value)
{
	return slice_of(arena_printf(incoming->arena, "%d", (int)value));
}

/* What goes well only leads on, so it is the same in any order and all at once. */
static bool is_good(int32_t event)
{
	return event == BOX_REPORT_DELIVERED || event == BOX_REPORT_BUFFERED ||
	       event == BOX_REPORT_ACCEPTED;
}

static void on_report(struct incoming *incoming, const struct box_sms *sms)
{
	struct slice reference = clean(incoming, sms->dlr_url);
	const struct slice params[] = {
		reference.p ? reference : SLICE(""), NO_VALUE,
		number(incoming, sms->dlr_mask),     clean(incoming, sms->foreign_id),
		clean(incoming, sms->msgdata),
	};
	struct pending *pending = pending_new(incoming, sms);
	pending->is_report = true;
	if (params[0].n == UUID_CHARS)
		memcpy(pending->part, params[0].p, UUID_CHARS);
	smsc_metrics_report(sms->dlr_mask);
	log_debug("report", log_slice("part", reference),
		  log_num("event", sms->dlr_mask));
	store_put_batched(incoming->p.store, STATEMENT_NEWS, params, 5,
			  is_good(sms->dlr_mask) ? STORE_JOINS : STORE_ALONE, on_stored,
			  pending);
}

/* An answer is one message. A part of a longer one that bearerbox did not put together
 * could say the opposite of the whole. */
static bool is_part_of_longer(struct slice udh)
{
	struct slice rest = udh.n > 1 ? slice_make(udh.p + 1, udh.n - 1) : SLICE("");
	while (rest.n >= 2) {
		uint8_t id = (uint8_t)rest.p[0], n = (uint8_t)rest.p[1];
		if (rest.n < 2u + n)
			return false;
		if ((id == 0x00 && n == 3 && rest.p[3] != 1) ||
		    (id == 0x08 && n == 4 && rest.p[4] != 1))
			return true;
		rest = slice_make(rest.p + 2 + n, rest.n - 2 - n);
	}
	return false;
}

static void on_mo(struct incoming *incoming, const struct box_sms *sms)
{
	metrics_add(SMSC_MO, 1);
	if (is_part_of_longer(sms->udhdata)) {
		metrics_add(SMSC_MO_PART, 1);
		log_warn("mo_part", log_slice("id", sms->id),
			 log_masked("from", sms->sender));
		acknowledge_sms(incoming, sms, BOX_ACK_SUCCESS);
		return;
	}
	if (sms->coding == BOX_CODING_8BIT) {
		metrics_add(SMSC_MO_BINARY, 1);
		log_warn("mo_binary", log_slice("id", sms->id),
			 log_masked("from", sms->sender));
		acknowledge_sms(incoming, sms, BOX_ACK_SUCCESS);
		return;
	}
	struct slice text = sms->coding == BOX_CODING_UCS2
				    ? text_from_utf16(incoming->arena, sms->msgdata)
				    : text_repair(incoming->arena, sms->msgdata);
	const struct slice params[] = {
		sms->id,
		clean(incoming, sms->sender),
		clean(incoming, sms->receiver),
		clean(incoming, sms->smsc_id),
		text.p ? text : SLICE(""),
	};
	/* bearerbox acknowledged the terms before their answer can come; so they are
	 * stored in that order, too. */
	store_put_last(incoming->p.store, STATEMENT_MO, params, 5, on_stored,
		       pending_new(incoming, sms));
}

static void on_sms(struct incoming *incoming, const struct box_sms *sms)
{
	switch (sms->sms_type) {
	case BOX_MO: on_mo(incoming, sms); break;
	case BOX_REPORT_MO: on_report(incoming, sms); break;
	default:
		log_warn("sms_type_unknown", log_num("type", sms->sms_type));
		acknowledge_sms(incoming, sms, BOX_ACK_FAILED);
		break;
	}
}

/* The SMSC's word mostly follows bearerbox's within milliseconds. */
static void on_ack(struct incoming *incoming, const struct box_ack *ack)
{
	const struct slice params[] = { ack->id, number(incoming, ack->nack), NO_VALUE,
					NO_VALUE, NO_VALUE };
	bool is_taken = ack->nack == BOX_ACK_SUCCESS || ack->nack == BOX_ACK_BUFFERED;
	smsc_metrics_ack(ack->nack);
	if (is_taken) {
		window_acked(incoming->p.window, ack->id);
	} else {
		window_remove(incoming->p.window, ack->id);
		log_warn("part_refused", log_slice("part", ack->id),
			 log_num("nack", ack->nack));
	}
	store_put_batched(incoming->p.store, STATEMENT_NEWS, params, 5,
			  is_taken ? STORE_AWAITS : STORE_ALONE, NULL, NULL);
}

void incoming_message(struct incoming *incoming, const struct box_message *message)
{
	arena_reset(incoming->arena);
	switch (message->type) {
	case BOX_ACK: on_ack(incoming, &message->ack); break;
	case BOX_SMS: on_sms(incoming, &message->sms); break;
	case BOX_ADMIN:
		log_info("bearerbox_command",
			 log_num("command", message->admin.command));
		break;
	case BOX_HEARTBEAT: break;
	}
	if (store_count(incoming->p.store) >= STORE_HIGH)
		boxlink_hold(incoming->p.link);
}
