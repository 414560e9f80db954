#include "smsc/box.h"

#include <arpa/inet.h>

#include "base/codec.h"

#define NULL_STRING 0xffffffffu
#define TEL_MAX     32

enum field_kind {
	FIELD_INTEGER,
	FIELD_STRING,
	FIELD_UUID,
};

struct field {
	enum field_kind kind;
	size_t offset;
};

#define INTEGER(body, name)                                            \
	{                                                              \
		FIELD_INTEGER, offsetof(struct box_message, body.name) \
	}
#define STRING(body, name)                                            \
	{                                                             \
		FIELD_STRING, offsetof(struct box_message, body.name) \
	}
#define UUID(body, name)                                            \
	{                                                           \
		FIELD_UUID, offsetof(struct box_message, body.name) \
	}

static const struct field heartbeat_fields[] = {
	INTEGER(heartbeat, load),
};

static const struct field admin_fields[] = {
	INTEGER(admin, command),
	STRING(admin, boxc_id),
};

static const struct field sms_fields[] = {
	STRING(sms, sender),
	STRING(sms, receiver),
	STRING(sms, udhdata),
	STRING(sms, msgdata),
	INTEGER(sms, time),
	STRING(sms, smsc_id),
	STRING(sms, smsc_number),
	STRING(sms, foreign_id),
	STRING(sms, service),
	STRING(sms, account),
	UUID(sms, id),
	INTEGER(sms, sms_type),
	INTEGER(sms, mclass),
	INTEGER(sms, mwi),
	INTEGER(sms, coding),
	INTEGER(sms, compress),
	INTEGER(sms, validity),
	INTEGER(sms, deferred),
	INTEGER(sms, dlr_mask),
	STRING(sms, dlr_url),
	INTEGER(sms, pid),
	INTEGER(sms, alt_dcs),
	INTEGER(sms, rpi),
	STRING(sms, charset),
	STRING(sms, boxc_id),
	STRING(sms, binfo),
	INTEGER(sms, msg_left),
	INTEGER(sms, priority),
	INTEGER(sms, resend_try),
	INTEGER(sms, resend_time),
	STRING(sms, meta_data),
};

static const struct field ack_fields[] = {
	INTEGER(ack, nack),
	INTEGER(ack, time),
	UUID(ack, id),
};

/* The fields of each type, in the order in which they are packed. */
static const struct {
	const struct field *fields;
	size_t n;
} layouts[] = {
#define LAYOUT(table)                                   \
	{                                               \
		table, sizeof(table) / sizeof(table[0]) \
	}
	[BOX_HEARTBEAT] = LAYOUT(heartbeat_fields),
	[BOX_ADMIN] = LAYOUT(admin_fields),
	[BOX_SMS] = LAYOUT(sms_fields),
	[BOX_ACK] = LAYOUT(ack_fields),
#undef LAYOUT
};
#define N_TYPES (sizeof(layouts) / sizeof(layouts[0]))

static struct slice *string_at(struct box_message *message, size_t offset)
{
	return (struct slice *)((char *)message + offset);
}

static int32_t *integer_at(struct box_message *message, size_t offset)
{
	return (int32_t *)((char *)message + offset);
}

void box_init(struct box_message *message, enum box_type type)
{
	*message = (struct box_message){ .type = type };
	for (size_t i = 0; i < layouts[type].n; i++) {
		const struct field *field = &layouts[type].fields[i];
		if (field->kind == FIELD_INTEGER)
			*integer_at(message, field->offset) = BOX_UNDEFINED;
		else
			*string_at(message, field->offset) = (struct slice){ NULL, 0 };
	}
}

