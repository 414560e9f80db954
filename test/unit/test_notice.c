/* Leased rows as parts and box messages. */
#include "smsc/notice.h"

#include <stdlib.h>

#include "test/unit/directory.h"
#include "test/unit/test.h"

/* The columns of enum lease_column. */
static PGresult *row_of(const char *text, const char *sealed, const char *settled)
{
	static char name[] = "c";
	const char *values[] = { "42",
				 "4f3f2a1c-0000-4000-8000-000000000000",
				 "+447700900123",
				 "4711",
				 text,
				 sealed,
				 "254",
				 settled,
				 "3600",
				 "1000" };
	PGresAttDesc columns[10] = { { 0 } };
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	for (int i = 0; i < 10; i++)
		columns[i].name = name;
	CU_ASSERT_FATAL(PQsetResultAttrs(result, 10, columns));
	for (int i = 0; i < 10; i++)
		CU_ASSERT_FATAL(PQsetvalue(result, 0, i, (char *)values[i],
					   (int)strlen(values[i])));
	return result;
}

static struct notice *make_sealed(const struct seal_keys *keys, const char *sealed)
{
	PGresult *result = row_of("", sealed, "{}");
	struct notice *notice = notice_new(keys, result, 0);
	PQclear(result);
	return notice;
}

static struct notice *make(const char *text, const char *settled)
{
	PGresult *result = row_of(text, "", settled);
	struct notice *notice = notice_new(NULL, result, 0);
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
	struct box_message message;
	struct notice *notice = make("hello", "{}");
	CU_ASSERT_PTR_NULL(notice->problem);
	CU_ASSERT_EQUAL(notice->n_open, 1);
	notice_message(notice, 0, SLICE("box"), &message);
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
	struct box_message message;
	char *text = repeat("Ж", 67 * 3);
	struct notice *notice = make(text, "{2}");
	CU_ASSERT_PTR_NULL(notice->problem);
	CU_ASSERT_EQUAL(notice->text.n, 3);
	CU_ASSERT_EQUAL_FATAL(notice->n_open, 2);
	CU_ASSERT(notice->open[0] == 1 && notice->open[1] == 3);
	CU_ASSERT_STRING_NOT_EQUAL(notice->uuid[0], notice->uuid[1]);

	notice_message(notice, 1, SLICE("box"), &message);
	CU_ASSERT(slice_eq(message.sms.udhdata, slice_make("\5\0\3\xfe\3\3", 6)));
	CU_ASSERT_EQUAL(message.sms.coding, BOX_CODING_UCS2);
	CU_ASSERT_EQUAL(message.sms.msgdata.n, 134);
	CU_ASSERT_EQUAL(memcmp(message.sms.msgdata.p, "\x04\x16\x04\x16", 4), 0);
	notice_free(notice);
	free(text);
}

static void has_nothing_to_send_when_all_is_settled(void)
{
	char *text = repeat("a", 153 * 2);
	struct notice *notice = make(text, "{1,2}");
	CU_ASSERT_PTR_NULL(notice->problem);
	CU_ASSERT_EQUAL(notice->n_open, 0);
	notice_free(notice);
	free(text);
}

static void holds_the_longest_text(void)
{
	char *text = repeat("😀", 660);
	struct notice *notice = make(text, "{}");
	CU_ASSERT_PTR_NULL(notice->problem);
	CU_ASSERT_EQUAL_FATAL(notice->n_open, 20);
	for (size_t i = 0; i < 20; i++) {
		struct box_message message;
		CU_ASSERT_EQUAL(notice->open[i], i + 1);
		notice_message(notice, i, SLICE("box"), &message);
		CU_ASSERT_EQUAL(message.sms.msgdata.n, 132);
	}
	notice_free(notice);
	free(text);
}

static void says_what_cannot_be_sent(void)
{
	static const struct {
		const char *text;
		size_t n;
		const char *problem, *why;
	} cases[] = {
		{ "a", 3061, "message_too_long", "text_too_long" },
		{ "a", 200000, "message_too_long", "text_too_long" },
		{ "a", 0, "message_refused", "text_empty" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = repeat(cases[i].text, cases[i].n);
		struct notice *notice = make(text ? text : "", "{}");
		CU_ASSERT_PTR_NOT_NULL_FATAL(notice->problem);
		CU_ASSERT_STRING_EQUAL(notice->problem, cases[i].problem);
		CU_ASSERT_STRING_EQUAL(notice->why, cases[i].why);
		CU_ASSERT_TRUE(notice->is_hopeless);
		CU_ASSERT_STRING_EQUAL(notice->id, "42");
		notice_free(notice);
		free(text);
	}
}

/* Seal for a place, as hex. */
static const char *sealed_for(const struct seal_keys *keys, const char *place,
			      struct slice text)
{
	static char hex[512];
	uint8_t bytes[128];
	seal_close(keys, slice_of(place), text, bytes);
	hex_encode(slice_make(bytes, text.n + SEAL_OVERHEAD), hex);
	return hex;
}

/* sha256 of +447700900123, by sha256sum */
#define HASH  "a8acc3a90a7b4e4dc65e93db9240ed26523050ef754d63b75b5161de76781436"
#define PLACE "provbox/1 notice 42 " HASH

static void opens_a_sealed_text_for_its_notice_and_number_only(void)
{
	struct directory directory;
	struct box_message message;
	char why[256];
	const char *const others[] = { "provbox/1 notice 43 " HASH,
				       "provbox/1 notice 42 " HASH "0", "" };
	directory_open(&directory);
	struct seal_keys *keys = seal_keys_load(
		directory_write(&directory, "keys",
				"0011223344556677 000102030405060708090a0b0c0d0e0f"
				"101112131415161718191a1b1c1d1e1f\n",
				0600),
		why, sizeof(why));
	CU_ASSERT_PTR_NOT_NULL_FATAL(keys);
	struct notice *notice =
		make_sealed(keys, sealed_for(keys, PLACE, SLICE("PIN 1")));
	CU_ASSERT_PTR_NULL_FATAL(notice->problem);
	notice_message(notice, 0, SLICE("box"), &message);
	CU_ASSERT(slice_eq(message.sms.msgdata, SLICE("PIN 1")));
	notice_free(notice);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		notice = make_sealed(keys, sealed_for(keys, others[i], SLICE("PIN 1")));
		CU_ASSERT_PTR_NOT_NULL_FATAL(notice->problem);
		CU_ASSERT_STRING_EQUAL(notice->problem, "seal_failed");
		CU_ASSERT_FALSE(notice->is_hopeless); /* the keys can be mended */
		notice_free(notice);
	}
	notice = make_sealed(NULL, sealed_for(keys, PLACE, SLICE("PIN 1")));
	CU_ASSERT_STRING_EQUAL(notice->why, "no_key");
	notice_free(notice);
	notice = make_sealed(keys, "0g");
	CU_ASSERT_STRING_EQUAL(notice->why, "not_opened");
	notice_free(notice);
	seal_keys_free(keys);
	directory_close(&directory);
}

TEST_MAIN("notice", TEST(makes_one_message_of_a_short_text),
	  TEST(sends_only_open_parts_with_their_own_header),
	  TEST(has_nothing_to_send_when_all_is_settled), TEST(holds_the_longest_text),
	  TEST(says_what_cannot_be_sent),
	  TEST(opens_a_sealed_text_for_its_notice_and_number_only))
