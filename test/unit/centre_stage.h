/*
 * The message centre between its two sides, both played here: clients whose links note
 * what they are given, and a radio with one handset that may be in coverage.
 */
#ifndef TEST_UNIT_CENTRE_STAGE_H
#define TEST_UNIT_CENTRE_STAGE_H

#include <stdlib.h>

#include "contrib/smscsim/centre.h"
#include "contrib/smscsim/radio.h"
#include "test/unit/test.h"

#define FROM "1234"
#define TO   "+447700900001"
#define LATE 20

/* A link of a client; more are not needed than a sender and a receiver. */
struct session {
	uint64_t number;
	bool is_receiver, can_take;
	uint32_t answered, status; /* how often, and the last */
	char id[24];               /* of the last answer */
	struct delivery *delivery; /* not answered yet */
	int n_deliveries;
};

static struct session sessions[2];
static size_t n_sessions;

static struct {
	bool is_reachable;
	int room; /* parts that the handset can take */
	int n_parts;
	struct sms part;
	int n_sent;
	uint64_t sent_handset;
	char not_sent[32];
} air;

static struct loop *loop;
static struct centre *centre;
static struct centre_settings settings;

/* ---- Played ---- */

struct session *session_new(struct centre *owner, struct loop *its_loop, int fd)
{
	(void)owner, (void)its_loop, (void)fd;
	CU_ASSERT_FATAL(n_sessions < 2);
	sessions[n_sessions] = (struct session){ .number = n_sessions + 1 };
	return &sessions[n_sessions++];
}

void session_free(struct session *session)
{
	free(session->delivery);
}

uint64_t session_number(const struct session *session)
{
	return session->number;
}

const char *session_peer(const struct session *session)
{
	(void)session;
	return "peer";
}

bool session_is_receiver(const struct session *session)
{
	return session->is_receiver;
}

bool session_can_take(const struct session *session)
{
	return session->can_take && !session->delivery;
}

void session_deliver(struct session *session, struct delivery *delivery)
{
	CU_ASSERT_PTR_NULL_FATAL(session->delivery);
	session->delivery = delivery;
	session->n_deliveries++;
}

void session_answer_submit(struct session *session, uint32_t sequence, uint32_t status,
			   const char *id)
{
	(void)sequence;
	session->answered++;
	session->status = status;
	snprintf(session->id, sizeof(session->id), "%s", id);
}

bool radio_can_deliver(struct radio *radio, const char *number)
{
	(void)radio;
	return air.is_reachable && air.room > 0 && strcmp(number, TO) == 0;
}

bool radio_deliver(struct radio *radio, const struct sms *sms)
{
	if (!radio_can_deliver(radio, sms->to))
		return false;
	air.n_parts++;
	air.room--;
	air.part = *sms;
	return true;
}

void radio_sent(struct radio *radio, uint64_t handset, uint64_t id)
{
	(void)radio, (void)id;
	air.n_sent++;
	air.sent_handset = handset;
}

void radio_not_sent(struct radio *radio, uint64_t handset, const char *error)
{
	(void)radio, (void)handset;
	snprintf(air.not_sent, sizeof(air.not_sent), "%s", error);
}

/* ---- A centre with two links, the second of which takes deliveries ---- */

static inline void begin(void)
{
	memset(&air, 0, sizeof(air));
	n_sessions = 0;
	settings.system_id = "client";
	settings.password = "secret";
	loop = loop_new();
	centre = centre_new(loop, &settings);
	centre_accept(centre, 7);
	centre_accept(centre, 8);
	sessions[1].is_receiver = sessions[1].can_take = true;
	air.is_reachable = true;
	air.room = 1000;
}

static inline void end(void)
{
	centre_free(centre);
	loop_free(loop);
	memset(&settings, 0, sizeof(settings));
}

static inline void wait_ms(int64_t ms)
{
	int64_t end_ms = loop_now_ms(loop) + ms;

	do {
		usleep(1000);
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	} while (loop_now_ms(loop) <= end_ms);
}

static inline union pdu submit_of(const char *text, uint8_t registered)
{
	union pdu pdu;

	memset(&pdu, 0, sizeof(pdu));
	pdu.header.sequence_number = 1;
	pdu_set(pdu.submit.source_addr, sizeof(pdu.submit.source_addr), FROM);
	pdu.submit.dest_addr_ton = TON_International;
	pdu_set(pdu.submit.destination_addr, sizeof(pdu.submit.destination_addr),
		TO + 1);
	pdu.submit.registered_delivery = registered;
	pdu.submit.sm_length = (uint8_t)strlen(text);
	memcpy(pdu.submit.short_message, text, strlen(text));
	return pdu;
}

static inline void submit(const char *text, uint8_t registered)
{
	union pdu pdu = submit_of(text, registered);

	centre_submit(centre, &sessions[0], &pdu);
}

/* The client answers what it was given. */
static inline void take(uint32_t status)
{
	struct delivery *delivery = sessions[1].delivery;

	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	sessions[1].delivery = NULL;
	centre_delivered(centre, delivery, status);
	centre_pump(centre);
}

static inline bool receipt_says(const char *text)
{
	const struct delivery *delivery = sessions[1].delivery;

	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	CU_ASSERT(delivery->is_receipt);
	return memmem(delivery->sms.bytes, delivery->sms.n, text, strlen(text));
}

#endif
