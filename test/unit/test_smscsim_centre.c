/*
 * The message centre between its two sides, both played here: clients whose links note
 * what they are given, and a radio with one handset that may be in coverage.
 */
#include "contrib/smscsim/centre.h"

#include <stdlib.h>

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

static void begin(void)
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

static void end(void)
{
	centre_free(centre);
	loop_free(loop);
	memset(&settings, 0, sizeof(settings));
}

static void wait_ms(int64_t ms)
{
	int64_t end_ms = loop_now_ms(loop) + ms;

	do {
		usleep(1000);
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
	} while (loop_now_ms(loop) <= end_ms);
}

static union pdu submit_of(const char *text, uint8_t registered)
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

static void submit(const char *text, uint8_t registered)
{
	union pdu pdu = submit_of(text, registered);

	centre_submit(centre, &sessions[0], &pdu);
}

/* The client answers what it was given. */
static void take(uint32_t status)
{
	struct delivery *delivery = sessions[1].delivery;

	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	sessions[1].delivery = NULL;
	centre_delivered(centre, delivery, status);
	centre_pump(centre);
}

static bool receipt_says(const char *text)
{
	const struct delivery *delivery = sessions[1].delivery;

	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	CU_ASSERT(delivery->is_receipt);
	return memmem(delivery->sms.bytes, delivery->sms.n, text, strlen(text));
}

/* ---- Tests ---- */

static void lets_in_who_knows_the_password(void)
{
	bind_transceiver_t bind;

	begin();
	memset(&bind, 0, sizeof(bind));
	pdu_set(bind.system_id, sizeof(bind.system_id), "client");
	pdu_set(bind.password, sizeof(bind.password), "secret");
	CU_ASSERT_EQUAL(centre_check_bind(centre, &bind), ESME_ROK);
	pdu_set(bind.password, sizeof(bind.password), "secre");
	CU_ASSERT_EQUAL(centre_check_bind(centre, &bind), ESME_RINVPASWD);
	pdu_set(bind.system_id, sizeof(bind.system_id), "other");
	CU_ASSERT_EQUAL(centre_check_bind(centre, &bind), ESME_RINVSYSID);
	end();
}

static void brings_a_message_to_its_handset(void)
{
	begin();
	submit("Hello", 0);
	CU_ASSERT_EQUAL(sessions[0].answered, 1);
	CU_ASSERT_EQUAL(sessions[0].status, ESME_ROK);
	CU_ASSERT_STRING_NOT_EQUAL(sessions[0].id, "");
	CU_ASSERT_EQUAL(air.n_parts, 1);
	CU_ASSERT_STRING_EQUAL(air.part.from, FROM);
	CU_ASSERT_STRING_EQUAL(air.part.to, TO);
	CU_ASSERT(slice_eq(sms_data(&air.part), SLICE("Hello")));
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	CU_ASSERT_EQUAL(centre_counts(centre)->submitted, 1);
	CU_ASSERT_EQUAL(centre_counts(centre)->delivered, 1);
	end();
}

static void sends_the_receipt_that_was_asked_for(void)
{
	char wanted[64];

	begin();
	submit("Hello", 1);
	snprintf(wanted, sizeof(wanted), "id:%s sub:001 dlvrd:001", sessions[0].id);
	CU_ASSERT(receipt_says(wanted));
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	CU_ASSERT_STRING_EQUAL(sessions[1].delivery->sms.from, TO);
	CU_ASSERT_STRING_EQUAL(sessions[1].delivery->sms.to, FROM);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(centre_counts(centre)->receipts, 1);
	/* One of failure is none of success. */
	submit("Hello", 2);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	end();
}

/* Out of coverage: kept in order, and brought when the handset is back. */
static void keeps_messages_until_there_is_coverage(void)
{
	begin();
	air.is_reachable = false;
	submit("one", 1);
	submit("two", 0);
	CU_ASSERT_EQUAL(sessions[0].answered, 2);
	CU_ASSERT_EQUAL(air.n_parts, 0);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	air.is_reachable = true;
	centre_reachable(centre, "+447700900002");
	CU_ASSERT_EQUAL(air.n_parts, 0);
	centre_reachable(centre, TO);
	CU_ASSERT_EQUAL(air.n_parts, 2);
	CU_ASSERT(slice_eq(sms_data(&air.part), SLICE("two")));
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	end();
}

