#include "smsc/notice.h"

#include <openssl/crypto.h>

#include "base/log.h"
#include "smsc/statements.h"

/* Far over 20 parts in UTF-8 and once more in UTF-16. */
#define ARENA_BYTES 65536

/* Part numbers of a PostgreSQL array, "{1,3}", as bits. */
static uint32_t parse_settled(struct slice array)
{
	uint32_t settled = 0;
	struct slice element;
	BUG_ON(array.n < 2);
	struct slice rest = slice_make(array.p + 1, array.n - 2);
	while (rest.n > 0 && slice_next(&rest, ',', &element)) {
		uint64_t seq = 0;
		bool is_seq = slice_to_u64(element, TEXT_MAX_PARTS, &seq);
		BUG_ON(!is_seq);
		settled |= 1u << seq;
	}
	return settled;
}

static void open_parts(struct notice *notice, uint32_t settled)
{
	for (uint8_t seq = 1; seq <= notice->text.n; seq++) {
		if (settled & 1u << seq)
			continue;
		notice->open[notice->n_open] = seq;
		uuid_make(notice->uuid[notice->n_open]);
		notice->n_open++;
	}
}

static void set_problem(struct notice *notice, const char *problem, const char *why,
			bool is_hopeless)
{
	notice->problem = problem;
	notice->why = why;
	notice->is_hopeless = is_hopeless;
}

/* A sealed text opens for this notice and this number only; doc/smsc.md. */
static struct slice open_text(struct notice *notice, const struct seal_keys *keys,
			      struct slice sealed_hex)
{
	uint8_t hash[SHA256_BYTES];
	char hash_hex[2 * SHA256_BYTES + 1];
	size_t n = sealed_hex.n / 2;
	uint8_t *sealed = arena_alloc(notice->arena, n);
	uint8_t *text = arena_alloc(notice->arena, n);
	sha256(notice->msisdn, hash);
	hex_encode(slice_make(hash, sizeof(hash)), hash_hex);
	const char *place = arena_printf(notice->arena, "provbox/1 notice %s %s",
					 notice->id, hash_hex);
	bool is_hex =
		keys && sealed && text && place && hex_decode(sealed_hex, sealed, n);
	ssize_t length =
		is_hex ? seal_open(keys, slice_of(place), slice_make(sealed, n), text)
		       : -1;
	if (length < 0) {
		set_problem(notice, "seal_failed", keys ? "not_opened" : "no_key",
			    false);
		return SLICE("");
	}
	notice->secret = slice_make(text, (size_t)length);
	return notice->secret;
}

static struct slice take_text(struct notice *notice, const struct seal_keys *keys,
			      const PGresult *result, int row)
{
	struct slice sealed = db_value(result, row, LEASE_SEALED);
	struct slice text = db_value(result, row, LEASE_TEXT);
	if (sealed.n > 0)
		return open_text(notice, keys, sealed);
	struct slice copy = arena_copy(notice->arena, text);
	if (text.n > 0 && !copy.p)
		set_problem(notice, "message_too_long", "text_too_long", true);
	return copy;
}

static uint64_t number(const PGresult *result, int row, int column, uint64_t limit)
{
	uint64_t value = 0;
	bool is_number = slice_to_u64(db_value(result, row, column), limit, &value);
	BUG_ON(!is_number);
	return value;
}

struct notice *notice_new(const struct seal_keys *keys, const PGresult *result, int row)
{
	struct arena *arena = arena_new(ARENA_BYTES);
	struct notice *notice = arena_alloc(arena, sizeof(*notice));
	BUG_ON(!notice);
	notice->arena = arena;
	notice->id = arena_string(arena, db_value(result, row, LEASE_NOTICE));
	notice->token = arena_string(arena, db_value(result, row, LEASE_TOKEN));
	notice->msisdn = arena_copy(arena, db_value(result, row, LEASE_MSISDN));
	notice->sender = arena_copy(arena, db_value(result, row, LEASE_SENDER));
	BUG_ON(!notice->id || !notice->token || !notice->msisdn.p || !notice->sender.p);
	notice->reference = (uint8_t)number(result, row, LEASE_CONCAT_REF, UINT8_MAX);
	notice->validity_s = (int64_t)number(result, row, LEASE_VALIDITY, INT32_MAX);
	notice->leased_s = (int64_t)number(result, row, LEASE_NOW, INT32_MAX);

	struct slice text = take_text(notice, keys, result, row);
	if (notice->problem)
		return notice;
	enum text_problem problem = text_split(text, &notice->text);
	if (problem == TEXT_OK)
		open_parts(notice, parse_settled(db_value(result, row, LEASE_SETTLED)));
	else
		set_problem(notice,
			    problem == TEXT_TOO_LONG ? "message_too_long"
						     : "message_refused",
			    text_problem_name(problem), true);
	return notice;
}

void notice_free(struct notice *notice)
{
	if (notice->secret.n > 0)
		OPENSSL_cleanse((void *)notice->secret.p, notice->secret.n);
	arena_free(notice->arena);
}

static struct slice make_udh(struct notice *notice, uint8_t seq)
{
	if (notice->text.n == 1)
		return SLICE("");
	uint8_t *udh = arena_alloc(notice->arena, TEXT_UDH_BYTES);
	BUG_ON(!udh);
	text_udh(notice->reference, notice->text.n, seq, udh);
	return slice_make(udh, TEXT_UDH_BYTES);
}

void notice_message(struct notice *notice, size_t index, struct slice box_id,
		    struct box_message *out)
{
	uint8_t seq = notice->open[index];
	struct slice text = notice->text.part[seq - 1];
	struct slice uuid = slice_make(notice->uuid[index], UUID_CHARS);
	box_init(out, BOX_SMS);
	struct box_sms *sms = &out->sms;
	sms->sender = notice->sender;
	sms->receiver = notice->msisdn;
	sms->udhdata = make_udh(notice, seq);
	if (notice->text.alphabet == TEXT_GSM7) {
		sms->coding = BOX_CODING_7BIT;
		sms->charset = SLICE("UTF-8");
		sms->msgdata = text;
	} else {
		sms->coding = BOX_CODING_UCS2;
		sms->charset = SLICE("UTF-16BE");
		sms->msgdata = text_to_utf16(notice->arena, text);
		BUG_ON(!sms->msgdata.p);
	}
	sms->time = (int32_t)notice->leased_s;
	sms->id = uuid;
	sms->sms_type = BOX_MT_PUSH;
	/* bearerbox refuses what has expired: of all clocks, ours least decides that.
	 */
	sms->validity = (int32_t)(notice->leased_s + notice->validity_s);
	sms->dlr_mask = BOX_REPORTS_WANTED;
	sms->dlr_url = uuid;
	sms->boxc_id = box_id;
}
