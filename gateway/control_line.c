#include "gateway/control_line.h"

#include <stddef.h>
#include <stdio.h>

#include "base/json.h"

#define REASON_CHARS 64
#define ALL_DEVICES  SLICE("*")

struct end {
	struct slice dev, reason;
	int64_t epoch;
};

static bool fail(char *why, size_t why_size, const char *what)
{
	snprintf(why, why_size, "%s", what);
	return false;
}

static bool read_heartbeat(const json_t *object, struct control_line *line, char *why,
			   size_t why_size)
{
	static const struct json_member members[] = {
		{ "hb", JSON_INT, 0, 1, 1 },
	};
	int64_t one;

	line->is_heartbeat = true;
	return json_read(object, members, 1, &one, why, why_size);
}

static bool is_reason_code(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return true;
}

/* What a later server may have as reason is no less than to be blocked. */
static bool read_end(const json_t *object, struct control_line *line, char *why,
		     size_t why_size)
{
	static const struct json_member members[] = {
		{ "end", JSON_TEXT, offsetof(struct end, dev), 1, AUTH_DEV_CHARS },
		{ "epoch", JSON_INT, offsetof(struct end, epoch), 0, INT64_MAX },
		{ "reason", JSON_TEXT, offsetof(struct end, reason), 1, REASON_CHARS },
	};
	struct end end;

	if (!json_read(object, members, sizeof(members) / sizeof(members[0]), &end, why,
		       why_size))
		return false;
	if (!slice_eq(end.dev, ALL_DEVICES) &&
	    (!identity_canonical(end.dev, line->dev) ||
	     !slice_eq(end.dev, slice_of(line->dev))))
		return fail(why, why_size, "member `end`: no canonical identifier");
	if (!is_reason_code(end.reason))
		return fail(why, why_size, "member `reason`: no reason code");
	line->epoch = end.epoch;
	line->is_blocked =
		!slice_eq(end.reason, slice_of(auth_reason_name(REASON_GRANT_EPOCH)));
	return true;
}

bool control_line_decode(struct slice text, struct control_line *line, char *why,
			 size_t why_size)
{
	json_t *object;
	bool is_read;

	memset(line, 0, sizeof(*line));
	if (text.n > CONTROL_LINE_BYTES)
		return fail(why, why_size, "too long");
	object = json_parse(text, why, why_size);
	if (!object)
		return false;
	if (json_object_get(object, "hb"))
		is_read = read_heartbeat(object, line, why, why_size);
	else
		is_read = read_end(object, line, why, why_size);
	json_decref(object);
	return is_read;
}
