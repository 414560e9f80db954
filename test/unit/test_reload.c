/*
 * What a reload says of itself; systemd is played here.
 */
#include "base/reload.h"

#include <string.h>

#include "base/systemd.h"
#include "test/unit/test.h"

static char told[128];

void systemd_notify(const char *state)
{
	snprintf(told, sizeof(told), "%s", state);
}

static void tells_systemd_that_it_begins_and_ends(void)
{
	struct board *board = board_new();

	reload_begin(board, 2);
	CU_ASSERT_EQUAL(board->reload.result, RELOAD_RUNNING);
	CU_ASSERT(strncmp(told, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
	CU_ASSERT_EQUAL(strspn(told + 27, "0123456789"), strlen(told + 27));
	CU_ASSERT(strlen(told) > 27);
	reload_end(board, 2, RELOAD_DONE, "");
	CU_ASSERT_STRING_EQUAL(told, "READY=1\nSTATUS=");
	CU_ASSERT_EQUAL(board->reload.result, RELOAD_DONE);
	CU_ASSERT(board->reload.at_ms > 0);
	CU_ASSERT_STRING_EQUAL(board->reload.why, "");
	CU_ASSERT_EQUAL(board->n_reloads[RELOAD_DONE], 1);
}

/* The old generation goes on: systemd hears that, too. */
static void keeps_why_it_was_refused_in_one_line(void)
{
	struct board *board = board_new();

	reload_begin(board, 3);
	reload_end(board, 3, RELOAD_REFUSED, "a.conf:1: x\na.conf:7: \t\xff\"y\"\n");
	CU_ASSERT_STRING_EQUAL(told, "READY=1\nSTATUS=last reload refused: "
				     "a.conf:1: x; a.conf:7: ??\"y\"");
	CU_ASSERT_STRING_EQUAL(board->reload.why, "a.conf:1: x; a.conf:7: ??\"y\"");
	CU_ASSERT_EQUAL(board->n_reloads[RELOAD_REFUSED], 1);
	CU_ASSERT_EQUAL(board->n_reloads[RELOAD_DONE], 0);
	/* The next one that goes well forgets it. */
	reload_end(board, 4, RELOAD_DONE, "");
	CU_ASSERT_STRING_EQUAL(board->reload.why, "");
}

static void cuts_what_is_too_long(void)
{
	struct board *board = board_new();
	char why[2 * BOARD_WHY_BYTES];

	for (size_t i = 0; i < sizeof(why) - 1; i++)
		why[i] = i % 2 ? '\n' : 'x';
	why[sizeof(why) - 1] = '\0';
	reload_end(board, 2, RELOAD_FAILED, why);
	CU_ASSERT(strlen(board->reload.why) >= BOARD_WHY_BYTES - 4);
	CU_ASSERT(strlen(board->reload.why) < BOARD_WHY_BYTES);
	CU_ASSERT_EQUAL(board->n_reloads[RELOAD_FAILED], 1);
}

TEST_MAIN("reload", TEST(tells_systemd_that_it_begins_and_ends),
	  TEST(keeps_why_it_was_refused_in_one_line), TEST(cuts_what_is_too_long))
