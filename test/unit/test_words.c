#include "test/unit/test.h"

#include <ctype.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/conn.h"
#include "base/tls.h"
#include "contrib/handset/words.h"

static void check(const char *reason)
{
	const char *sentence = words_sentence(slice_of(reason));

	if (!words_know(slice_of(reason)))
		fprintf(stderr, "no words for %s\n", reason);
	CU_ASSERT(words_know(slice_of(reason)));
	CU_ASSERT(isupper((unsigned char)sentence[0]));
	CU_ASSERT(strlen(sentence) > 10 &&
		  strchr(".?!", sentence[strlen(sentence) - 1]));
}

static void has_words_for_every_reason_of_the_protocol(void)
{
	for (int i = 0; i < REASON_N; i++)
		check(auth_reason_name((enum auth_reason)i));
}

static void has_words_for_every_failure_of_tls(void)
{
	for (int i = 0; i < TLS_N_FAILURES; i++)
		check(tls_failure_name((enum tls_failure)i));
}

/* What the link to the gateway can report besides TLS (base/conn.h, base/exchange.h).
 */
static void has_words_for_every_end_of_a_link(void)
{
	static const char *const reasons[] = {
		"connect_failed", "reset",        "truncated", "handshake_timeout",
		"write_timeout",  "system",       "eof",       "head_timeout",
		"body_timeout",   "idle_timeout",
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		check(reasons[i]);
}

/*
 * The reasons that the server stores and answers: every row of the migration up to the
 * part about messages and other effects, which no device is told.
 */
static void has_words_for_every_reason_of_the_server(void)
{
	static const char *const internal[] = { "device_registered", "account_opened",
						"reason_unlisted" };
	char path[512], line[1024];
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), "%s/provisioning/sql/002_reasons.sql",
		 test_source_dir());
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file)) {
		char *end = strchr(line + 2, '\'');
		bool is_internal = false;

		if (strncmp(line, "-- messages and other", 21) == 0)
			break;
		if (strncmp(line, "('", 2) != 0 || !end)
			continue;
		*end = '\0';
		for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++)
			is_internal |= strcmp(line + 2, internal[i]) == 0;
		if (!is_internal)
			check(line + 2);
		n++;
	}
	fclose(file);
	CU_ASSERT(n > 30);
}

static void has_general_words_for_what_is_new(void)
{
	CU_ASSERT_FALSE(words_know(SLICE("a_reason_of_next_year")));
	CU_ASSERT(strlen(words_sentence(SLICE("a_reason_of_next_year"))) > 10);
	CU_ASSERT_EQUAL(words_outcome(SLICE("a_reason_of_next_year")), OUTCOME_FAILED);
	CU_ASSERT(strlen(words_state(SLICE("a_state_of_next_year"))) > 3);
}

static void tells_the_ends_apart_by_exit_status(void)
{
	for (int i = 0; i < OUTCOME_N; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(outcome_name((enum outcome)i));
		for (int j = 0; j < i; j++) {
			CU_ASSERT_NOT_EQUAL(outcome_exit_status((enum outcome)i),
					    outcome_exit_status((enum outcome)j));
			CU_ASSERT_STRING_NOT_EQUAL(outcome_name((enum outcome)i),
						   outcome_name((enum outcome)j));
		}
	}
	CU_ASSERT_EQUAL(outcome_exit_status(words_outcome(SLICE("none"))), 0);
	CU_ASSERT_EQUAL(words_outcome(SLICE("terms_declined")), OUTCOME_DECLINED);
	CU_ASSERT_EQUAL(words_outcome(SLICE("user_mismatch")), OUTCOME_REFUSED);
	CU_ASSERT_EQUAL(words_outcome(SLICE("device_unknown")), OUTCOME_DEVICE_UNKNOWN);
	CU_ASSERT_EQUAL(words_outcome(SLICE("device_blocked")), OUTCOME_DEVICE_BLOCKED);
	CU_ASSERT_EQUAL(words_outcome(SLICE("proof_signature")), OUTCOME_NOT_PROVEN);
}

TEST_MAIN("words", TEST(has_words_for_every_reason_of_the_protocol),
	  TEST(has_words_for_every_failure_of_tls),
	  TEST(has_words_for_every_end_of_a_link),
	  TEST(has_words_for_every_reason_of_the_server),
	  TEST(has_general_words_for_what_is_new),
	  TEST(tells_the_ends_apart_by_exit_status))
