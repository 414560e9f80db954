#include "auth/auth.h"

#include "base/log.h"

#define LENGTH_BYTES 4
#define ABSENT       UINT32_MAX

static const char *const labels[AUTH_LABEL_N] = {
	[AUTH_LABEL_GRANT] = "provbox/1 grant",
	[AUTH_LABEL_GRANT_PAYLOAD] = "provbox/1 grant payload",
	[AUTH_LABEL_ZONE_PROOF] = "provbox/1 zone proof",
	[AUTH_LABEL_SIGNATURE] = "provbox/1 signature",
};

const char *auth_label_text(enum auth_label label)
{
	BUG_ON(label >= AUTH_LABEL_N);
	return labels[label];
}

static void put_u32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

static uint32_t get_u32(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

size_t auth_encode(enum auth_label label, const struct slice *fields, size_t n_fields,
		   uint8_t *out, size_t cap)
{
	const char *text = auth_label_text(label);
	size_t used = strlen(text) + 1;

	if (used > cap)
		return 0;
	memcpy(out, text, used);
	for (size_t i = 0; i < n_fields; i++) {
		size_t n = fields[i].p ? fields[i].n : 0;
		if (cap - used < LENGTH_BYTES || n > cap - used - LENGTH_BYTES ||
		    n >= ABSENT)
			return 0;
		put_u32(out + used, fields[i].p ? (uint32_t)n : ABSENT);
		used += LENGTH_BYTES;
		if (n > 0)
			memcpy(out + used, fields[i].p, n);
		used += n;
	}
	return used;
}

/* Take @p n bytes off the front. */
static bool take(struct slice *rest, size_t n, struct slice *out)
{
	if (rest->n < n)
		return false;
	*out = slice_make(rest->p, n);
	*rest = slice_make(rest->p + n, rest->n - n);
	return true;
}

bool auth_decode(enum auth_label label, struct slice bytes, struct slice *fields,
		 size_t n_fields)
{
	const char *text = auth_label_text(label);
	struct slice rest = bytes, head, length;

	if (!take(&rest, strlen(text) + 1, &head) || memcmp(head.p, text, head.n) != 0)
		return false;
	for (size_t i = 0; i < n_fields; i++) {
		if (!take(&rest, LENGTH_BYTES, &length))
			return false;
		uint32_t n = get_u32(length.p);
		fields[i] = slice_make(NULL, 0);
		if (n != ABSENT && !take(&rest, n, &fields[i]))
			return false;
	}
	return rest.n == 0;
}
