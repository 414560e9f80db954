#include "test/unit/test.h"

#include "contrib/handset/sms.h"

#define PATIENCE_MS 60000

static struct sms *sms;
static int64_t now_ms;
static char text[512];

static void start(void)
{
	sms_free(sms);
	sms = sms_new(PATIENCE_MS);
	now_ms = 1000;
}

/* Part `number` of `total` under an 8-bit reference, GSM 7-bit. */
static enum sms_result receive_from(const char *sender, int reference, int total,
				    int number, const char *data)
{
	const uint8_t udh[] = {
		5, 0, 3, (uint8_t)reference, (uint8_t)total, (uint8_t)number
	};
	struct sms_part part = { slice_of(sender), SMS_DCS_GSM7,
				 slice_make(udh, sizeof(udh)), slice_of(data) };
	struct sms_message message;
	enum sms_result result = sms_receive(sms, &part, now_ms, &message);

	text[0] = '\0';
	if (result == SMS_COMPLETE) {
		text[evbuffer_remove(message.text, text, sizeof(text) - 1)] = '\0';
		evbuffer_free(message.text);
	}
	return result;
}

static enum sms_result receive(int reference, int total, int number, const char *data)
{
	return receive_from("1234", reference, total, number, data);
}

static enum sms_result receive_bytes(unsigned dcs, struct slice udh, struct slice data)
{
	struct sms_part part = { SLICE("1234"), dcs, udh, data };
	struct sms_message message;
	enum sms_result result = sms_receive(sms, &part, now_ms, &message);

	if (result == SMS_COMPLETE) {
		text[evbuffer_remove(message.text, text, sizeof(text) - 1)] = '\0';
		evbuffer_free(message.text);
	}
	return result;
}

static void takes_a_message_of_one_part(void)
{
	start();
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, SLICE(""), SLICE("hello")),
			SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "hello");
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, SLICE(""), SLICE("hello")),
			SMS_COMPLETE);
}

static void joins_parts_in_any_order(void)
{
	static const int orders[6][3] = { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 },
					  { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } };
	static const char *const parts[] = { "one ", "two ", "three" };

	for (int i = 0; i < 6; i++) {
		start();
		for (int j = 0; j < 2; j++)
			CU_ASSERT_EQUAL(
				receive(7, 3, orders[i][j], parts[orders[i][j] - 1]),
				SMS_INCOMPLETE);
		CU_ASSERT_EQUAL(receive(7, 3, orders[i][2], parts[orders[i][2] - 1]),
				SMS_COMPLETE);
		CU_ASSERT_STRING_EQUAL(text, "one two three");
	}
}

static void drops_duplicates_before_and_after_completion(void)
{
	start();
	CU_ASSERT_EQUAL(receive(7, 2, 1, "a"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 1, "a"), SMS_DUPLICATE);
	CU_ASSERT_EQUAL(receive(7, 2, 2, "b"), SMS_COMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 1, "a"), SMS_DUPLICATE);
	CU_ASSERT_EQUAL(receive(7, 2, 2, "b"), SMS_DUPLICATE);
	CU_ASSERT_EQUAL(sms_incomplete(sms), 0);
}

