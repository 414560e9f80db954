/*
 * The steps on the wide band, from power on to the end of the request, against a server
 * that is played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#define NO_REASON ""

static void waits_for_the_proof_before_it_says_anything(void)
{
	stage_begin(false);
	handset_power_on(stage.handset);
	STAGE_STATE(STATE_CONNECTING);
	stage.on_progress(stage.progress_arg, SESSION_CONNECTED);
	STAGE_STATE(STATE_SESSION);
	CU_ASSERT_EQUAL(stage.n_calls, 1);
	CU_ASSERT(stage_call()->is_opening);
	stage_fail("proof_signature");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "proof_signature");
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	stage_end();
}

/* Of the calls up to the menu: what is no answer, is none. */
static void ends_when_the_server_says_no_or_nonsense(void)
{
	static const struct {
		unsigned status;
		const char *body, *reason;
	} rows[] = {
		{ 403, "{\"reason\":\"device_blocked\"}", "device_blocked" },
		{ 500, "", "status_unexpected" },
		{ 200, "{}", "answer_malformed" },
		{ 200, "", "answer_malformed" },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		stage_begin(false);
		handset_power_on(stage.handset);
		stage.on_progress(stage.progress_arg, SESSION_CONNECTED);
		stage_answer(0, NULL);
		if (i % 2)
			stage_answer(200, "{\"standing\":\"active\"}");
		stage_answer(rows[i / 2].status, rows[i / 2].body);
		STAGE_STATE(STATE_FAILED);
		CU_ASSERT_STRING_EQUAL(stage.handset->reason, rows[i / 2].reason);
		stage_end();
	}
}

static void ends_when_a_step_takes_too_long(void)
{
	stage_begin(false);
	stage.config.connect_limit_ms = 10;
	handset_power_on(stage.handset);
	stage_until(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "state_limit");
	stage_end();
}

static void sends_what_was_chosen_and_typed(void)
{
	char target[128];

	stage_begin(false);
	stage_order();
	snprintf(target, sizeof(target), "/v1/requests/%s", stage.handset->journal.id);
	CU_ASSERT(uuid_is_valid(slice_of(stage.handset->journal.id)));
	STAGE_EXPECT(HTTP_PUT, target);
	CU_ASSERT_STRING_EQUAL(stage_call()->body, stage.handset->journal.body);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_call()->body, "\"Lovelace\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(stage_call()->body, "\"catalogue\":7"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(stage_call()->body, "\"items\":[\"callscreen\"]"));
	stage_end();
}

/* The id and the bytes are the same after a power cut, so it is the same request. */
static void goes_on_with_the_request_after_a_power_cut(void)
{
	char target[192], body[2048];

	stage_begin(false);
	stage_order();
	snprintf(target, sizeof(target), "%s", stage_call()->target);
	snprintf(body, sizeof(body), "%s", stage_call()->body);
	stage_power_cut();
	stage_power();
	handset_power_on(stage.handset);
	stage.on_progress(stage.progress_arg, SESSION_CONNECTED);
	stage_answer(0, NULL);
	stage_answer(200, "{\"standing\":\"unprovisioned\"}");
	STAGE_STATE(STATE_REQUESTING);
	STAGE_EXPECT(HTTP_PUT, target);
	CU_ASSERT_STRING_EQUAL(stage_call()->body, body);
	stage_end();
}

/* And not once the server will not have it: the user can choose anew. */
static void forgets_a_request_that_was_refused(void)
{
	static const struct {
		unsigned status;
		const char *body;
		enum state state;
		const char *reason;
	} rows[] = {
		{ 422, "{\"reason\":\"catalogue_outdated\"}", STATE_REFUSED,
		  "catalogue_outdated" },
		{ 409, "", STATE_REFUSED, "status_unexpected" },
		{ 403, "{\"reason\":\"device_blocked\"}", STATE_FAILED,
		  "device_blocked" },
		{ 401, "{\"reason\":\"device_unknown\"}", STATE_FAILED,
		  "device_unknown" },
	};
	struct journal journal;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		stage_begin(false);
		stage_order();
		stage_answer(rows[i].status, rows[i].body);
		STAGE_STATE(rows[i].state);
		CU_ASSERT_STRING_EQUAL(stage.handset->reason, rows[i].reason);
		CU_ASSERT_FALSE(journal_read(&journal));
		stage_end();
	}
}

/* Where the network failed, nothing is decided: the request is kept. */
static void keeps_a_request_that_had_no_answer(void)
{
	struct journal journal;

	stage_begin(false);
	stage_order();
	stage_fail("reset");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_FATAL(journal_read(&journal));
	free(journal.body);
	stage_end();
}

