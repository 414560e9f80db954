#include "test/unit/test.h"

#include <stdlib.h>

#include "contrib/handset/journal.h"
#include "contrib/handset/messages.h"
#include "contrib/handset/storage.h"

static char directory[] = "/tmp/test_messages.XXXXXX";

static void receive(const char *text, int64_t at_ms)
{
	struct sms_message message = { .sender = "1234", .dcs = 8, .parts = 2 };

	message.text = evbuffer_new();
	evbuffer_add(message.text, text, strlen(text));
	CU_ASSERT(messages_add(&message, at_ms));
	evbuffer_free(message.text);
}

static bool find_hinted(const char *terms, const char *hint, int64_t since_ms,
			struct messages_terms *out)
{
	uint8_t digest[SHA256_BYTES];

	sha256(slice_of(terms), digest);
	return messages_find_terms(digest, hint, since_ms, out);
}

static bool find(const char *terms, int64_t since_ms, struct messages_terms *out)
{
	return find_hinted(terms, "", since_ms, out);
}

static void opens(void)
{
	char why[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	CU_ASSERT_FATAL(storage_open(directory, why, sizeof(why)));
	CU_ASSERT_PTR_NULL(messages_newest());
	CU_ASSERT_EQUAL(messages_count(), 0);
}

static void keeps_text_byte_for_byte(void)
{
	const char *text = "Ünïcode \"quoted\" \\ line\nline\ttab €😀";
	json_t *list;

	receive(text, 1000);
	list = messages_list();
	CU_ASSERT_EQUAL(json_array_size(list), 1);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(json_array_get(list, 0), "text")),
		text);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(json_array_get(list, 0), "encoding")),
		"ucs2");
	json_decref(list);
}

static void finds_terms_by_their_digest(void)
{
	struct messages_terms terms;

	receive("Terms of\ntwo lines.\nReply YES 4711 or NO 4711", 2000);
	CU_ASSERT(find("Terms of\ntwo lines.", 2000, &terms));
	CU_ASSERT_STRING_EQUAL(terms.text, "Terms of\ntwo lines.");
	CU_ASSERT_STRING_EQUAL(terms.sender, "1234");
	CU_ASSERT_STRING_EQUAL(terms.reply.accept, "YES 4711");
	CU_ASSERT_STRING_EQUAL(terms.reply.decline, "NO 4711");
	messages_terms_free(&terms);
	CU_ASSERT_FALSE(find("Other terms.", 0, &terms));
}

/* The same terms may have come before, under a code that is no longer good. */
static void takes_the_newest_and_none_from_before(void)
{
	struct messages_terms terms;

	CU_ASSERT_FALSE(find("Terms of\ntwo lines.", 2001, &terms));
	receive("Terms of\ntwo lines.\nReply YES 5822 or NO 5822", 3000);
	CU_ASSERT(find("Terms of\ntwo lines.", 2000, &terms));
	CU_ASSERT_STRING_EQUAL(terms.reply.accept, "YES 5822");
	messages_terms_free(&terms);
}

/* Another offer has the same terms, and its message came later. */
static void takes_the_one_with_the_code_of_the_offer(void)
{
	struct messages_terms terms;

	CU_ASSERT(find_hinted("Terms of\ntwo lines.", "11", 2000, &terms));
	CU_ASSERT_STRING_EQUAL(terms.reply.decline, "NO 4711");
	messages_terms_free(&terms);
	CU_ASSERT_FALSE(find_hinted("Terms of\ntwo lines.", "47", 2000, &terms));
}

static void reads_the_line_of_the_answer(void)
{
	static const struct {
		const char *line, *accept, *decline;
	} good[] = {
		{ "Reply YES 4711 or NO 4711", "YES 4711", "NO 4711" },
		{ "Antworten Sie mit JA 0042 oder NEIN 0042", "JA 0042", "NEIN 0042" },
		{ "Ответ: ДА 123 или НЕТ 123", "ДА 123", "НЕТ 123" },
	};
	static const char *const bad[] = { "Reply YES or NO",     "Reply YES 4711",
					   "YES 4711 or NO 4712", "4711 4711",
					   "YES 12 NO 12",        "" };
	struct messages_reply reply;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CU_ASSERT(messages_read_reply(slice_of(good[i].line), &reply));
		CU_ASSERT_STRING_EQUAL(reply.accept, good[i].accept);
		CU_ASSERT_STRING_EQUAL(reply.decline, good[i].decline);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(messages_read_reply(slice_of(bad[i]), &reply));
}

static void a_request_survives_a_restart(void)
{
	struct journal journal = { .body = (char *)"{\"x\":\"ä\"}", .made_ms = 42 };
	struct journal found;

	uuid_make(journal.id);
	CU_ASSERT_FALSE(journal_read(&found));
	CU_ASSERT(journal_write(&journal));
	CU_ASSERT_FATAL(journal_read(&found));
	CU_ASSERT_STRING_EQUAL(found.id, journal.id);
	CU_ASSERT_STRING_EQUAL(found.body, journal.body);
	CU_ASSERT_EQUAL(found.made_ms, 42);
	free(found.body);
	journal_clear();
	CU_ASSERT_FALSE(journal_read(&found));
}

static void a_second_handset_stays_out(void)
{
	char why[256];

	CU_ASSERT_FALSE(storage_open(".", why, sizeof(why)));
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "runs"));
	CU_ASSERT(storage_look(".", why, sizeof(why)));
}

static void leaves_nothing_behind(void)
{
	static const char *const folders[] = { "messages", "features", "downloads",
					       "resident", "lock" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		CU_ASSERT(storage_remove(folders[i]));
	CU_ASSERT_EQUAL(rmdir(directory), 0);
}

TEST_MAIN("messages", TEST(opens), TEST(keeps_text_byte_for_byte),
	  TEST(finds_terms_by_their_digest),
	  TEST(takes_the_newest_and_none_from_before),
	  TEST(takes_the_one_with_the_code_of_the_offer),
	  TEST(reads_the_line_of_the_answer), TEST(a_request_survives_a_restart),
	  TEST(a_second_handset_stays_out), TEST(leaves_nothing_behind))
