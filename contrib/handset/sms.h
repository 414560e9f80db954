/*
 * Short messages put together from their parts (3GPP TS 23.040, 9.2.3.24.1 and
 * 9.2.3.24.8): in any order, with duplicates, with references that come again, with
 * parts that never come. Knows neither the radio nor what a message says.
 */
#ifndef CONTRIB_HANDSET_SMS_H
#define CONTRIB_HANDSET_SMS_H

#include <event2/buffer.h>

#include "base/slice.h"

#define SMS_DCS_GSM7     0
#define SMS_DCS_UCS2     8
#define SMS_SENDER_CHARS 20
#define SMS_PARTS_LIMIT  32 /* of one message; what has more is not for this handset */

struct sms_part {
	struct slice sender;
	unsigned dcs;      /* data coding of SMPP: SMS_DCS_* */
	struct slice udh;  /* with its length byte; empty: none */
	struct slice data; /* without the header; GSM 7-bit is one septet in a byte */
};

enum sms_result {
	SMS_COMPLETE,   /* a message is there */
	SMS_INCOMPLETE, /* kept; more parts are needed */
	SMS_DUPLICATE,  /* was there already; dropped */
	SMS_BAD,        /* header or coding that cannot be read; dropped */
};

struct sms_message {
	char sender[SMS_SENDER_CHARS + 1];
	unsigned dcs;
	unsigned parts;
	struct evbuffer *text; /* UTF-8; the caller's */
};

struct sms;

/**
 * @param patience_ms  after so long without a new part an incomplete message is given
 *                     up, and a complete one no longer recognised when it comes again
 */
struct sms *sms_new(int64_t patience_ms);
void sms_free(struct sms *sms);
/**
 * Take one part.
 *
 * A part with a number that is there, but other data, begins a new message: the sender
 * has used its reference again.
 *
 * @param part    borrowed for the call
 * @param now_ms  monotonic
 * @param out     filled for SMS_COMPLETE alone; the caller frees text
 */
enum sms_result sms_receive(struct sms *sms, const struct sms_part *part,
			    int64_t now_ms, struct sms_message *out)
	__attribute__((warn_unused_result));
/** Messages of which some parts are there. */
size_t sms_incomplete(const struct sms *sms);
const char *sms_result_name(enum sms_result result);

#endif
