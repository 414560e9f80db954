/*
 * A message on its way through the centre: taken out of a submit_sm, and reported on by
 * a receipt. Knows no links and no handsets.
 */
#ifndef CONTRIB_SMSCSIM_MESSAGE_H
#define CONTRIB_SMSCSIM_MESSAGE_H

#include <sys/queue.h>
#include <time.h>

#include "contrib/smscsim/pdu.h"
#include "contrib/smscsim/sms.h"

/** A message that the centre took from a client. */
struct message {
	STAILQ_ENTRY(message) link;
	uint64_t id;
	time_t submitted;
	bool wants_receipt;         /* when it has been delivered or has failed */
	bool wants_failure_receipt; /* only when it has failed */
	struct sms sms;
};

/**
 * Read a submit_sm into a zeroed message.
 * @param what  on failure set to one word for the log
 * @return ESME_ROK, or the command_status to answer
 */
uint32_t message_read(const union pdu *pdu, struct message *message, const char **what);
/** Whether its sender wants to hear of this end. */
bool message_wants_receipt(const struct message *message, bool is_delivered);
/**
 * Write the receipt of its end, which is now, back to its sender.
 * @param id  of the message, as the receipt is to have it
 * Source: SMPP 3.4, appendix B.
 */
void message_write_receipt(const struct message *message, const char *id,
			   bool is_delivered, struct sms *out);

#endif
