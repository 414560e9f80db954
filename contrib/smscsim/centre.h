/*
 * The message centre: takes messages from SMPP clients, brings them to attached
 * handsets or keeps them, sends receipts, takes messages from handsets, and makes
 * the faults that it was told to make. In memory only.
 */
#ifndef CONTRIB_SMSCSIM_CENTRE_H
#define CONTRIB_SMSCSIM_CENTRE_H

#include "contrib/smscsim/pdu.h"
#include "contrib/smscsim/session.h"

struct radio;

struct centre_settings {
	const char *system_id; /* borrowed for the life of the centre, as password */
	const char *password;
	int64_t latency_ms;         /* of the answer to a submit_sm */
	int64_t late_receipt_ms;    /* between delivery and receipt */
	int64_t throttle_per_s;     /* submit_sm over this get throttled; 0: no limit */
	int64_t error_every;        /* each Nth submit_sm fails; 0: none */
	int64_t error_status;       /* with this command_status */
	int64_t drop_receipt_every; /* each Nth receipt is lost; 0: none */
	int64_t repeat_receipt_every; /* each Nth receipt comes twice; 0: none */
	int64_t hex_ids; /* message ids in hex: 1 in answers, 2 in receipts, 3 both */
	int64_t deliver_all; /* 1: what no handset is there for counts as delivered */
};

struct centre_counts {
	int64_t submitted;  /* submit_sm answered with status 0 */
	int64_t refused;    /* throttled or failed on purpose */
	int64_t delivered;  /* parts written to handsets */
	int64_t receipts;   /* taken by the client */
	int64_t originated; /* messages of handsets taken by the client */
	int64_t protocol_errors;
};

/** Never NULL. @param settings  copied, with its strings borrowed for its life */
struct centre *centre_new(struct loop *loop, const struct centre_settings *settings);
void centre_free(struct centre *centre);
/** What happened so far; borrowed, and counts on. */
const struct centre_counts *centre_counts(const struct centre *centre);

/** @name For the SMPP side
 * @{ */
void centre_accept(struct centre *centre, int fd);
/** @return the command_status of the answer to a bind */
uint32_t centre_check_bind(struct centre *centre, const bind_transceiver_t *bind);
/** A link can take deliveries now. */
void centre_pump(struct centre *centre);
void centre_submit(struct centre *centre, struct session *session,
		   const union pdu *pdu);
/** The client answered. @p delivery is freed. */
void centre_delivered(struct centre *centre, struct delivery *delivery,
		      uint32_t status);
/** The link ended before the answer. Receipts go to the next link. */
void centre_undelivered(struct centre *centre, struct delivery *delivery);
/** Forget a link that ended by itself. */
void centre_session_ended(struct centre *centre, struct session *session);
/** Log and count a broken rule; the process then exits with 1 at its end. */
void centre_protocol_error(struct centre *centre, const char *peer, const char *what,
			   const struct pdu_header *header);
/** @} */

/** @name For the radio side
 * @{ */
/** Set once, before anything runs. */
void centre_set_radio(struct centre *centre, struct radio *radio);
/** A handset came into coverage, or reads again: bring it what was kept. */
void centre_reachable(struct centre *centre, const char *number);
/** A valid message of a handset; radio_answer() comes later. */
void centre_originate(struct centre *centre, uint64_t handset, const struct sms *sms);
/** @} */

#endif
