/*
 * The user takes the request back, in time and too late; the server is played by
 * handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#include "contrib/handset/cancel.h"
#include "contrib/handset/journal.h"

/* The first call is this one, of the request. */
static void expect_call(enum http_method method)
{
	char target[80];

	snprintf(target, sizeof(target), "/v1/requests/%s", stage.handset->journal.id);
	STAGE_EXPECT(method, target);
}

static void press(enum key key)
{
	handset_press(stage.handset, key);
}

static void expect_screen(enum screen screen)
{
	CU_ASSERT_STRING_EQUAL(screen_name(stage.handset->screen), screen_name(screen));
}

/* A request in this state, and the poll that asks on. */
static void follow(const char *state)
{
	stage_begin(true);
	stage_order();
	CU_ASSERT_FALSE(cancel_is_possible(stage.handset)); /* nobody has it yet */
	press(KEY_SOFT1);
	expect_screen(SCREEN_WAITING);
	stage_answer(201, stage_request(state, strcmp(state, "offered") == 0
						       ? stage_offer("The terms.")
						       : ""));
	stage_turn();
	expect_call(HTTP_GET);
}

/* The poll goes on as it was, the DELETE is the next call. */
static void expect_delete(void)
{
	stage_answer(304, "");
	expect_call(HTTP_DELETE);
	CU_ASSERT_STRING_EQUAL(stage_call()->body, "");
}

static void what_is_cancelled_has_ended_and_is_not_kept(void)
{
	struct journal journal = { 0 };

	follow("verifying");
	press(KEY_SOFT1);
	expect_screen(SCREEN_CANCEL);
	press(KEY_SOFT1);
	expect_screen(SCREEN_WAITING);
	CU_ASSERT(stage_shows("is being cancelled"));
	expect_delete();
	stage_answer(200,
		     stage_request("cancelled", ",\"reason\":\"cancelled_by_device\""));
	STAGE_STATE(STATE_FAILED);
	expect_screen(SCREEN_ENDED);
	CU_ASSERT(stage_shows(words_sentence(SLICE("cancelled_by_device"))));
	CU_ASSERT_FALSE(journal_read(&journal));
	stage_end();
}

static void who_thinks_better_of_it_goes_on(void)
{
	static const enum key keys[] = { KEY_SOFT2, KEY_BACK, KEY_NO };

	follow("verifying");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		press(KEY_NO);
		expect_screen(SCREEN_CANCEL);
		press(keys[i]);
		expect_screen(SCREEN_WAITING);
	}
	CU_ASSERT_EQUAL(stage.n_calls, 1);
	CU_ASSERT_FALSE(stage.is_closed);
	stage_end();
}

static void too_late_is_told_in_words_and_the_request_goes_on(void)
{
	follow("offered");
	press(KEY_SOFT2);
	press(KEY_YES);
	expect_delete();
	stage_answer(409, "{\"reason\":\"cancel_too_late\"}");
	STAGE_STATE(STATE_OFFERED);
	expect_screen(SCREEN_WAITING);
	CU_ASSERT(stage_shows(words_sentence(SLICE("cancel_too_late"))));
	/* And may be asked again. */
	CU_ASSERT(cancel_request(stage.handset));
	expect_call(HTTP_DELETE);
	stage_end();
}

static void it_is_sent_once(void)
{
	follow("offered");
	CU_ASSERT(cancel_request(stage.handset));
	CU_ASSERT(cancel_request(stage.handset));
	CU_ASSERT_EQUAL(stage.n_calls, 2);
	/* The poll may tell first that it was done. */
	stage_answer(200,
		     stage_request("cancelled", ",\"reason\":\"cancelled_by_device\""));
	STAGE_STATE(STATE_FAILED);
	stage_answer(200,
		     stage_request("cancelled", ",\"reason\":\"cancelled_by_device\""));
	STAGE_STATE(STATE_FAILED);
	stage_end();
}

static void an_answer_that_is_on_its_way_may_be_followed_by_a_cancel(void)
{
	follow("offered");
	stage_receive("The terms.\nReply YES 4711 or NO 4711");
	press(KEY_YES);
	expect_screen(SCREEN_WAITING);
	press(KEY_SOFT1);
	expect_screen(SCREEN_CANCEL);
	press(KEY_OK);
	CU_ASSERT(stage_shows("is being cancelled"));
	stage_end();
}

/* What is accepted and not there yet may be cancelled; what is being fetched may not.
 */
static void what_is_being_delivered_is_not_cancelled(void)
{
	static const struct {
		const char *request;
		bool is_possible;
	} rows[] = {
		{ "accepted", true },
		{ "delivering", false },
	};

	for (size_t i = 0; i < 2; i++) {
		stage_begin(false);
		stage_order();
		stage_answer(201, stage_request(rows[i].request,
						",\"items\":[{\"id\":\"callscreen\","
						"\"state\":\"requested\"}]"));
		STAGE_STATE(STATE_SETTLING);
		CU_ASSERT_EQUAL(cancel_is_possible(stage.handset), rows[i].is_possible);
		press(KEY_SOFT1);
		expect_screen(rows[i].is_possible ? SCREEN_CANCEL : SCREEN_PROGRESS);
		CU_ASSERT_EQUAL(cancel_request(stage.handset), rows[i].is_possible);
		stage_end();
	}
}

TEST_MAIN("cancel", TEST(what_is_cancelled_has_ended_and_is_not_kept),
	  TEST(who_thinks_better_of_it_goes_on),
	  TEST(too_late_is_told_in_words_and_the_request_goes_on),
	  TEST(it_is_sent_once),
	  TEST(an_answer_that_is_on_its_way_may_be_followed_by_a_cancel),
	  TEST(what_is_being_delivered_is_not_cancelled))
