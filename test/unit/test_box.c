/*
 * The box protocol. The frames are those seen on the wire between a box and bearerbox
 * 1.4.5.
 */
#include "smsc/box.h"

#include <stdlib.h>

#include "base/codec.h"
#include "test/unit/test.h"

#define N(table)  (sizeof(table) / sizeof(table[0]))
#define TEST_UUID "11111111-2222-3333-4444-555555555555"
#define UUID_HEX \
	"31313131313131312d323232322d333333332d343434342d353535353535353535353535"

static const char identify_hex[] = "00000010"
				   "00000001"
				   "00000003"
				   "00000004"
				   "70796777";

static const char sms_hex[] = "000000c3"
			      "00000002"
			      "0000000431323334"
			      "00000006333538343031"
			      "00000000"
			      "0000000968656c6c6f20626f78"
			      "6b00ac87"
			      "ffffffffffffffffffffffffffffffffffffffff"
			      "00000024" UUID_HEX "00000002"
			      "ffffffffffffffff00000000"
			      "ffffffffffffffffffffffff"
			      "0000001f"
			      "000000086d792d7265662d31"
			      "ffffffffffffffffffffffff"
			      "ffffffff"
			      "0000000470796777"
			      "ffffffff"
			      "ffffffffffffffffffffffffffffffff"
			      "ffffffff";

static const char ack_hex[] = "00000034"
			      "00000003"
			      "00000000"
			      "6b00ac87"
			      "00000024" UUID_HEX;

struct bytes {
	uint8_t p[1024];
	size_t n;
};

static struct bytes from_hex(const char *hex)
{
	struct bytes bytes = { .n = strlen(hex) / 2 };
	CU_ASSERT_FATAL(hex_decode(slice_of(hex), bytes.p, bytes.n));
	return bytes;
}

static struct slice as_slice(const struct bytes *bytes)
{
	return slice_make(bytes->p, bytes->n);
}

static void set_example(struct box_message *message)
{
	box_init(message, BOX_SMS);
	message->sms.sender = SLICE("1234");
	message->sms.receiver = SLICE("358401");
	message->sms.udhdata = SLICE("");
	message->sms.msgdata = SLICE("hello box");
	message->sms.time = 0x6b00ac87;
	message->sms.id = SLICE(TEST_UUID);
	message->sms.sms_type = BOX_MT_PUSH;
	message->sms.coding = BOX_CODING_7BIT;
	message->sms.dlr_mask = BOX_REPORTS_WANTED;
	message->sms.dlr_url = SLICE("my-ref-1");
	message->sms.boxc_id = SLICE("pygw");
}

/* True when the message is written as exactly these bytes. */
static bool writes(const struct box_message *message, const char *hex)
{
	struct evbuffer *out = evbuffer_new();
	bool is_written = box_write(message, out);
	struct bytes expected = from_hex(hex);
	struct slice written =
		slice_make(evbuffer_pullup(out, -1), evbuffer_get_length(out));
	bool is_same = is_written && slice_eq(written, as_slice(&expected));
	evbuffer_free(out);
	return is_same;
}

/* True when the message is refused and nothing is written. */
static bool refuses(const struct box_message *message)
{
	struct evbuffer *out = evbuffer_new();
	bool is_refused = !box_write(message, out) && evbuffer_get_length(out) == 0;
	evbuffer_free(out);
	return is_refused;
}

static void writes_identify(void)
{
	struct box_message message;
	box_init(&message, BOX_ADMIN);
	message.admin.command = BOX_IDENTIFY;
	message.admin.boxc_id = SLICE("pygw");
	CU_ASSERT(writes(&message, identify_hex));
}

static void writes_an_sms(void)
{
	struct box_message message;
	set_example(&message);
	CU_ASSERT(writes(&message, sms_hex));
}

static void writes_an_ack(void)
{
	struct box_message message;
	box_init(&message, BOX_ACK);
	message.ack.nack = BOX_ACK_SUCCESS;
	message.ack.time = 0x6b00ac87;
	message.ack.id = SLICE(TEST_UUID);
	CU_ASSERT(writes(&message, ack_hex));
}

