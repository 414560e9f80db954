/*
 * One item from its download to its confirmation: a real storage and real programs, and
 * a server that is played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#include "contrib/handset/deliver.h"

#define MODULE                                    \
	"#!/bin/sh\n"                             \
	"case $1 in --self-test) exit 0;; esac\n" \
	"echo callscreen 1.0\n"
#define KEY_FILE "{\"key\":\"1\"}"

/* Everything up to an accepted request with one item. */
static void accept_item(const char *kind, const char *content)
{
	stage_begin(false);
	stage_order();
	stage_answer(201,
		     stage_request("accepted", stage_item("ready", kind, content)));
	STAGE_STATE(STATE_FETCHING);
	stage_turn();
}

static void install(const char *kind, const char *content)
{
	accept_item(kind, content);
	stage_send_content(content, content);
	STAGE_STATE(STATE_INSTALLING);
	stage_until(STATE_CONFIRMING);
}

/* The result that goes out; of what failed nothing is left in the storage. */
static void expect_result(const char *body)
{
	bool is_installed = strstr(body, "\"installed\"") != NULL;
	char target[192], staged[STORAGE_PATH_BYTES];
	struct install_item found;

	snprintf(target, sizeof(target), "/v1/requests/%s/items/callscreen/result",
		 stage.handset->journal.id);
	STAGE_EXPECT(HTTP_PUT, target);
	CU_ASSERT_STRING_EQUAL(stage_call()->body, body);
	CU_ASSERT_EQUAL(install_current("callscreen", &found), is_installed);
	CU_ASSERT(install_staged_path(&stage.handset->item.what, staged));
	CU_ASSERT_EQUAL(access(staged, F_OK) == 0, is_installed);
}

static void make_resident(const char *status_script)
{
	CU_ASSERT(mkdir("resident/callscreen", 0700) == 0);
	CU_ASSERT(storage_write("resident/callscreen/program", slice_of(status_script),
				0700));
}

static void installs_tests_and_confirms_a_module(void)
{
	install("module", MODULE);
	expect_result("{\"result\":\"installed\",\"version\":\"1.0\"}");
	stage_answer(200,
		     stage_request("done", stage_item("installed", "module", MODULE)));
	STAGE_STATE(STATE_DONE);
	CU_ASSERT(stage_shows("Call screen 1.0"));
	stage_end();
}

/* Each module that does not do what it must: the old state stays, the server hears. */
static void refuses_modules_that_do_not_work(void)
{
	static const char *const bad[] = {
		/* its self-test fails */
		"#!/bin/sh\ncase $1 in --self-test) exit 1;; esac\necho x 1.0\n",
		/* it is another version */
		"#!/bin/sh\necho callscreen 1.1\n",
		/* which ends in the same characters */
		"#!/bin/sh\necho callscreen 11.0\n",
		/* and nothing but the version is no answer either */
		"#!/bin/sh\necho 1.0\n",
		/* it dies */
		"#!/bin/sh\nkill -9 $$\n",
		/* it is no program */
		"\001\002\003",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		install("module", bad[i]);
		expect_result(
			"{\"result\":\"failed\",\"reason\":\"self_test_failed\"}");
		stage_end();
	}
}

static void kills_a_module_that_does_not_end(void)
{
	stage_begin(false);
	stage.config.test_limit_ms = 50;
	stage_order();
	stage_answer(201,
		     stage_request("accepted", stage_item("ready", "module",
							  "#!/bin/sh\nsleep 60\n")));
	stage_turn();
	stage_send_content("#!/bin/sh\nsleep 60\n", "#!/bin/sh\nsleep 60\n");
	stage_until(STATE_CONFIRMING);
	expect_result("{\"result\":\"failed\",\"reason\":\"self_test_failed\"}");
	stage_end();
}

/* What was not promised is never run: this one would say so in a file. */
static void runs_nothing_that_has_another_digest(void)
{
	accept_item("module", MODULE);
	stage_send_content(MODULE, "#!/bin/sh\necho callscreen 1.0 > ran\n");
	stage_until(STATE_CONFIRMING);
	expect_result("{\"result\":\"failed\",\"reason\":\"digest_mismatch\"}");
	CU_ASSERT(access("ran", F_OK) != 0);
	stage_end();
}

