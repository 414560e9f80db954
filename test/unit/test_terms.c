/*
 * How terms reach the user, and the answer the server: by short message or over the
 * wide band, both played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#define TERMS "Pay 5 a month.\nOr do not."

static void offer(bool has_radio)
{
	stage_begin(has_radio);
	stage_order();
	stage_answer(201, stage_request("offered", stage_offer(TERMS)));
	STAGE_STATE(STATE_OFFERED);
}

/* The poll that begins an offer; it is the user's turn, so the server need not wait. */
static void answer_poll(void)
{
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->prefer, "");
	stage_answer(304, "");
}

static void offer_by_sms(void)
{
	offer(true);
	answer_poll();
	stage_receive(TERMS "\nReply YES 4711 or NO 4711");
	STAGE_STATE(STATE_DECIDING);
}

static void shows_the_terms_of_this_offer_alone(void)
{
	offer(true);
	stage_receive("Other terms.\nReply YES 4711 or NO 4711");
	STAGE_STATE(STATE_OFFERED);
	/* The same terms of another offer: its code has another end. */
	stage_receive(TERMS "\nReply YES 4799 or NO 4799");
	STAGE_STATE(STATE_OFFERED);
	stage_receive(TERMS "\nReply YES 4711 or NO 4711");
	STAGE_STATE(STATE_DECIDING);
	CU_ASSERT_STRING_EQUAL(stage.handset->terms.text, TERMS);
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_TERMS);
	CU_ASSERT(stage_shows("Pay 5 a month."));
	CU_ASSERT(stage_shows("YES sends"));
	stage_end();
}

static void answers_by_message_to_the_sender(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_YES);
	STAGE_STATE(STATE_ANSWERED);
	CU_ASSERT_STRING_EQUAL(stage.sent_to, STAGE_SENDER);
	CU_ASSERT_STRING_EQUAL(stage.sent, "YES 4711");
	stage_end();
}

static void declines_by_message(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_NO);
	CU_ASSERT_STRING_EQUAL(stage.sent, "NO 4711");
	stage_turn();
	stage_answer(200, stage_request("declined", ""));
	STAGE_STATE(STATE_DECLINED);
	stage_end();
}

/* Messages get lost: the same answer again, a few times, while the offer is open. */
static void repeats_the_answer_a_few_times(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_YES);
	for (int i = 0; i < 40; i++) {
		stage_turn();
		usleep(5000);
	}
	CU_ASSERT_EQUAL(stage.n_sent, 1 + stage.config.retries);
	CU_ASSERT_STRING_EQUAL(stage.sent, "YES 4711");
	stage_end();
}

static void does_not_repeat_what_was_heard(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_YES);
	stage_turn();
	stage_answer(200, stage_request("accepted", ""));
	STAGE_STATE(STATE_SETTLING);
	for (int i = 0; i < 10; i++) {
		stage_turn();
		usleep(5000);
	}
	CU_ASSERT_EQUAL(stage.n_sent, 1);
	stage_end();
}

static void says_that_the_message_could_not_be_sent(void)
{
	offer_by_sms();
	stage.is_radio_busy = true;
	handset_press(stage.handset, KEY_YES);
	STAGE_STATE(STATE_DECIDING);
	CU_ASSERT(stage_shows("could not be sent"));
	stage.is_radio_busy = false;
	handset_press(stage.handset, KEY_YES);
	STAGE_STATE(STATE_ANSWERED);
	stage.radio.on_sent(stage.radio.arg, "no_coverage");
	STAGE_STATE(STATE_DECIDING);
	CU_ASSERT(stage_shows("no_coverage"));
	stage_end();
}

static void takes_a_sent_message_as_no_answer_yet(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_YES);
	stage.radio.on_sent(stage.radio.arg, NULL);
	STAGE_STATE(STATE_ANSWERED);
	/* A late error of an answer that was heard changes nothing. */
	stage_turn();
	stage_answer(200, stage_request("done", ""));
	stage.radio.on_sent(stage.radio.arg, "no_coverage");
	STAGE_STATE(STATE_DONE);
	stage_end();
}