static void believes_no_other_request(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201, "{\"id\":\"6f1f0c1e-2a0c-4c5d-9a70-0b0c7f3f0001\","
			  "\"state\":\"done\",\"items\":[]}");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "answer_malformed");
	stage_end();
}

/* Each state of a request that is no end, and each that is one. */
static void goes_where_the_request_leads(void)
{
	static const struct {
		const char *state, *rest;
		enum state to;
		const char *reason;
	} rows[] = {
		{ "received", "", STATE_WAITING, NO_REASON },
		{ "verifying", "", STATE_WAITING, NO_REASON },
		{ "accepted", "", STATE_SETTLING, NO_REASON },
		{ "delivering", "", STATE_SETTLING, NO_REASON },
		{ "done", "", STATE_DONE, NO_REASON },
		{ "declined", "", STATE_DECLINED, NO_REASON },
		{ "refused", ",\"reason\":\"user_unknown\"", STATE_REFUSED,
		  "user_unknown" },
		{ "failed", ",\"reason\":\"install_failed\"", STATE_FAILED,
		  "install_failed" },
		{ "expired", "", STATE_FAILED, "offer_expired" },
		{ "cancelled", "", STATE_FAILED, "cancelled" },
	};
	struct journal journal;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_kept;

		stage_begin(false);
		stage_order();
		stage_answer(201, stage_request(rows[i].state, rows[i].rest));
		STAGE_STATE(rows[i].to);
		CU_ASSERT_STRING_EQUAL(stage.handset->reason, rows[i].reason);
		is_kept = journal_read(&journal);
		CU_ASSERT_EQUAL(is_kept, !state_is_final(rows[i].to));
		if (is_kept)
			free(journal.body);
		stage_end();
	}
}

static void asks_the_server_to_wait_for_news(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201, stage_request("verifying", ""));
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->prefer, "wait=5");
	CU_ASSERT_STRING_EQUAL(stage_call()->etag, "");
	stage_answer_with(200, stage_request("verifying", ""), "ETag", "\"a1\"");
	STAGE_STATE(STATE_WAITING);
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->etag, "\"a1\"");
	CU_ASSERT_EQUAL(stage.n_calls, 1);
	/* It waited: it may be asked again at once. */
	stage_answer_with(304, "", "Preference-Applied", "wait=5");
	stage_turn();
	CU_ASSERT_EQUAL(stage.n_calls, 1);
	stage_end();
}

static void does_not_pester_a_server_that_does_not_wait(void)
{
	stage_begin(false);
	stage.config.poll_delay_ms = 5000;
	stage_order();
	stage_answer(201, stage_request("verifying", ""));
	stage_turn();
	stage_answer(304, "");
	stage_turn();
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	CU_ASSERT(timer_is_pending(&stage.handset->poll));
	stage_end();
}

/* An ETag that would not fit is none: half of one would never match. */
static void keeps_no_half_etag(void)
{
	char etag[HANDSET_ETAG_CHARS + 2];

	memset(etag, 'e', sizeof(etag));
	etag[sizeof(etag) - 1] = '\0';
	stage_begin(false);
	stage_order();
	stage_answer(201, stage_request("verifying", ""));
	stage_turn();
	stage_answer_with(200, stage_request("verifying", ""), "ETag", etag);
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->etag, "");
	stage_end();
}

/* From an offer there is no way back to the time before it. */
static void ends_when_the_request_goes_astray(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201, stage_request("offered", stage_offer("The terms.")));
	STAGE_STATE(STATE_OFFERED);
	stage_turn();
	stage_answer(200, stage_request("received", ""));
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "answer_malformed");
	stage_end();
}

static void asks_nothing_more_when_it_has_ended(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201, stage_request("verifying", ""));
	stage_turn();
	CU_ASSERT_EQUAL(stage.n_calls, 1);
	handset_fail(stage.handset, "reset");
	stage_answer(200, stage_request("done", ""));
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "reset");
	stage_turn();
	CU_ASSERT_EQUAL(stage.n_calls, 0);
	stage_end();
}

TEST_MAIN("provision", TEST(waits_for_the_proof_before_it_says_anything),
	  TEST(ends_when_the_server_says_no_or_nonsense),
	  TEST(ends_when_a_step_takes_too_long), TEST(sends_what_was_chosen_and_typed),
	  TEST(goes_on_with_the_request_after_a_power_cut),
	  TEST(forgets_a_request_that_was_refused),
	  TEST(keeps_a_request_that_had_no_answer), TEST(believes_no_other_request),
	  TEST(goes_where_the_request_leads), TEST(asks_the_server_to_wait_for_news),
	  TEST(does_not_pester_a_server_that_does_not_wait), TEST(keeps_no_half_etag),
	  TEST(ends_when_the_request_goes_astray),
	  TEST(asks_nothing_more_when_it_has_ended))
