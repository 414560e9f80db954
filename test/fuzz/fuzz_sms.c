/*
 * Fuzz target of short messages that are put together: however parts come, a message
 * is what its parts hold, and no more are kept than there is room for.
 *
 * Input: parts, each a byte of coding (bit 0: UCS-2, bit 1: of another sender, bit 7:
 * a while later), one of the header's length, one of the data's, header, data.
 *
 * Parser: contrib/handset/sms.c
 */
#include "contrib/handset/sms.h"

#include "test/fuzz/fuzz.h"

#define PATIENCE_MS  1000
#define GROUPS_LIMIT 16

static bool take(struct slice *rest, size_t n, struct slice *out)
{
	if (rest->n < n)
		return false;
	*out = slice_make(rest->p, n);
	*rest = slice_make(rest->p + n, rest->n - n);
	return true;
}

static bool take_part(struct slice *rest, struct sms_part *part, int64_t *now_ms)
{
	struct slice head;

	if (!take(rest, 3, &head))
		return false;
	const uint8_t *h = (const uint8_t *)head.p;
	*part = (struct sms_part){
		.sender = h[0] & 2 ? SLICE("+447700900123") : SLICE("Provbox"),
		.dcs = h[0] & 1 ? SMS_DCS_UCS2 : SMS_DCS_GSM7,
	};
	*now_ms += h[0] & 0x80 ? PATIENCE_MS + 1 : 1;
	return take(rest, h[1], &part->udh) && take(rest, h[2], &part->data);
}

static void check_message(struct sms_message *message, const struct sms_part *part)
{
	size_t n = evbuffer_get_length(message->text);

	REQUIRE(slice_eq(slice_of(message->sender), part->sender));
	REQUIRE(message->dcs == part->dcs);
	REQUIRE(message->parts >= 1 && message->parts <= SMS_PARTS_LIMIT);
	REQUIRE(n <= (size_t)message->parts * 160 * 3);
	evbuffer_free(message->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(data, size);
	struct sms *sms = sms_new(PATIENCE_MS);
	struct sms_part part;
	struct sms_message message;
	int64_t now_ms = 0;

	while (take_part(&rest, &part, &now_ms)) {
		enum sms_result result = sms_receive(sms, &part, now_ms, &message);
		REQUIRE(sms_result_name(result)[0] != '\0');
		if (result == SMS_COMPLETE)
			check_message(&message, &part);
		REQUIRE(sms_incomplete(sms) <= GROUPS_LIMIT);
	}
	sms_free(sms);
	return 0;
}