static void switches_a_resident_feature_on(void)
{
	stage_begin(false);
	make_resident("#!/bin/sh\n[ \"$1\" = --status ] && [ -s \"$2\" ] && echo on\n");
	stage_order();
	stage_answer(201, stage_request("accepted",
					stage_item("ready", "activation", KEY_FILE)));
	stage_turn();
	stage_send_content(KEY_FILE, KEY_FILE);
	stage_until(STATE_CONFIRMING);
	expect_result("{\"result\":\"installed\",\"version\":\"1.0\"}");
	stage_end();
}

static void refuses_what_does_not_switch_it_on(void)
{
	stage_begin(false);
	make_resident("#!/bin/sh\necho off\n");
	stage_order();
	stage_answer(201, stage_request("accepted",
					stage_item("ready", "activation", KEY_FILE)));
	stage_turn();
	stage_send_content(KEY_FILE, KEY_FILE);
	stage_until(STATE_CONFIRMING);
	expect_result("{\"result\":\"failed\",\"reason\":\"self_test_failed\"}");
	stage_end();
}

static void activates_nothing_that_is_not_there(void)
{
	install("activation", KEY_FILE);
	expect_result("{\"result\":\"failed\",\"reason\":\"install_failed\"}");
	stage_end();
}

/* Reasons of the download: the server knows some; the network's own are no result. */
static void tells_why_a_download_failed(void)
{
	accept_item("module", MODULE);
	stage_answer(404, "{\"reason\":\"content_unknown\"}");
	STAGE_STATE(STATE_CONFIRMING);
	expect_result("{\"result\":\"failed\",\"reason\":\"download_failed\"}");
	stage_end();
}

static void leaves_the_item_to_the_next_power_on_without_network(void)
{
	struct journal journal;

	accept_item("module", MODULE);
	stage_fail("reset");
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "reset");
	CU_ASSERT_FATAL(journal_read(&journal));
	free(journal.body);
	stage_end();
}

/* The server took the result, and still wants the item: that could go on for ever. */
static void does_not_install_the_same_again(void)
{
	install("module", MODULE);
	stage_answer(200, stage_request("delivering",
					stage_item("ready", "module", MODULE)));
	STAGE_STATE(STATE_FAILED);
	CU_ASSERT_STRING_EQUAL(stage.handset->reason, "answer_malformed");
	stage_end();
}

/* The server fetches from elsewhere what was ordered; the others went before. */
static void waits_for_what_is_not_ready_yet(void)
{
	stage_begin(false);
	stage_order();
	stage_answer(201, stage_request("accepted",
					stage_item("requested", "module", MODULE)));
	STAGE_STATE(STATE_SETTLING);
	CU_ASSERT(stage_shows("getting it ready"));
	stage_turn();
	CU_ASSERT_STRING_EQUAL(stage_call()->prefer, "wait=5");
	stage_answer(200,
		     stage_request("accepted", stage_item("ready", "module", MODULE)));
	STAGE_STATE(STATE_FETCHING);
	stage_turn();
	stage_send_content(MODULE, MODULE);
	stage_until(STATE_CONFIRMING);
	expect_result("{\"result\":\"installed\",\"version\":\"1.0\"}");
	stage_end();
}

static void asks_how_it_ended_when_the_result_is_refused(void)
{
	install("module", MODULE);
	stage_answer(409, "{\"reason\":\"request_ended\"}");
	STAGE_STATE(STATE_SETTLING);
	stage_turn();
	CU_ASSERT_EQUAL(stage_call()->method, HTTP_GET);
	stage_end();
}

TEST_MAIN("deliver", TEST(installs_tests_and_confirms_a_module),
	  TEST(refuses_modules_that_do_not_work),
	  TEST(kills_a_module_that_does_not_end),
	  TEST(runs_nothing_that_has_another_digest),
	  TEST(switches_a_resident_feature_on),
	  TEST(refuses_what_does_not_switch_it_on),
	  TEST(activates_nothing_that_is_not_there), TEST(tells_why_a_download_failed),
	  TEST(leaves_the_item_to_the_next_power_on_without_network),
	  TEST(does_not_install_the_same_again), TEST(waits_for_what_is_not_ready_yet),
	  TEST(asks_how_it_ended_when_the_result_is_refused))
