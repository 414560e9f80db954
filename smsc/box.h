/*
 * The box protocol of Kannel's bearerbox: frames to bytes and back. No I/O and no
 * policy. bearerbox trusts its boxes and dies of a malformed frame, so the encoder
 * refuses everything that could hurt it; the decoder takes nothing on trust either.
 */
#ifndef SMSC_BOX_H
#define SMSC_BOX_H

#include <event2/buffer.h>

#include "base/slice.h"

/** A frame longer than this, its length included, is refused on both ways. */
#define BOX_FRAME_LIMIT 65536

/** An integer field without a value. */
#define BOX_UNDEFINED (-1)

enum box_type {
	BOX_HEARTBEAT = 0,
	BOX_ADMIN = 1,
	BOX_SMS = 2,
	BOX_ACK = 3,
};

enum box_command {
	BOX_SHUTDOWN = 0,
	BOX_SUSPEND = 1,
	BOX_RESUME = 2,
	BOX_IDENTIFY = 3,
	BOX_RESTART = 4,
};

enum box_sms_type {
	BOX_MO = 0,
	BOX_MT_REPLY = 1,
	BOX_MT_PUSH = 2,
	BOX_REPORT_MO = 3, /* a delivery report for a box */
	BOX_REPORT_MT = 4,
};

enum box_coding {
	BOX_CODING_7BIT = 0, /* msgdata is UTF-8, bearerbox makes GSM-7 of it */
	BOX_CODING_8BIT = 1,
	BOX_CODING_UCS2 = 2, /* msgdata is UTF-16, big endian */
};

enum box_nack {
	BOX_ACK_SUCCESS = 0,
	BOX_ACK_FAILED = 1, /* never try again */
	BOX_ACK_TEMPORARY = 2,
	BOX_ACK_BUFFERED = 3, /* the SMSC is away; bearerbox has it */
};

/** Bits of dlr_mask: wanted reports in a message, the one event in a report. */
enum box_report {
	BOX_REPORT_DELIVERED = 1,
	BOX_REPORT_FAILED = 2,
	BOX_REPORT_BUFFERED = 4,
	BOX_REPORT_ACCEPTED = 8, /* by the SMSC */
	BOX_REPORT_REJECTED = 16,
	BOX_REPORT_EXPIRED = 32,
	BOX_REPORT_UNKNOWN = 64,
	BOX_REPORTS_WANTED = 31, /* the first five; more is not allowed to a sender */
};

struct box_heartbeat {
	int32_t load;
};

struct box_admin {
	int32_t command;
	struct slice boxc_id;
};

/** Octet strings without a value have p == NULL; an empty one has p set, n 0. */
struct box_sms {
	struct slice sender, receiver, udhdata, msgdata;
	int32_t time;
	struct slice smsc_id, smsc_number, foreign_id, service, account;
	struct slice id;
	int32_t sms_type, mclass, mwi, coding, compress;
	int32_t validity, deferred; /* seconds since 1970 */
	int32_t dlr_mask;
	struct slice dlr_url;
	int32_t pid, alt_dcs, rpi;
	struct slice charset, boxc_id, binfo;
	int32_t msg_left, priority, resend_try, resend_time;
	struct slice meta_data;
};

struct box_ack {
	int32_t nack;
	int32_t time;
	struct slice id;
};

struct box_message {
	enum box_type type;
	union {
		struct box_heartbeat heartbeat;
		struct box_admin admin;
		struct box_sms sms;
		struct box_ack ack;
	};
};

/** Make a message of a type with every field undefined. */
void box_init(struct box_message *message, enum box_type type);

/**
 * Append one frame.
 *
 * Writes nothing unless the message is one that bearerbox survives: an sms has a
 * receiver of `+` and digits, a sender, text, a header (may be empty) whose length
 * octet is right, and a UUID; an ack has a UUID; the frame is within the limit.
 *
 * @param message  borrowed
 * @param out      borrowed
 * @return false when the message is refused: our bug, or input not checked
 * Source: gw/msg.c of Kannel 1.4.5; reference: doc/smsc.md
 */
bool box_write(const struct box_message *message, struct evbuffer *out)
	__attribute__((warn_unused_result));

enum box_result {
	BOX_DONE, /* *out and *used are set */
	BOX_MORE, /* no whole frame yet */
	BOX_BAD,  /* *why is set; the stream cannot be used any more */
};

/**
 * Read the first frame of the received bytes.
 *
 * @param rx    borrowed; at least 4 bytes tell the size of the frame in *used
 * @param out   borrows from @p rx
 * @param used  BOX_DONE: bytes of the frame; BOX_MORE: bytes that are needed
 * @param why   one word for the log, static
 * Cost: O(frame), no allocation.
 */
enum box_result box_read(struct slice rx, struct box_message *out, size_t *used,
			 const char **why) __attribute__((warn_unused_result));

#endif
