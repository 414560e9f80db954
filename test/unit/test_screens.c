/*
 * What the screens show and what their keys do, from the menu to the end of a request;
 * the server is played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

static void press(enum key key)
{
	handset_press(stage.handset, key);
}

static void expect_screen(enum screen screen)
{
	CU_ASSERT_STRING_EQUAL(screen_name(stage.handset->screen), screen_name(screen));
}

static void has_a_name_for_each_screen(void)
{
	enum screen found;

	for (int i = 0; i < SCREEN_N; i++) {
		CU_ASSERT_FATAL(screen_name((enum screen)i) != NULL);
		CU_ASSERT(screen_parse(slice_of(screen_name((enum screen)i)), &found));
		CU_ASSERT_EQUAL(found, i);
	}
	CU_ASSERT(screen_parse(SLICE("terms"), &found));
	CU_ASSERT_EQUAL(found, SCREEN_TERMS);
	CU_ASSERT_FALSE(screen_parse(SLICE("TERM"), &found));
}

static void says_how_far_the_start_is(void)
{
	stage_begin(false);
	expect_screen(SCREEN_OFF);
	handset_power_on(stage.handset);
	expect_screen(SCREEN_STARTING);
	CU_ASSERT(stage_shows("Looking for the network"));
	stage.on_progress(stage.progress_arg, SESSION_CONNECTED);
	CU_ASSERT(stage_shows("proves itself"));
	stage_answer(0, NULL);
	CU_ASSERT(stage_shows("The server is genuine."));
	stage_end();
}

/* Numbers, and the marker with OK, lead into each list; BACK leads out. */
static void leads_from_the_menu_into_each_list(void)
{
	static const enum screen lists[] = { SCREEN_PACKAGES, SCREEN_FEATURES,
					     SCREEN_SERVICES };

	stage_begin(false);
	stage_choose();
	for (int i = 0; i < 3; i++) {
		expect_screen(SCREEN_MENU);
		press((enum key)(KEY_1 + i));
		expect_screen(lists[i]);
		press(KEY_BACK);
		for (int j = 0; j < i; j++)
			press(KEY_DOWN);
		press(KEY_OK);
		expect_screen(lists[i]);
		press(KEY_SOFT2);
	}
	press(KEY_4);
	expect_screen(SCREEN_MENU);
	CU_ASSERT_FALSE(stage.is_closed);
	press(KEY_SOFT2);
	CU_ASSERT(stage.is_closed);
	stage_end();
}

static void says_what_cannot_be_ordered(void)
{
	stage_begin(false);
	stage_choose();
	press(KEY_1);
	CU_ASSERT(stage_shows("1 packages are offered"));
	press(KEY_OK);
	press(KEY_3);
	CU_ASSERT(stage_shows("No services are offered"));
	stage_end();
}

static void ticks_features_and_takes_the_ticks_away(void)
{
	stage_begin(false);
	stage_choose();
	press(KEY_2);
	CU_ASSERT(stage_shows("[ ] Call screen 1.0"));
	CU_ASSERT(stage_shows("Shows who calls."));
	press(KEY_1);
	CU_ASSERT(stage_shows("[x] Call screen 1.0"));
	press(KEY_1);
	CU_ASSERT(stage_shows("[ ] Call screen 1.0"));
	/* OK alone orders what the marker is on. */
	press(KEY_OK);
	expect_screen(SCREEN_FORM);
	CU_ASSERT(stage.handset->is_ticked[0]);
	stage_end();
}

/* OK orders what is ticked, wherever the marker is. */
static void orders_what_is_ticked(void)
{
	stage_begin(false);
	stage_choose();
	press(KEY_2);
	press(KEY_1);
	press(KEY_DOWN);
	press(KEY_OK);
	expect_screen(SCREEN_FORM);
	CU_ASSERT(stage.handset->is_ticked[0]);
	CU_ASSERT_FALSE(stage.handset->is_ticked[1]);
	stage_end();
}

static void orders_nothing_from_another_server(void)
{
	stage_begin(false);
	stage_choose();
	press(KEY_2);
	press(KEY_2);
	CU_ASSERT(stage_shows("another provisioning server"));
	CU_ASSERT(stage_shows("[ ] Elsewhere 2.0"));
	press(KEY_DOWN);
	press(KEY_OK);
	expect_screen(SCREEN_FEATURES);
	CU_ASSERT_FALSE(stage.handset->is_ticked[1]);
	press(KEY_9);
	expect_screen(SCREEN_FEATURES);
	stage_end();
}