/* It reads slowly: the rest stays where it is. */
static void brings_no_more_than_the_handset_takes(void)
{
	begin();
	air.is_reachable = false;
	submit("one", 0);
	submit("two", 0);
	submit("three", 0);
	air.is_reachable = true;
	air.room = 1;
	centre_reachable(centre, TO);
	CU_ASSERT_EQUAL(air.n_parts, 1);
	CU_ASSERT(slice_eq(sms_data(&air.part), SLICE("one")));
	air.room = 1;
	centre_reachable(centre, TO);
	CU_ASSERT(slice_eq(sms_data(&air.part), SLICE("two")));
	end();
}

static void fails_what_no_mailbox_has_room_for(void)
{
	begin();
	air.is_reachable = false;
	for (int i = 0; i < 100; i++)
		submit("kept", 2);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	submit("too many", 2);
	CU_ASSERT(receipt_says("stat:UNDELIV"));
	CU_ASSERT(receipt_says("dlvrd:000"));
	end();
}

static void delivers_to_nobody_for_load(void)
{
	settings.deliver_all = 1;
	begin();
	air.is_reachable = false;
	submit("gone", 1);
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	CU_ASSERT_EQUAL(centre_counts(centre)->delivered, 1);
	air.is_reachable = true;
	centre_reachable(centre, TO);
	CU_ASSERT_EQUAL(air.n_parts, 0);
	end();
}

/* Each rule that a submit_sm can break, and what the client hears. */
static void refuses_what_breaks_the_rules(void)
{
	begin();
	for (int i = 0; i < 8; i++) {
		union pdu pdu = submit_of("Hello", 1);
		uint32_t wanted = ESME_RSUBMITFAIL;

		switch (i) {
		case 0:
			pdu.submit.source_addr[0] = '\0';
			wanted = ESME_RINVSRCADR;
			break;
		case 1:
			pdu.submit.destination_addr[0] = 'x';
			wanted = ESME_RINVDSTADR;
			break;
		case 2:
			pdu.submit.dest_addr_ton = TON_Alphanumeric;
			wanted = ESME_RINVDSTADR;
			break;
		case 3: pdu.submit.data_coding = 0x55; break;
		case 4:
			pdu.submit.sm_length = 255;
			wanted = ESME_RINVMSGLEN;
			break;
		case 5: /* a header longer than can be */
			pdu.submit.data_coding = SMS_UCS2;
			pdu.submit.esm_class = SMPP34_UDHI_IND;
			pdu.submit.sm_length = 4;
			pdu.submit.short_message[0] = 255;
			break;
		case 6: /* half a unit of UCS-2 */
			pdu.submit.data_coding = SMS_UCS2;
			break;
		case 7:
			pdu.submit.esm_class = SMPP34_UDHI_IND;
			pdu.submit.sm_length = 0;
			break;
		}
		centre_submit(centre, &sessions[0], &pdu);
		if (sessions[0].status != wanted)
			fprintf(stderr, "case %d: %u\n", i, sessions[0].status);
		CU_ASSERT_EQUAL(sessions[0].status, wanted);
		CU_ASSERT_EQUAL(centre_counts(centre)->protocol_errors, i + 1);
	}
	CU_ASSERT_EQUAL(air.n_parts, 0);
	CU_ASSERT_EQUAL(centre_counts(centre)->submitted, 0);
	CU_ASSERT_EQUAL(centre_counts(centre)->refused, 8);
	end();
}