static void writes_a_heartbeat(void)
{
	struct box_message message;
	box_init(&message, BOX_HEARTBEAT);
	message.heartbeat.load = 7;
	CU_ASSERT(writes(&message, "000000080000000000000007"));
}

static void reads_what_it_writes(void)
{
	struct box_message message;
	size_t used;
	const char *why = NULL;
	struct bytes sms = from_hex(sms_hex);
	CU_ASSERT_EQUAL(box_read(as_slice(&sms), &message, &used, &why), BOX_DONE);
	CU_ASSERT_EQUAL(used, sms.n);
	CU_ASSERT_EQUAL(message.type, BOX_SMS);
	CU_ASSERT(slice_eq(message.sms.sender, SLICE("1234")));
	CU_ASSERT(slice_eq(message.sms.receiver, SLICE("358401")));
	CU_ASSERT(message.sms.udhdata.p != NULL && message.sms.udhdata.n == 0);
	CU_ASSERT(slice_eq(message.sms.msgdata, SLICE("hello box")));
	CU_ASSERT_PTR_NULL(message.sms.smsc_id.p);
	CU_ASSERT(slice_eq(message.sms.id, SLICE(TEST_UUID)));
	CU_ASSERT_EQUAL(message.sms.mclass, BOX_UNDEFINED);
	CU_ASSERT_EQUAL(message.sms.coding, BOX_CODING_7BIT);
	CU_ASSERT_EQUAL(message.sms.dlr_mask, 31);
	CU_ASSERT(slice_eq(message.sms.dlr_url, SLICE("my-ref-1")));
	CU_ASSERT(slice_eq(message.sms.boxc_id, SLICE("pygw")));
	CU_ASSERT(writes(&message, sms_hex));

	struct bytes ack = from_hex(ack_hex);
	CU_ASSERT_EQUAL(box_read(as_slice(&ack), &message, &used, &why), BOX_DONE);
	CU_ASSERT_EQUAL(message.type, BOX_ACK);
	CU_ASSERT_EQUAL(message.ack.nack, BOX_ACK_SUCCESS);
	CU_ASSERT(slice_eq(message.ack.id, SLICE(TEST_UUID)));
}

static void reads_one_frame_of_several(void)
{
	struct bytes two =
		from_hex("00000010000000010000000300000004707967770000000800");
	struct box_message message;
	size_t used;
	const char *why = NULL;
	CU_ASSERT_EQUAL(box_read(as_slice(&two), &message, &used, &why), BOX_DONE);
	CU_ASSERT_EQUAL(used, 20);
	CU_ASSERT(slice_eq(message.admin.boxc_id, SLICE("pygw")));
}

/* Every prefix asks for more; a frame whose length says less than its fields is bad. */
static void waits_for_the_whole_frame(void)
{
	struct bytes sms = from_hex(sms_hex);
	struct box_message message;
	size_t used;
	const char *why = NULL;
	for (size_t n = 0; n < sms.n; n++) {
		struct slice cut = slice_make(sms.p, n);
		CU_ASSERT_EQUAL(box_read(cut, &message, &used, &why), BOX_MORE);
		CU_ASSERT_EQUAL(used, n < 4 ? 4 : sms.n);
	}
	for (uint8_t size = 0; size < 0xc3; size++) {
		sms.p[3] = size;
		CU_ASSERT_EQUAL(box_read(as_slice(&sms), &message, &used, &why),
				BOX_BAD);
	}
}

static void refuses_bad_frames(void)
{
	static const struct {
		const char *hex, *why;
	} rows[] = {
		{ "00010000", "frame_too_long" },
		{ "ffffffff", "frame_too_long" },
		{ "00000000", "frame_too_short" },
		{ "00000003000000", "frame_too_short" },
		{ "0000000400000000", "integer_cut" },
		{ "0000000400000004", "type_unknown" },
		{ "00000004ffffffff", "type_unknown" },
		{ "0000000c000000000000000000000000", "bytes_left" },
		{ "0000000c0000000100000003fffffffe", "string_cut" },
		{ "0000000c000000010000000300000001", "string_cut" },
		{ "0000000a00000001000000030000", "string_cut" },
		{ "0000001000000003000000000000000000000000", "uuid_invalid" },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct bytes frame = from_hex(rows[i].hex);
		struct box_message message;
		size_t used;
		const char *why = NULL;
		CU_ASSERT_EQUAL(box_read(as_slice(&frame), &message, &used, &why),
				BOX_BAD);
		CU_ASSERT_PTR_NOT_NULL_FATAL(why);
		CU_ASSERT_STRING_EQUAL(why, rows[i].why);
	}
}