/* Reads the terms over the wide band, and answers there. */
static void read_online(const char *text)
{
	char json[256], target[192];

	handset_press(stage.handset, KEY_SOFT1);
	snprintf(target, sizeof(target), "/v1/requests/%s/terms",
		 stage.handset->journal.id);
	STAGE_EXPECT(HTTP_GET, target);
	snprintf(json, sizeof(json), "{\"text\":\"%s\"}", text);
	stage_answer(200, json);
}

static void answers_over_the_wide_band_what_was_read_there(void)
{
	char target[192], digest[2 * SHA256_BYTES + 1];

	offer(false);
	answer_poll();
	read_online("Pay 5 a month.\\nOr do not.");
	STAGE_STATE(STATE_DECIDING);
	CU_ASSERT(stage_shows("Press YES or NO."));
	handset_press(stage.handset, KEY_YES);
	STAGE_STATE(STATE_ANSWERED);
	CU_ASSERT_EQUAL(stage.n_sent, 0);
	snprintf(target, sizeof(target), "/v1/requests/%s/answer",
		 stage.handset->journal.id);
	STAGE_EXPECT(HTTP_PUT, target);
	hex_encode(slice_make(stage.handset->request.terms_sha256, SHA256_BYTES),
		   digest);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_call()->body, "\"answer\":\"accept\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_call()->body, digest));
	stage_answer(200, stage_request("accepted", ""));
	STAGE_STATE(STATE_SETTLING);
	stage_end();
}

/* What the user would accept is not what the server has stored. */
static void shows_no_terms_with_another_digest(void)
{
	offer(false);
	answer_poll();
	read_online("Pay 50 a month.\\nOr do not.");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "terms_mismatch");
	stage_end();
}

static void explains_an_answer_that_was_refused(void)
{
	offer_by_sms();
	handset_press(stage.handset, KEY_SOFT2);
	STAGE_STATE(STATE_ANSWERED);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_call()->body, "\"answer\":\"decline\""));
	stage_answer(409, "{\"reason\":\"terms_mismatch\"}");
	STAGE_STATE(STATE_ANSWERED);
	CU_ASSERT_STRING_EQUAL(stage.handset->notice,
			       words_sentence(SLICE("terms_mismatch")));
	stage_end();
}

/* The message came first; what was read online meanwhile is not needed any more. */
static void keeps_the_terms_that_came_first(void)
{
	offer(true);
	answer_poll();
	handset_press(stage.handset, KEY_SOFT1);
	stage_receive(TERMS "\nReply YES 4711 or NO 4711");
	STAGE_STATE(STATE_DECIDING);
	stage_answer(200, "{\"text\":\"Other terms.\"}");
	STAGE_STATE(STATE_DECIDING);
	CU_ASSERT_STRING_EQUAL(stage.handset->terms.text, TERMS);
	stage_end();
}

/* Terms that come when the offer is over change nothing. */
static void ignores_terms_that_come_late(void)
{
	offer(false);
	answer_poll();
	handset_press(stage.handset, KEY_SOFT1);
	handset_fail(stage.handset, "reset");
	stage_answer(200, "{\"text\":\"Pay 5 a month.\\nOr do not.\"}");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "reset");
	stage_end();
}

TEST_MAIN("terms", TEST(shows_the_terms_of_this_offer_alone),
	  TEST(answers_by_message_to_the_sender), TEST(declines_by_message),
	  TEST(repeats_the_answer_a_few_times), TEST(does_not_repeat_what_was_heard),
	  TEST(says_that_the_message_could_not_be_sent),
	  TEST(takes_a_sent_message_as_no_answer_yet),
	  TEST(answers_over_the_wide_band_what_was_read_there),
	  TEST(shows_no_terms_with_another_digest),
	  TEST(explains_an_answer_that_was_refused),
	  TEST(keeps_the_terms_that_came_first), TEST(ignores_terms_that_come_late))