/* Faults that it was told to make are no protocol errors. */
static void makes_the_faults_it_was_told_to(void)
{
	settings.error_every = 3;
	settings.error_status = ESME_RSYSERR;
	begin();
	for (int i = 1; i <= 6; i++) {
		submit("Hello", 0);
		CU_ASSERT_EQUAL(sessions[0].status, i % 3 ? ESME_ROK : ESME_RSYSERR);
	}
	CU_ASSERT_EQUAL(air.n_parts, 4);
	CU_ASSERT_EQUAL(centre_counts(centre)->protocol_errors, 0);
	end();
}

static void throttles_within_a_second(void)
{
	settings.throttle_per_s = 2;
	begin();
	submit("one", 0);
	submit("two", 0);
	CU_ASSERT_EQUAL(sessions[0].status, ESME_ROK);
	submit("three", 0);
	CU_ASSERT_EQUAL(sessions[0].status, ESME_RTHROTTLED);
	CU_ASSERT_EQUAL(air.n_parts, 2);
	wait_ms(1000);
	submit("four", 0);
	CU_ASSERT_EQUAL(sessions[0].status, ESME_ROK);
	end();
}

static void loses_each_nth_receipt(void)
{
	settings.drop_receipt_every = 2;
	begin();
	for (int i = 1; i <= 4; i++) {
		submit("Hello", 1);
		CU_ASSERT_EQUAL(sessions[1].delivery != NULL, i % 2 == 1);
		if (sessions[1].delivery)
			take(ESME_ROK);
	}
	CU_ASSERT_EQUAL(air.n_parts, 4);
	end();
}

static void repeats_each_nth_receipt(void)
{
	settings.repeat_receipt_every = 2;
	begin();
	for (int i = 1; i <= 4; i++) {
		submit("Hello", 1);
		take(ESME_ROK);
		CU_ASSERT_EQUAL(sessions[1].delivery != NULL, i % 2 == 0);
		if (sessions[1].delivery)
			take(ESME_ROK);
	}
	CU_ASSERT_EQUAL(centre_counts(centre)->receipts, 6);
	end();
}

