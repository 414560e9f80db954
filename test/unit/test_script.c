/*
 * Scripts that use a handset as a person does; the server is played by handset_stage.h.
 */
#include "test/unit/handset_stage.h"

#include <fcntl.h>

#include "contrib/handset/script.h"

static struct script *script;

static void poke(void *arg)
{
	(void)arg;
	script_poke(script);
}

/* A script on a handset that shows the menu; for a file, all of it is there. */
static void begin(const char *text)
{
	stage_begin(true);
	stage_choose();
	CU_ASSERT(storage_write("script", slice_of(text), 0600));
	script = script_new(stage.loop, stage.handset,
			    open("script", O_RDONLY | O_CLOEXEC));
	stage.handset->on_change = poke;
	script_poke(script);
	stage_turn();
}

static void end(void)
{
	script_free(script);
	stage_end();
}

static void presses_types_and_looks(void)
{
	begin("# What a person would do.\n"
	      "\n"
	      "  key 2\n"
	      "expect screen features\n"
	      "key 1\n"
	      "expect text [x] Call screen\n"
	      "key OK\n"
	      "type given_name Ada Augusta\n"
	      "type postcode N1 9GU");
	for (int i = 0; i < 5; i++)
		stage_turn();
	CU_ASSERT_FALSE(script_has_failed(script));
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_FORM);
	CU_ASSERT_STRING_EQUAL(stage.handset->form.values[FORM_GIVEN_NAME],
			       "Ada Augusta");
	/* The last line lacks its newline. */
	CU_ASSERT_STRING_EQUAL(stage.handset->form.values[FORM_POSTCODE], "N1 9GU");
	end();
}

static void waits_until_it_is_so(void)
{
	begin("wait messages 2\nkey 2\nwait state requesting\n");
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_MENU);
	stage_receive("One.");
	stage_turn();
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_MENU);
	stage_receive("Two.");
	stage_turn();
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_FEATURES);
	CU_ASSERT_FALSE(script_has_failed(script));
	CU_ASSERT_FALSE(stage.is_closed);
	end();
}

static void fails_at_what_it_does_not_know(void)
{
	static const char *const bad[] = {
		"jump\n",
		"key F13\n",
		"key\n",
		"wait\n",
		"wait rain\n",
		"wait state dreaming\n",
		"wait screen CINEMA\n",
		"wait messages many\n",
		"wait messages 1001\n",
		"type given_name Ada\n", /* not on this screen */
		"key 2\nkey OK\ntype shoe_size 43\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(bad[i]);
		stage_turn();
		if (!script_has_failed(script))
			fprintf(stderr, "taken: %s\n", bad[i]);
		CU_ASSERT(script_has_failed(script));
		CU_ASSERT(stage.is_closed);
		end();
	}
}

static void fails_when_it_takes_too_long(void)
{
	begin("wait screen TERMS 0\nkey 2\n");
	stage_turn();
	CU_ASSERT(script_has_failed(script));
	CU_ASSERT(stage.is_closed);
	stage_turn();
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_MENU);
	end();
}

/* A number that belongs to a text is no time. */
static void waits_for_numbers_in_texts(void)
{
	begin("wait text Messages: 0\n");
	stage_turn();
	CU_ASSERT_FALSE(script_has_failed(script));
	end();
}

static void fails_at_once_when_it_has_ended_otherwise(void)
{
	begin("wait state done\n");
	CU_ASSERT_FALSE(script_has_failed(script));
	handset_fail(stage.handset, "reset");
	stage_turn();
	CU_ASSERT(script_has_failed(script));
	end();
}

/* At its end it switches off where nothing is under way, and no sooner. */
static void switches_off_when_all_is_done(void)
{
	begin("key 2\nkey 1\n");
	for (int i = 0; i < 3; i++)
		stage_turn();
	CU_ASSERT(stage.is_closed);
	CU_ASSERT_FALSE(script_has_failed(script));
	end();
}

static void stays_on_while_the_request_is_open(void)
{
	begin("key 2\nkey OK\ntype given_name A\ntype family_name B\n"
	      "type postcode C\ntype reference acct-4711\nkey OK\n");
	for (int i = 0; i < 5; i++)
		stage_turn();
	STAGE_STATE(STATE_REQUESTING);
	CU_ASSERT_FALSE(stage.is_closed);
	stage_answer(201, stage_request("declined", ""));
	stage_turn();
	CU_ASSERT(stage.is_closed);
	CU_ASSERT_FALSE(script_has_failed(script));
	end();
}

/* From a pipe the lines come when they come, in pieces. */
static void reads_lines_as_they_come(void)
{
	int ends[2];

	stage_begin(false);
	stage_choose();
	CU_ASSERT_FATAL(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	script = script_new(stage.loop, stage.handset, ends[0]);
	stage.handset->on_change = poke;
	CU_ASSERT(write(ends[1], "key ", 4) == 4);
	stage_turn();
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_MENU);
	CU_ASSERT(write(ends[1], "2\n", 2) == 2);
	stage_turn();
	CU_ASSERT_EQUAL(stage.handset->screen, SCREEN_FEATURES);
	CU_ASSERT_FALSE(stage.is_closed);
	close(ends[1]);
	stage_turn();
	CU_ASSERT(stage.is_closed);
	end();
}

TEST_MAIN("script", TEST(presses_types_and_looks), TEST(waits_until_it_is_so),
	  TEST(fails_at_what_it_does_not_know), TEST(fails_when_it_takes_too_long),
	  TEST(waits_for_numbers_in_texts),
	  TEST(fails_at_once_when_it_has_ended_otherwise),
	  TEST(switches_off_when_all_is_done), TEST(stays_on_while_the_request_is_open),
	  TEST(reads_lines_as_they_come))
