/* Leased rows as parts and box messages. */
#include "smsc/notice.h"

#include <stdlib.h>

#include "test/unit/test.h"

/* The columns of enum lease_column. */
static PGresult *row_of(const char *text, const char *reference, const char *settled)
{
	static char names[][12] = { "notice", "token",      "msisdn", "sender",
				    "text",   "concat_ref", "settled" };
	const char *values[] = { "42",
				 "4f3f2a1c-0000-4000-8000-000000000000",
				 "+447700900123",
				 "4711",
				 text,
				 reference,
				 settled };
	PGresAttDesc columns[7] = { { 0 } };
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	for (int i = 0; i < 7; i++)
		columns[i].name = names[i];
	CU_ASSERT_FATAL(PQsetResultAttrs(result, 7, columns));
	for (int i = 0; i < 7; i++)
		CU_ASSERT_FATAL(PQsetvalue(result, 0, i, (char *)values[i],
					   (int)strlen(values[i])));
	return result;
}

static struct notice *make(const char *text, const char *settled,
			   enum text_problem *problem)
{
	PGresult *result = row_of(text, "254", settled);
	struct notice *notice = notice_new(result, 0, problem);
	PQclear(result);
	return notice;
}

static char *repeat(const char *text, size_t n)
{
	size_t size = strlen(text);
	char *p = calloc(n, size + 1);
	for (size_t i = 0; i < n; i++)
		memcpy(p + i * size, text, size);
	return p;
}

static void makes_one_message_of_a_short_text(void)
{
	enum text_problem problem;
	struct box_message message;
	struct notice *notice = make("hello", "{}", &problem);
	CU_ASSERT_EQUAL(problem, TEXT_OK);
	CU_ASSERT_EQUAL(notice->n_open, 1);
	notice_message(notice, 0, SLICE("box"), 1000, 3600, &message);
	CU_ASSERT(slice_eq(message.sms.sender, SLICE("4711")));
	CU_ASSERT(slice_eq(message.sms.receiver, SLICE("+447700900123")));
	CU_ASSERT(slice_eq(message.sms.msgdata, SLICE("hello")));
	CU_ASSERT(message.sms.udhdata.p && message.sms.udhdata.n == 0);
	CU_ASSERT_EQUAL(message.sms.coding, BOX_CODING_7BIT);
	CU_ASSERT_EQUAL(message.sms.time, 1000);
	CU_ASSERT_EQUAL(message.sms.validity, 4600);
	CU_ASSERT_EQUAL(message.sms.dlr_mask, 31);
	CU_ASSERT(slice_eq(message.sms.boxc_id, SLICE("box")));
	CU_ASSERT(uuid_is_valid(message.sms.id));
	CU_ASSERT(slice_eq(message.sms.dlr_url, message.sms.id));
	struct evbuffer *out = evbuffer_new();
	CU_ASSERT(box_write(&message, out));
	evbuffer_free(out);
	notice_free(notice);
}

static void sends_only_open_parts_with_their_own_header(void)
{
	enum text_problem problem;
	struct box_message message;
	char *text = repeat("Ж", 67 * 3);
	struct notice *notice = make(text, "{2}", &problem);
	char seqs[NOTICE_SEQS_SIZE], uuids[NOTICE_UUIDS_SIZE], expected[128];
	CU_ASSERT_EQUAL(problem, TEXT_OK);
	CU_ASSERT_EQUAL(notice->text.n, 3);
	CU_ASSERT_EQUAL_FATAL(notice->n_open, 2);
	notice_seqs(notice, seqs);
	CU_ASSERT_STRING_EQUAL(seqs, "{1,3}");
	notice_uuids(notice, uuids);
	snprintf(expected, sizeof(expected), "{%s,%s}", notice->uuid[0],
		 notice->uuid[1]);
	CU_ASSERT_STRING_EQUAL(uuids, expected);
	CU_ASSERT_STRING_NOT_EQUAL(notice->uuid[0], notice->uuid[1]);

	notice_message(notice, 1, SLICE("box"), 1000, 3600, &message);
	CU_ASSERT(slice_eq(message.sms.udhdata, slice_make("\5\0\3\xfe\3\3", 6)));
	CU_ASSERT_EQUAL(message.sms.coding, BOX_CODING_UCS2);
	CU_ASSERT_EQUAL(message.sms.msgdata.n, 134);
	CU_ASSERT_EQUAL(memcmp(message.sms.msgdata.p, "\x04\x16\x04\x16", 4), 0);
	notice_free(notice);
	free(text);
}

static void has_nothing_to_send_when_all_is_settled(void)
{
	enum text_problem problem;
	char *text = repeat("a", 153 * 2);
	struct notice *notice = make(text, "{1,2}", &problem);
	CU_ASSERT_EQUAL(problem, TEXT_OK);
	CU_ASSERT_EQUAL(notice->n_open, 0);
	notice_free(notice);
	free(text);
}

static void holds_the_longest_text(void)
{
	enum text_problem problem;
	char *text = repeat("😀", 660);
	struct notice *notice = make(text, "{}", &problem);
	CU_ASSERT_EQUAL(problem, TEXT_OK);
	CU_ASSERT_EQUAL_FATAL(notice->n_open, 20);
	char seqs[NOTICE_SEQS_SIZE], uuids[NOTICE_UUIDS_SIZE];
	notice_seqs(notice, seqs);
	CU_ASSERT_STRING_EQUAL(seqs, "{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,"
				     "20}");
	notice_uuids(notice, uuids);
	CU_ASSERT_EQUAL(strlen(uuids), 20 * 37 + 1);
	for (size_t i = 0; i < 20; i++) {
		struct box_message message;
		notice_message(notice, i, SLICE("box"), 1000, 3600, &message);
		CU_ASSERT_EQUAL(message.sms.msgdata.n, 132);
	}
	notice_free(notice);
	free(text);
}

static void says_what_cannot_be_sent(void)
{
	enum text_problem problem;
	char *text = repeat("a", 3061), *huge = repeat("a", 200000);
	notice_free(make(text, "{}", &problem));
	CU_ASSERT_EQUAL(problem, TEXT_TOO_LONG);
	notice_free(make(huge, "{}", &problem));
	CU_ASSERT_EQUAL(problem, TEXT_TOO_LONG);
	notice_free(make("", "{}", &problem));
	CU_ASSERT_EQUAL(problem, TEXT_EMPTY);
	free(text);
	free(huge);
}

TEST_MAIN("notice", TEST(makes_one_message_of_a_short_text),
	  TEST(sends_only_open_parts_with_their_own_header),
	  TEST(has_nothing_to_send_when_all_is_settled), TEST(holds_the_longest_text),
	  TEST(says_what_cannot_be_sent))
