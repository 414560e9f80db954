#include "contrib/smscsim/centre.h"

#include "test/unit/centre_stage.h"

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
	  TEST(keeps_messages_until_there_is_coverage),
	  TEST(brings_no_more_than_the_handset_takes),
	  TEST(fails_what_no_mailbox_has_room_for), TEST(delivers_to_nobody_for_load),
	  TEST(refuses_what_breaks_the_rules), TEST(makes_the_faults_it_was_told_to),
	  TEST(throttles_within_a_second), TEST(answers_after_its_latency),
	  TEST(drops_what_a_link_did_not_live_to_hear_of),
	  TEST(brings_a_handset_s_message_to_the_client), TEST(tells_a_handset_why_not),
	  TEST(has_a_handset_wait_for_a_full_window))