/* Whatever one octet becomes, the decoder stays inside the frame (run it sanitized). */
static void survives_any_changed_octet(void)
{
	struct bytes sms = from_hex(sms_hex);
	for (size_t at = 0; at < sms.n; at++) {
		uint8_t original = sms.p[at];
		for (unsigned int value = 0; value < 256; value++) {
			char *exact = malloc(sms.n);
			struct box_message message;
			size_t used;
			const char *why = NULL;
			sms.p[at] = (uint8_t)value;
			memcpy(exact, sms.p, sms.n);
			enum box_result result = box_read(slice_make(exact, sms.n),
							  &message, &used, &why);
			CU_ASSERT(result != BOX_BAD || why != NULL);
			CU_ASSERT(result != BOX_DONE || used <= sms.n);
			free(exact);
		}
		sms.p[at] = original;
	}
}

/* Each of these kills or confuses bearerbox. */
static void never_writes_what_hurts_bearerbox(void)
{
	static const struct {
		size_t offset;
		struct slice value;
	} rows[] = {
#define ROW(field) offsetof(struct box_message, sms.field)
		{ ROW(receiver), { NULL, 0 } },
		{ ROW(receiver), { "", 0 } },
		{ ROW(receiver), { "+", 1 } },
		{ ROW(receiver), { "44 7700", 7 } },
		{ ROW(receiver), { "+44x", 4 } },
		{ ROW(msgdata), { NULL, 0 } },
		{ ROW(msgdata), { "", 0 } },
		{ ROW(sender), { NULL, 0 } },
		{ ROW(udhdata), { NULL, 0 } },
		{ ROW(udhdata), { "\x05\x00", 2 } },
		{ ROW(udhdata), { "\x00\x00", 2 } },
		{ ROW(id), { NULL, 0 } },
		{ ROW(id), { "1", 1 } },
		{ ROW(id), { "11111111-2222-3333-4444-55555555555X", 36 } },
		{ ROW(receiver), { "123456789012345678901234567890123", 33 } },
#undef ROW
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct box_message message;
		set_example(&message);
		*(struct slice *)((char *)&message + rows[i].offset) = rows[i].value;
		CU_ASSERT(refuses(&message));
	}
	struct box_message message;
	set_example(&message);
	message.sms.coding = BOX_UNDEFINED;
	CU_ASSERT(refuses(&message));
	box_init(&message, BOX_ACK);
	CU_ASSERT(refuses(&message));
	box_init(&message, BOX_ADMIN);
	CU_ASSERT(refuses(&message));
	message.admin.command = BOX_IDENTIFY;
	CU_ASSERT(refuses(&message));
}

static void refuses_a_frame_over_the_limit(void)
{
	static char text[BOX_FRAME_LIMIT];
	memset(text, 'a', sizeof(text));
	struct box_message message;
	set_example(&message);
	message.sms.msgdata = slice_make(text, sizeof(text));
	CU_ASSERT(refuses(&message));
	message.sms.msgdata = slice_make(text, SIZE_MAX / 2);
	CU_ASSERT(refuses(&message));

	struct evbuffer *out = evbuffer_new();
	message.sms.msgdata = slice_make(text, sizeof(text) - 300);
	CU_ASSERT(box_write(&message, out));
	evbuffer_free(out);
}

TEST_MAIN("box", TEST(writes_identify), TEST(writes_an_sms), TEST(writes_an_ack),
	  TEST(writes_a_heartbeat), TEST(reads_what_it_writes),
	  TEST(reads_one_frame_of_several), TEST(waits_for_the_whole_frame),
	  TEST(refuses_bad_frames), TEST(survives_any_changed_octet),
	  TEST(never_writes_what_hurts_bearerbox), TEST(refuses_a_frame_over_the_limit))
