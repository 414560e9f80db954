/*
 * A bare box: fills bearerbox with messages that are made ready before, at most a
 * window of them without a report, and acknowledges the reports. It stores nothing; so
 * it is what bearerbox can do for a link that costs nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/time.h"
#include "contrib/bench/part.h"
#include "contrib/bench/waits.h"
#include "smsc/boxlink.h"

#define VALIDITY_S   3600
#define HEARTBEAT_MS 30000
#define TIMEOUT_MS   5000
#define ADDRESS_MAX  32
#define NUMBER_MAX   16

/* As long as the terms of the other side of the comparison. */
#define TEXT                                                            \
	"Terms of the example operator: one message, no charge for it." \
	"\nReply YES 4711 or NO 4711"

struct box {
	const struct settings *settings;
	struct loop *loop;
	struct boxlink *link;
	uint64_t n_sent, n_reported, n_delivered, failures;
	bool *is_reported; /* by number of message */
	int64_t begin_us;
};

/* The number of a message is the head of its UUID. */
static void make_uuid(uint64_t number, char out[UUID_CHARS + 1])
{
	snprintf(out, UUID_CHARS + 1, "%08" PRIx32 "-0000-4000-8000-000000000000",
		 (uint32_t)number);
}

static uint64_t number_of(struct slice uuid)
{
	char head[9] = "";

	BUG_ON(uuid.n != UUID_CHARS);
	memcpy(head, uuid.p, 8);
	return strtoul(head, NULL, 16);
}

static void send_one(struct box *box)
{
	const uint64_t number = box->n_sent++;
	const int32_t now_s = (int32_t)(time_now_ms() / 1000);
	char uuid[UUID_CHARS + 1], receiver[NUMBER_MAX];
	struct box_message message;

	make_uuid(number, uuid);
	snprintf(receiver, sizeof(receiver), "+999%09" PRIu64, number);
	box_init(&message, BOX_SMS);
	message.sms.sender = SLICE("1234");
	message.sms.receiver = slice_of(receiver);
	message.sms.udhdata = SLICE("");
	message.sms.msgdata = SLICE(TEXT);
	message.sms.coding = BOX_CODING_7BIT;
	message.sms.charset = SLICE("UTF-8");
	message.sms.time = now_s;
	message.sms.validity = now_s + VALIDITY_S;
	message.sms.id = slice_of(uuid);
	message.sms.dlr_url = slice_of(uuid);
	message.sms.sms_type = BOX_MT_PUSH;
	message.sms.dlr_mask = BOX_REPORTS_WANTED;
	message.sms.boxc_id = slice_of(box->settings->name);
	BUG_ON(!boxlink_send(box->link, &message));
}

static void fill(struct box *box)
{
	while (box->n_sent < box->settings->count &&
	       box->n_sent - box->n_reported < box->settings->window)
		send_one(box);
}

static void on_report(struct box *box, const struct box_sms *sms)
{
	const uint64_t number = number_of(sms->dlr_url);
	struct box_message ack;

	BUG_ON(number >= box->n_sent);
	box_init(&ack, BOX_ACK);
	ack.ack.nack = BOX_ACK_SUCCESS;
	ack.ack.time = sms->time;
	ack.ack.id = sms->id;
	BUG_ON(!boxlink_send(box->link, &ack));
	box->n_reported += !box->is_reported[number];
	box->is_reported[number] = true;
	box->n_delivered += sms->dlr_mask == BOX_REPORT_DELIVERED;
	fill(box);
	if (box->n_delivered == box->settings->count)
		loop_stop(box->loop);
}

static void on_message(void *arg, const struct box_message *message)
{
	struct box *box = arg;

	if (message->type == BOX_SMS)
		on_report(box, &message->sms);
	else if (message->type == BOX_ACK)
		box->failures += message->ack.nack == BOX_ACK_FAILED ||
				 message->ack.nack == BOX_ACK_TEMPORARY;
}

static void on_up(void *arg)
{
	struct box *box = arg;

	if (!part_is_told_to_go())
		exit(EXIT_FAILURE);
	box->begin_us = waits_now_us();
	fill(box);
}

static void on_down(void *arg)
{
	(void)arg;
	fprintf(stderr, "bench: box: bearerbox ended the connection\n");
	exit(EXIT_FAILURE);
}

int box_run(const struct settings *settings)
{
	static struct box box; /* what is open ends with the process */
	char address[ADDRESS_MAX];
	const struct boxlink_callbacks callbacks = { .on_up = on_up,
						     .on_down = on_down,
						     .on_message = on_message,
						     .arg = &box };

	snprintf(address, sizeof(address), "127.0.0.1:%" PRIu64, settings->port);
	box.settings = settings;
	box.loop = loop_new();
	box.is_reported = calloc(settings->count, sizeof(*box.is_reported));
	BUG_ON(!box.is_reported);
	box.link = boxlink_new(
		box.loop,
		&(struct boxlink_settings){ .address = address,
					    .box_id = settings->name,
					    .heartbeat_ms = HEARTBEAT_MS,
					    .connect_timeout_ms = TIMEOUT_MS,
					    .reconnect_max_ms = TIMEOUT_MS },
		&callbacks);
	loop_run(box.loop);
	printf("{\"seconds\": %.4f, \"failures\": %" PRIu64 "}\n",
	       (double)(waits_now_us() - box.begin_us) / 1e6, box.failures);
	fflush(stdout);
	return EXIT_SUCCESS;
}