static bool is_tel(struct slice s)
{
	if (s.n > 0 && s.p[0] == '+')
		s = slice_make(s.p + 1, s.n - 1);
	if (s.n == 0 || s.n > TEL_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static bool is_udh(struct slice s)
{
	return s.p && (s.n == 0 || (uint8_t)s.p[0] + 1u == s.n);
}

static bool is_safe_sms(const struct box_sms *sms)
{
	return sms->sender.p && sms->sender.n > 0 && is_tel(sms->receiver) &&
	       is_udh(sms->udhdata) && sms->msgdata.p && sms->msgdata.n > 0 &&
	       uuid_is_valid(sms->id) && sms->coding >= BOX_CODING_7BIT &&
	       sms->coding <= BOX_CODING_UCS2;
}

/* Only what bearerbox was seen to survive. */
static bool is_safe(const struct box_message *message)
{
	switch (message->type) {
	case BOX_HEARTBEAT: return message->heartbeat.load >= 0;
	case BOX_ADMIN:
		return message->admin.command == BOX_IDENTIFY &&
		       message->admin.boxc_id.p && message->admin.boxc_id.n > 0;
	case BOX_SMS: return is_safe_sms(&message->sms);
	case BOX_ACK: return uuid_is_valid(message->ack.id);
	}
	return false;
}

static size_t frame_size(const struct box_message *message)
{
	size_t size = 8;
	for (size_t i = 0; i < layouts[message->type].n; i++) {
		const struct field *field = &layouts[message->type].fields[i];
		size += 4;
		if (field->kind == FIELD_INTEGER)
			continue;
		size_t n =
			((const struct slice *)((const char *)message + field->offset))
				->n;
		if (n > BOX_FRAME_LIMIT)
			return SIZE_MAX;
		size += n;
	}
	return size;
}

static void put_u32(struct evbuffer *out, uint32_t value)
{
	uint32_t wire = htonl(value);
	evbuffer_add(out, &wire, sizeof(wire));
}

bool box_write(const struct box_message *message, struct evbuffer *out)
{
	if (!is_safe(message))
		return false;
	size_t size = frame_size(message);
	if (size > BOX_FRAME_LIMIT || evbuffer_expand(out, size) < 0)
		return false;

	put_u32(out, (uint32_t)size - 4);
	put_u32(out, message->type);
	for (size_t i = 0; i < layouts[message->type].n; i++) {
		const struct field *field = &layouts[message->type].fields[i];
		const char *at = (const char *)message + field->offset;
		if (field->kind == FIELD_INTEGER) {
			put_u32(out, (uint32_t)(*(const int32_t *)(const void *)at));
			continue;
		}
		const struct slice *s = (const struct slice *)(const void *)at;
		put_u32(out, s->p ? (uint32_t)s->n : NULL_STRING);
		if (s->n > 0)
			evbuffer_add(out, s->p, s->n);
	}
	return true;
}

static bool take_u32(struct slice *rest, uint32_t *value)
{
	if (rest->n < 4)
		return false;
	const uint8_t *p = (const uint8_t *)rest->p;
	*value = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
		 p[3];
	*rest = slice_make(rest->p + 4, rest->n - 4);
	return true;
}

/* NULL has a length of all ones; any other is at most what is left. */
static bool take_string(struct slice *rest, struct slice *value)
{
	uint32_t n;
	if (!take_u32(rest, &n))
		return false;
	*value = (struct slice){ NULL, 0 };
	if (n == NULL_STRING)
		return true;
	if (n > rest->n)
		return false;
	*value = slice_make(rest->p, n);
	*rest = slice_make(rest->p + n, rest->n - n);
	return true;
}

static const char *read_fields(struct slice body, struct box_message *out)
{
	for (size_t i = 0; i < layouts[out->type].n; i++) {
		const struct field *field = &layouts[out->type].fields[i];
		uint32_t number;
		if (field->kind == FIELD_INTEGER) {
			if (!take_u32(&body, &number))
				return "integer_cut";
			*integer_at(out, field->offset) = (int32_t)number;
			continue;
		}
		struct slice *s = string_at(out, field->offset);
		if (!take_string(&body, s))
			return "string_cut";
		if (field->kind == FIELD_UUID && !uuid_is_valid(*s))
			return "uuid_invalid";
	}
	return body.n == 0 ? NULL : "bytes_left";
}

enum box_result box_read(struct slice rx, struct box_message *out, size_t *used,
			 const char **why)
{
	uint32_t size, type;
	struct slice rest = rx;
	*used = 4;
	if (!take_u32(&rest, &size))
		return BOX_MORE;
	if (size > BOX_FRAME_LIMIT - 4) {
		*why = "frame_too_long";
		return BOX_BAD;
	}
	*used = 4 + (size_t)size;
	if (rest.n < size)
		return BOX_MORE;
	rest.n = size;
	if (!take_u32(&rest, &type)) {
		*why = "frame_too_short";
		return BOX_BAD;
	}
	if (type >= N_TYPES) {
		*why = "type_unknown";
		return BOX_BAD;
	}
	box_init(out, (enum box_type)type);
	*why = read_fields(rest, out);
	return *why ? BOX_BAD : BOX_DONE;
}
