#include "contrib/handset/sms.h"

#include <stdio.h>
#include <stdlib.h>

#include "contrib/handset/gsm7.h"

#define GROUPS_N        16 /* messages being put together; the oldest gives way */
#define IE_CONCAT_8BIT  0x00
#define IE_CONCAT_16BIT 0x08
#define PART_BYTES      160

/* What the header says about the place of a part. */
struct place {
	unsigned reference, total, number; /* number from 1 */
};

struct group {
	bool is_used, is_complete;
	char sender[SMS_SENDER_CHARS + 1];
	unsigned dcs;
	struct place place; /* of any part; number does not count */
	unsigned received;
	int64_t touched_ms;
	struct {
		bool is_here;
		size_t n;
		uint8_t data[PART_BYTES];
	} parts[SMS_PARTS_LIMIT];
};

struct sms {
	int64_t patience_ms;
	struct group groups[GROUPS_N];
};

const char *sms_result_name(enum sms_result result)
{
	static const char *const names[] = {
		[SMS_COMPLETE] = "complete",
		[SMS_INCOMPLETE] = "incomplete",
		[SMS_DUPLICATE] = "duplicate",
		[SMS_BAD] = "bad",
	};

	return names[result];
}

struct sms *sms_new(int64_t patience_ms)
{
	struct sms *sms = calloc(1, sizeof(*sms));

	if (!sms)
		abort();
	sms->patience_ms = patience_ms;
	return sms;
}

void sms_free(struct sms *sms)
{
	free(sms);
}

size_t sms_incomplete(const struct sms *sms)
{
	size_t n = 0;

	for (size_t i = 0; i < GROUPS_N; i++)
		n += sms->groups[i].is_used && !sms->groups[i].is_complete;
	return n;
}

/* One information element; those of no interest are skipped, as 9.2.3.24 wants. */
static void read_element(uint8_t id, const uint8_t *p, size_t n, struct place *place)
{
	if (id == IE_CONCAT_8BIT && n == 3)
		*place = (struct place){ p[0], p[1], p[2] };
	else if (id == IE_CONCAT_16BIT && n == 4)
		*place = (struct place){ (unsigned)p[0] << 8 | p[1], p[2], p[3] };
}

/* A message without a concatenation element is its own only part. */
static bool read_header(struct slice udh, struct place *place)
{
	const uint8_t *p = (const uint8_t *)udh.p;
	size_t at = 1;

	*place = (struct place){ 0, 1, 1 };
	if (udh.n == 0)
		return true;
	if (p[0] != udh.n - 1)
		return false;
	while (at < udh.n) {
		if (udh.n - at < 2 || udh.n - at - 2 < p[at + 1])
			return false;
		read_element(p[at], p + at + 2, p[at + 1], place);
		at += 2u + p[at + 1];
	}
	return place->number >= 1 && place->number <= place->total &&
	       place->total <= SMS_PARTS_LIMIT;
}

static bool is_readable(const struct sms_part *part)
{
	return (part->dcs == SMS_DCS_GSM7 || part->dcs == SMS_DCS_UCS2) &&
	       part->sender.n <= SMS_SENDER_CHARS && part->data.n <= PART_BYTES;
}

static void forget_stale(struct sms *sms, int64_t now_ms)
{
	for (size_t i = 0; i < GROUPS_N; i++)
		if (now_ms - sms->groups[i].touched_ms > sms->patience_ms)
			sms->groups[i].is_used = false;
}

static bool is_same_message(const struct group *group, const struct sms_part *part,
			    const struct place *place)
{
	return group->is_used && group->place.reference == place->reference &&
	       group->place.total == place->total && group->dcs == part->dcs &&
	       slice_eq(slice_of(group->sender), part->sender);
}

static bool is_same_data(const struct group *group, unsigned index, struct slice data)
{
	return slice_eq(slice_make(group->parts[index].data, group->parts[index].n),
			data);
}

static void begin_group(struct group *group, const struct sms_part *part,
			const struct place *place)
{
	*group = (struct group){ .is_used = true, .dcs = part->dcs, .place = *place };
	memcpy(group->sender, part->sender.p, part->sender.n);
}

/* The group of a part: the one it belongs to, a free one, or the oldest. */
static struct group *find_group(struct sms *sms, const struct sms_part *part,
				const struct place *place)
{
	struct group *oldest = &sms->groups[0];

	for (size_t i = 0; i < GROUPS_N; i++)
		if (is_same_message(&sms->groups[i], part, place))
			return &sms->groups[i];
	for (size_t i = 0; i < GROUPS_N; i++) {
		struct group *group = &sms->groups[i];

		if (!group->is_used) {
			oldest = group;
			break;
		}
		if (group->touched_ms < oldest->touched_ms)
			oldest = group;
	}
	begin_group(oldest, part, place);
	return oldest;
}

/* Characters may be cut between parts, so all bytes are joined before they are read. */
static bool decode(const struct group *group, struct sms_message *out)
{
	struct evbuffer *bytes = evbuffer_new();
	struct slice all;
	bool ok;

	for (unsigned i = 0; i < group->place.total; i++)
		evbuffer_add(bytes, group->parts[i].data, group->parts[i].n);
	all = slice_make(evbuffer_pullup(bytes, -1), evbuffer_get_length(bytes));
	*out = (struct sms_message){ .dcs = group->dcs,
				     .parts = group->place.total,
				     .text = evbuffer_new() };
	snprintf(out->sender, sizeof(out->sender), "%s", group->sender);
	ok = group->dcs == SMS_DCS_UCS2 ? ucs2_decode(all, out->text)
					: gsm7_decode(all, out->text);
	evbuffer_free(bytes);
	if (!ok)
		evbuffer_free(out->text);
	return ok;
}

enum sms_result sms_receive(struct sms *sms, const struct sms_part *part,
			    int64_t now_ms, struct sms_message *out)
{
	struct place place;
	struct group *group;
	unsigned index;

	if (!is_readable(part) || !read_header(part->udh, &place))
		return SMS_BAD;
	forget_stale(sms, now_ms);
	group = find_group(sms, part, &place);
	index = place.number - 1;
	/* A message of one part has no reference by which it could be recognised. */
	if (place.total > 1 && group->parts[index].is_here &&
	    is_same_data(group, index, part->data))
		return SMS_DUPLICATE;
	if (group->parts[index].is_here)
		begin_group(group, part, &place);
	group->touched_ms = now_ms;
	group->parts[index].is_here = true;
	group->parts[index].n = part->data.n;
	if (part->data.n > 0)
		memcpy(group->parts[index].data, part->data.p, part->data.n);
	if (++group->received < place.total)
		return SMS_INCOMPLETE;
	group->is_complete = true;
	return decode(group, out) ? SMS_COMPLETE : SMS_BAD;
}