static void tells_messages_apart_by_reference_and_sender(void)
{
	start();
	CU_ASSERT_EQUAL(receive(1, 2, 1, "a"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(2, 2, 1, "x"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive_from("99", 1, 2, 2, "evil"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(2, 2, 2, "y"), SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "xy");
	CU_ASSERT_EQUAL(receive(1, 2, 2, "b"), SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "ab");
	CU_ASSERT_EQUAL(sms_incomplete(sms), 1);
}

static void begins_anew_when_a_reference_comes_again(void)
{
	start();
	CU_ASSERT_EQUAL(receive(7, 2, 1, "old"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 1, "new"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 2, "!"), SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "new!");
}

static void forgets_what_waits_too_long(void)
{
	start();
	CU_ASSERT_EQUAL(receive(7, 2, 1, "old"), SMS_INCOMPLETE);
	now_ms += PATIENCE_MS + 1;
	CU_ASSERT_EQUAL(receive(7, 2, 2, "late"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 1, "in time "), SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "in time late");
}

static void gives_up_the_oldest_when_there_are_too_many(void)
{
	start();
	for (int i = 0; i < 17; i++) {
		now_ms++;
		CU_ASSERT_EQUAL(receive(i, 2, 1, "a"), SMS_INCOMPLETE);
	}
	CU_ASSERT_EQUAL(sms_incomplete(sms), 16);
	CU_ASSERT_EQUAL(receive(16, 2, 2, "b"), SMS_COMPLETE);
	CU_ASSERT_EQUAL(receive(0, 2, 2, "b"), SMS_INCOMPLETE);
}

/* The sender never cuts there, but whoever does is understood. */
static void joins_characters_cut_between_parts(void)
{
	start();
	CU_ASSERT_EQUAL(receive(7, 2, 1, "10 \x1b"), SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive(7, 2, 2, "e"), SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "10 €");
	CU_ASSERT_EQUAL(
		receive_bytes(SMS_DCS_UCS2, SLICE("\5\0\3\x08\2\1"), SLICE("\xd8\x3d")),
		SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(
		receive_bytes(SMS_DCS_UCS2, SLICE("\5\0\3\x08\2\2"), SLICE("\xde\x00")),
		SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "😀");
}

static void reads_16_bit_references_and_skips_other_elements(void)
{
	start();
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7,
				      SLICE("\x0a\x05\x02\x01\x02\x08\x04\x12\x34\2\1"),
				      SLICE("a")),
			SMS_INCOMPLETE);
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, SLICE("\x06\x08\x04\x12\x34\2\2"),
				      SLICE("b")),
			SMS_COMPLETE);
	CU_ASSERT_STRING_EQUAL(text, "ab");
}

static void refuses_broken_headers(void)
{
	static const struct slice headers[] = {
		{ "\x06\x00\x03\x01\x02\x01", 6 }, /* length too large */
		{ "\x04\x00\x03\x01\x02\x01", 6 }, /* too small */
		{ "\x05\x00\x04\x01\x02\x01", 6 }, /* element beyond the end */
		{ "\x01\x00", 2 },                 /* element without length */
		{ "\x05\x00\x03\x01\x02\x00", 6 }, /* part 0 */
		{ "\x05\x00\x03\x01\x02\x03", 6 }, /* part 3 of 2 */
		{ "\x05\x00\x03\x01\x00\x00", 6 }, /* of none */
		{ "\x05\x00\x03\x01\xff\x01", 6 }, /* of too many */
	};

	start();
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, headers[i], SLICE("a")),
				SMS_BAD);
	CU_ASSERT_EQUAL(sms_incomplete(sms), 0);
}

static void refuses_what_it_cannot_read(void)
{
	char long_data[161];

	start();
	memset(long_data, 'a', sizeof(long_data));
	CU_ASSERT_EQUAL(receive_bytes(4, SLICE(""), SLICE("\1\2")), SMS_BAD);
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_UCS2, SLICE(""), SLICE("abc")), SMS_BAD);
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, SLICE(""), SLICE("\x80")), SMS_BAD);
	CU_ASSERT_EQUAL(receive_bytes(SMS_DCS_GSM7, SLICE(""),
				      slice_make(long_data, sizeof(long_data))),
			SMS_BAD);
	CU_ASSERT_EQUAL(receive_from("+44770090012345678901", 1, 2, 1, "a"), SMS_BAD);
	sms_free(sms);
	sms = NULL;
}

TEST_MAIN("handset sms", TEST(takes_a_message_of_one_part),
	  TEST(joins_parts_in_any_order),
	  TEST(drops_duplicates_before_and_after_completion),
	  TEST(tells_messages_apart_by_reference_and_sender),
	  TEST(begins_anew_when_a_reference_comes_again),
	  TEST(forgets_what_waits_too_long),
	  TEST(gives_up_the_oldest_when_there_are_too_many),
	  TEST(joins_characters_cut_between_parts),
	  TEST(reads_16_bit_references_and_skips_other_elements),
	  TEST(refuses_broken_headers), TEST(refuses_what_it_cannot_read))
