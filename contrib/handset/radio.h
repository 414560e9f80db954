/*
 * The narrow band of the handset: message parts in and out over the radio socket of
 * the simulated message centre (doc/smsc.md). Attaches by itself, again after each
 * loss of coverage.
 */
#ifndef CONTRIB_HANDSET_RADIO_H
#define CONTRIB_HANDSET_RADIO_H

#include "base/loop.h"
#include "contrib/handset/sms.h"

struct radio;

/** @p part is borrowed for the call. */
typedef void radio_part_fn(void *arg, const struct sms_part *part);
/** @p error NULL: the message centre has it. */
typedef void radio_sent_fn(void *arg, const char *error);

struct radio_settings {
	const char *path;   /* of the socket */
	const char *number; /* own */
	int64_t retry_delay_ms;
	radio_part_fn *on_part;
	radio_sent_fn *on_sent;
	void *arg;
};

/** @param settings  copied, with the strings borrowed for the life of the radio */
struct radio *radio_new(struct loop *loop, const struct radio_settings *settings);
void radio_free(struct radio *radio);
bool radio_is_attached(const struct radio *radio);
/**
 * Send a short text of one part: GSM 7-bit where it can, UCS-2 otherwise.
 *
 * on_sent is called exactly once, not from within this call; while there is no
 * coverage the message waits. One message at a time.
 *
 * @return false when one is on its way already, or the text is too long or no UTF-8
 */
bool radio_send(struct radio *radio, struct slice to, struct slice text);

#endif
