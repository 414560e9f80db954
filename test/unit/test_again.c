/*
 * An item that failed is sent again, or given up: a whole handset, and a server that is
 * played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#include "contrib/handset/again.h"

#define MODULE                                    \
	"#!/bin/sh\n"                             \
	"case $1 in --self-test) exit 0;; esac\n" \
	"echo callscreen 1.0\n"
#define DAMAGED "#!/bin/sh\necho callscreen 1.o\n"

/* The handset has content that is not what was promised, and asks its user. */
static void ask(void)
{
	stage_begin(false);
	stage.config.again_limit_ms = 60000;
	stage_order();
	stage_answer(201,
		     stage_request("accepted", stage_item("ready", "module", MODULE)));
	stage_turn();
	stage_send_content(MODULE, DAMAGED);
	STAGE_STATE(STATE_ASKING);
}

static void expect_retransmission(int attempt)
{
	char target[192], body[128];

	snprintf(target, sizeof(target), "/v1/requests/%s/retransmission",
		 stage.handset->journal.id);
	snprintf(body, sizeof(body),
		 "{\"item\":\"callscreen\",\"attempt\":%d,"
		 "\"reason\":\"digest_mismatch\"}",
		 attempt);
	STAGE_STATE(STATE_RETRANSMITTING);
	STAGE_EXPECT(HTTP_POST, target);
	CU_ASSERT_STRING_EQUAL(stage_call()->body, body);
}

static void expect_failed_result(void)
{
	STAGE_STATE(STATE_CONFIRMING);
	CU_ASSERT_EQUAL(stage_call()->method, HTTP_PUT);
	CU_ASSERT_STRING_EQUAL(
		stage_call()->body,
		"{\"result\":\"failed\",\"reason\":\"digest_mismatch\"}");
}

/* The item as the server has it after this many retransmissions. */
static const char *item_sent_again(int times)
{
	static char json[600];
	const char *item = stage_item("delivering", "module", MODULE);

	snprintf(json, sizeof(json), "%.*s,\"retransmissions\":%d}]",
		 (int)strlen(item) - 2, item, times);
	return json;
}

static void what_was_damaged_is_sent_again_from_its_beginning(void)
{
	ask();
	CU_ASSERT(stage_shows("Call screen 1.0"));
	CU_ASSERT(stage_shows("Shall it be sent again?"));
	handset_press(stage.handset, KEY_SOFT1);
	expect_retransmission(1);
	stage_answer(200, stage_request("delivering", item_sent_again(1)));
	STAGE_STATE(STATE_FETCHING);
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->range, "");
	stage_send_content(MODULE, MODULE);
	stage_until(STATE_CONFIRMING);
	CU_ASSERT_STRING_EQUAL(stage_call()->body,
			       "{\"result\":\"installed\",\"version\":\"1.0\"}");
	stage_end();
}

static void attempts_are_counted_as_the_server_counts_them(void)
{
	ask();
	handset_press(stage.handset, KEY_SOFT1);
	stage_answer(200, stage_request("delivering", item_sent_again(2)));
	stage_turn();
	stage_send_content(MODULE, DAMAGED);
	handset_press(stage.handset, KEY_OK);
	expect_retransmission(3);
	stage_end();
}

static void the_user_may_give_up(void)
{
	ask();
	handset_press(stage.handset, KEY_SOFT2);
	expect_failed_result();
	/* Too late: nothing is asked any more. */
	again_decide(stage.handset, true);
	expect_failed_result();
	stage_end();
}

static void who_says_nothing_gives_up(void)
{
	ask();
	stage_end();
	stage_begin(false);
	stage.config.again_limit_ms = 1;
	stage_order();
	stage_answer(201,
		     stage_request("accepted", stage_item("ready", "module", MODULE)));
	stage_turn();
	stage_send_content(MODULE, DAMAGED);
	stage_until(STATE_CONFIRMING);
	expect_failed_result();
	stage_end();
}

/* The server has let it fail: how the request goes on stands in the request. */
static void over_the_cap_the_request_tells_how_it_goes_on(void)
{
	ask();
	handset_press(stage.handset, KEY_SOFT1);
	stage_answer(409, "{\"reason\":\"retransmission_limit\"}");
	STAGE_STATE(STATE_SETTLING);
	stage_turn();
	CU_ASSERT_EQUAL(stage_call()->method, HTTP_GET);
	stage_answer(200, stage_request("failed", ",\"reason\":\"no_item_installed\""));
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "no_item_installed");
	stage_end();
}

static void what_the_server_does_not_give_is_not_asked_for_again(void)
{
	CU_ASSERT(again_may_help("digest_mismatch"));
	CU_ASSERT(again_may_help("self_test_failed"));
	CU_ASSERT_FALSE(again_may_help("download_failed"));
	CU_ASSERT_FALSE(again_may_help(""));
}

TEST_MAIN("again", TEST(what_was_damaged_is_sent_again_from_its_beginning),
	  TEST(attempts_are_counted_as_the_server_counts_them),
	  TEST(the_user_may_give_up), TEST(who_says_nothing_gives_up),
	  TEST(over_the_cap_the_request_tells_how_it_goes_on),
	  TEST(what_the_server_does_not_give_is_not_asked_for_again))