/* OK on the form goes to what is missing, says what is wrong, and sends at last. */
static void sends_no_form_that_is_not_whole(void)
{
	stage_begin(false);
	stage_choose();
	press(KEY_2);
	press(KEY_OK);
	CU_ASSERT(screens_want_text(stage.handset));
	stage_type(FORM_GIVEN_NAME, "Ada");
	press(KEY_OK);
	expect_screen(SCREEN_FORM);
	CU_ASSERT_EQUAL(screens_field(stage.handset), FORM_FAMILY_NAME);
	CU_ASSERT_STRING_EQUAL(stage.handset->notice, "");
	press(KEY_OK);
	CU_ASSERT_STRING_NOT_EQUAL(stage.handset->notice, "");
	stage_type(FORM_FAMILY_NAME, "Lovelace");
	stage_type(FORM_POSTCODE, "N1 9GU");
	stage_type(FORM_REFERENCE, "4111-1111-1111-1111");
	press(KEY_OK);
	expect_screen(SCREEN_FORM);
	CU_ASSERT_EQUAL(screens_field(stage.handset), FORM_REFERENCE);
	CU_ASSERT_STRING_NOT_EQUAL(stage.handset->notice, "");
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	stage_type(FORM_REFERENCE, "acct-4711");
	press(KEY_BACK);
	expect_screen(SCREEN_FEATURES);
	CU_ASSERT_FALSE(screens_want_text(stage.handset));
	press(KEY_OK);
	press(KEY_OK);
	STAGE_STATE(STATE_REQUESTING);
	stage_end();
}

static void says_in_words_what_is_waited_for(void)
{
	stage_begin(false);
	stage_order();
	expect_screen(SCREEN_WAITING);
	CU_ASSERT(stage_shows("Your request is being sent."));
	stage_answer(201, stage_request("verifying", ""));
	CU_ASSERT(stage_shows(words_state(SLICE("verifying"))));
	stage_turn();
	stage_answer(200, stage_request("offered", stage_offer("The terms.")));
	CU_ASSERT(stage_shows("on their way to you in a message"));
	stage_end();
}

/* From the answer that is on its way back to the terms, and to the other answer. */
static void goes_back_to_the_terms(void)
{
	stage_begin(true);
	stage_order();
	stage_answer(201, stage_request("offered", stage_offer("The terms.")));
	stage_receive("The terms.\nReply YES 4711 or NO 4711");
	expect_screen(SCREEN_TERMS);
	press(KEY_YES);
	expect_screen(SCREEN_WAITING);
	CU_ASSERT(stage_shows("Your answer is on its way."));
	CU_ASSERT(stage_shows("Reply YES 4711 or NO 4711"));
	press(KEY_BACK);
	expect_screen(SCREEN_TERMS);
	CU_ASSERT_FALSE(stage.is_closed);
	press(KEY_NO);
	CU_ASSERT_STRING_EQUAL(stage.sent, "NO 4711");
	stage_end();
}

static void says_why_it_did_not_happen(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201,
		     stage_request("refused",
				   ",\"reason\":\"user_unknown\",\"items\":[{\"id\":"
				   "\"callscreen\",\"state\":\"unavailable\","
				   "\"reason\":\"feature_unknown\"}]"));
	expect_screen(SCREEN_ENDED);
	CU_ASSERT(stage_shows("(user_unknown)"));
	CU_ASSERT(stage_shows("Call screen"));
	CU_ASSERT(stage_shows(words_sentence(SLICE("feature_unknown"))));
	CU_ASSERT(stage_shows("Customer care: +447700900999"));
	CU_ASSERT(stage_shows("https://care.example.com/"));
	press(KEY_1);
	CU_ASSERT_FALSE(stage.is_closed);
	press(KEY_OK);
	CU_ASSERT(stage.is_closed);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "user_unknown");
	stage_end();
}

/* MENU from anywhere, and back to where it was. */
static void shows_the_phone_itself(void)
{
	stage_begin(true);
	stage_choose();
	press(KEY_2);
	press(KEY_MENU);
	expect_screen(SCREEN_PHONE);
	CU_ASSERT(stage_shows("Number: +447700900001"));
	CU_ASSERT(stage_shows("Standing: unprovisioned"));
	CU_ASSERT(stage_shows("in coverage"));
	CU_ASSERT(stage_shows("Messages: 0"));
	stage_receive("Hello.");
	CU_ASSERT(stage_shows("Messages: 1"));
	CU_ASSERT(stage_shows("Hello."));
	press(KEY_BACK);
	expect_screen(SCREEN_MENU);
	stage_end();
}

static void draws_over_the_screen_before_on_a_terminal(void)
{
	char *drawn = NULL;
	size_t n;

	stage_begin(false);
	stage.handset->display = open_memstream(&drawn, &n);
	stage.handset->footer = "KEYS";
	handset_power_on(stage.handset);
	fclose(stage.handset->display);
	stage.handset->display = NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(drawn);
	CU_ASSERT(strncmp(drawn, "\033[H\033[J", 6) == 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(drawn, "Looking for the network"));
	CU_ASSERT_STRING_EQUAL(drawn + n - 4, "KEYS");
	free(drawn);
	stage_end();
}

TEST_MAIN("screens", TEST(has_a_name_for_each_screen), TEST(says_how_far_the_start_is),
	  TEST(leads_from_the_menu_into_each_list), TEST(says_what_cannot_be_ordered),
	  TEST(ticks_features_and_takes_the_ticks_away), TEST(orders_what_is_ticked),
	  TEST(orders_nothing_from_another_server),
	  TEST(sends_no_form_that_is_not_whole), TEST(says_in_words_what_is_waited_for),
	  TEST(goes_back_to_the_terms), TEST(says_why_it_did_not_happen),
	  TEST(shows_the_phone_itself),
	  TEST(draws_over_the_screen_before_on_a_terminal))
