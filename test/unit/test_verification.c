#include "provisioning/verification.h"

#include "test/unit/test.h"

#define ID   "request/17/verify"
#define TYPE "application/json"
#define YES  "{\"id\": \"" ID "\", \"result\": \"verified\"}"
#define NO   "{\"id\": \"" ID "\", \"result\": \"refused\""

/* Each is an answer. Source: doc/verification.md */
static void reads_answers(void)
{
	static const struct {
		const char *type, *body, *result, *reason;
	} cases[] = {
		{ TYPE, YES, "verified", NULL },
		{ TYPE "; charset=utf-8", YES, "verified", NULL },
		{ "Application/JSON", YES, "verified", NULL },
		{ TYPE, NO "}", "refused", NULL },
		{ TYPE, NO ", \"reason\": \"accounting_refused\"}", "refused",
		  "accounting_refused" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verification_answer answer;
		char why[128] = "";
		json_t *json = verification_read(cases[i].type, slice_of(cases[i].body),
						 ID, &answer, why, sizeof(why));
		CU_ASSERT_PTR_NOT_NULL_FATAL(json);
		CU_ASSERT_TRUE(slice_eq(answer.result, slice_of(cases[i].result)));
		CU_ASSERT_EQUAL(answer.reason.p != NULL, cases[i].reason != NULL);
		CU_ASSERT_TRUE(!cases[i].reason ||
			       slice_eq(answer.reason, slice_of(cases[i].reason)));
		json_decref(json);
	}
}

/* Each is none, and what is said of it holds nothing of what came. */
static void takes_nothing_else_for_an_answer(void)
{
	static const struct {
		const char *type, *body;
	} cases[] = {
		{ "", YES },
		{ "text/html", YES },
		{ "application/jsonp", YES },
		{ TYPE, "" },
		{ TYPE, "verified" },
		{ TYPE, "{}" },
		{ TYPE, "[" YES "]" },
		{ TYPE, YES YES },
		{ TYPE, "{\"result\": \"verified\"}" },
		{ TYPE, "{\"id\": \"" ID "\"}" },
		{ TYPE, "{\"id\": \"request/18/verify\", \"result\": \"verified\"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": true}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"Verified\"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"verified \"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"Lovelace\"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"refused\", "
			"\"result\": \"verified\"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"verified\", "
			"\"reason\": \"user_mismatch\"}" },
		{ TYPE, "{\"id\": \"" ID "\", \"result\": \"verified\", "
			"\"score\": 7}" },
		{ TYPE, NO ", \"reason\": \"\"}" },
		{ TYPE, NO ", \"reason\": \"Ada Lovelace\"}" },
		{ TYPE, NO ", \"reason\": \"447700900123\"}" },
		{ TYPE,
		  NO ", \"reason\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}" },
		{ TYPE, NO ", \"reason\": null}" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verification_answer answer;
		char why[128] = "";
		CU_ASSERT_PTR_NULL(verification_read(cases[i].type,
						     slice_of(cases[i].body), ID,
						     &answer, why, sizeof(why)));
		CU_ASSERT_STRING_NOT_EQUAL(why, "");
		CU_ASSERT_PTR_NULL(strstr(why, "Lovelace"));
		CU_ASSERT_PTR_NULL(strstr(why, "447700900123"));
	}
}

TEST_MAIN("verification", TEST(reads_answers), TEST(takes_nothing_else_for_an_answer))
