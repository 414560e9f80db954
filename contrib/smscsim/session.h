/*
 * One SMPP 3.4 link of a client (ESME): framing, bind state, sequence numbers. Each
 * rule of the protocol that the client breaks is told to the centre, which counts it.
 * What messages mean is the centre's.
 */
#ifndef CONTRIB_SMSCSIM_SESSION_H
#define CONTRIB_SMSCSIM_SESSION_H

#include <sys/queue.h>

#include "base/conn.h"
#include "contrib/smscsim/sms.h"

struct centre;
struct session;

/** A message on its way to the client: from a handset, or a delivery receipt. */
struct delivery {
	TAILQ_ENTRY(delivery) link;
	uint32_t sequence; /* while in flight */
	int64_t deadline_ms;
	bool is_receipt;
	uint64_t handset; /* who waits for the answer; 0: nobody */
	uint64_t id;
	struct sms sms;
};
TAILQ_HEAD(delivery_queue, delivery);

/** @param fd  taken */
struct session *session_new(struct centre *centre, struct loop *loop, int fd);
/** End the link now. Nothing is called back. */
void session_free(struct session *session);
/** Unique in this process; a session may end while others remember its number. */
uint64_t session_number(const struct session *session);
/** Address of the client; borrowed. */
const char *session_peer(const struct session *session);

/** Bound as receiver or transceiver. */
bool session_is_receiver(const struct session *session);
/** A receiver, and with room in its window. */
bool session_can_take(const struct session *session);
/** Send; @p delivery stays the centre's and comes back by one of its callbacks. */
void session_deliver(struct session *session, struct delivery *delivery);
/** Answer a submit_sm. @p id is used with status 0 only. */
void session_answer_submit(struct session *session, uint32_t sequence, uint32_t status,
			   const char *id);

#endif