static void writes_ids_in_the_base_of_each(void)
{
	static const struct {
		int64_t hex_ids;
		const char *answer, *receipt;
	} cases[] = {
		{ 0, "1", "id:1 " },
		{ 1, "a", "id:10 " },
		{ 2, "10", "id:a " },
		{ 3, "a", "id:a " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		settings.hex_ids = cases[i].hex_ids;
		begin();
		submit("Hello", 1);
		CU_ASSERT_STRING_EQUAL(sessions[0].id, cases[i].answer);
		CU_ASSERT(receipt_says(cases[i].receipt));
		end();
	}
}

static void answers_after_its_latency(void)
{
	settings.latency_ms = LATE;
	begin();
	submit("Hello", 0);
	CU_ASSERT_EQUAL(sessions[0].answered, 0);
	CU_ASSERT_EQUAL(air.n_parts, 0);
	wait_ms(2 * LATE);
	CU_ASSERT_EQUAL(sessions[0].answered, 1);
	CU_ASSERT_EQUAL(air.n_parts, 1);
	end();
}

/* Without an answer the client has not handed the message over, and sends it again. */
static void drops_what_a_link_did_not_live_to_hear_of(void)
{
	settings.latency_ms = LATE;
	begin();
	submit("Hello", 1);
	centre_session_ended(centre, &sessions[0]);
	wait_ms(2 * LATE);
	CU_ASSERT_EQUAL(air.n_parts, 0);
	CU_ASSERT_EQUAL(centre_counts(centre)->submitted, 0);
	end();
}

static void sends_receipts_late(void)
{
	settings.late_receipt_ms = LATE;
	begin();
	submit("Hello", 1);
	CU_ASSERT_EQUAL(air.n_parts, 1);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	wait_ms(2 * LATE);
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	end();
}

/* A receipt that the link did not take waits for the next; the order stays. */
static void keeps_receipts_for_the_next_link(void)
{
	struct delivery *delivery;

	begin();
	submit("one", 1);
	submit("two", 1);
	delivery = sessions[1].delivery;
	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	uint64_t first = delivery->id;
	sessions[1].delivery = NULL;
	sessions[1].can_take = false;
	centre_undelivered(centre, delivery);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	sessions[1].can_take = true;
	centre_pump(centre);
	CU_ASSERT_EQUAL(sessions[1].delivery->id, first);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(sessions[1].delivery->id, first + 1);
	end();
}

static struct sms from_handset(void)
{
	struct sms sms = { .from = TO, .to = FROM, .n = 3 };

	memcpy(sms.bytes, "YES", 3);
	return sms;
}

static void brings_a_handset_s_message_to_the_client(void)
{
	struct sms sms = from_handset();

	begin();
	centre_originate(centre, 42, &sms);
	CU_ASSERT_EQUAL(air.n_sent, 0);
	CU_ASSERT_FALSE(sessions[1].delivery->is_receipt);
	CU_ASSERT_STRING_EQUAL(sessions[1].delivery->sms.from, TO);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(air.n_sent, 1);
	CU_ASSERT_EQUAL(air.sent_handset, 42);
	CU_ASSERT_EQUAL(centre_counts(centre)->originated, 1);
	end();
}

static void tells_a_handset_why_not(void)
{
	struct sms sms = from_handset();
	struct delivery *delivery;

	begin();
	centre_originate(centre, 42, &sms);
	take(ESME_RSYSERR);
	CU_ASSERT_STRING_EQUAL(air.not_sent, "rejected");
	centre_originate(centre, 42, &sms);
	delivery = sessions[1].delivery;
	sessions[1].delivery = NULL;
	centre_undelivered(centre, delivery);
	CU_ASSERT_STRING_EQUAL(air.not_sent, "no_answer");
	sessions[1].is_receiver = sessions[1].can_take = false;
	centre_originate(centre, 42, &sms);
	CU_ASSERT_STRING_EQUAL(air.not_sent, "no_client");
	CU_ASSERT_EQUAL(air.n_sent, 0);
	CU_ASSERT_EQUAL(centre_counts(centre)->originated, 0);
	end();
}

static void has_a_handset_wait_for_a_full_window(void)
{
	struct sms sms = from_handset();
	struct delivery *delivery;

	begin();
	sessions[1].can_take = false;
	centre_originate(centre, 42, &sms);
	centre_originate(centre, 43, &sms);
	centre_originate(centre, 44, &sms);
	CU_ASSERT_STRING_EQUAL(air.not_sent, "");
	sessions[1].can_take = true;
	centre_pump(centre);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(air.n_sent, 1);
	CU_ASSERT_EQUAL(air.sent_handset, 42);
	/* The second is under way; the third waits no longer than the link lives. */
	delivery = sessions[1].delivery;
	sessions[1].delivery = NULL;
	centre_session_ended(centre, &sessions[1]);
	CU_ASSERT_STRING_EQUAL(air.not_sent, "no_answer");
	centre_undelivered(centre, delivery);
	end();
}

TEST_MAIN("smscsim_centre", TEST(lets_in_who_knows_the_password),
	  TEST(brings_a_message_to_its_handset),
	  TEST(sends_the_receipt_that_was_asked_for),
	  TEST(keeps_messages_until_there_is_coverage),
	  TEST(brings_no_more_than_the_handset_takes),
	  TEST(fails_what_no_mailbox_has_room_for), TEST(delivers_to_nobody_for_load),
	  TEST(refuses_what_breaks_the_rules), TEST(makes_the_faults_it_was_told_to),
	  TEST(throttles_within_a_second), TEST(loses_each_nth_receipt),
	  TEST(repeats_each_nth_receipt), TEST(writes_ids_in_the_base_of_each),
	  TEST(answers_after_its_latency),
	  TEST(drops_what_a_link_did_not_live_to_hear_of), TEST(sends_receipts_late),
	  TEST(keeps_receipts_for_the_next_link),
	  TEST(brings_a_handset_s_message_to_the_client), TEST(tells_a_handset_why_not),
	  TEST(has_a_handset_wait_for_a_full_window))
