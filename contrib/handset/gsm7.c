#include "contrib/handset/gsm7.h"

#include "base/utf8.h"

#define ESCAPE     0x1b
#define ALPHABET_N 128

/* 3GPP TS 23.038, 6.2.1: code to character. The escape stands as a space. */
static const uint16_t basic[ALPHABET_N] = {
	0x0040, 0x00a3, 0x0024, 0x00a5,
	0x00e8, 0x00e9, 0x00f9, 0x00ec, /* @ to i grave */
	0x00f2, 0x00c7, 0x000a, 0x00d8,
	0x00f8, 0x000d, 0x00c5, 0x00e5, /* o grave to aa */
	0x0394, 0x005f, 0x03a6, 0x0393,
	0x039b, 0x03a9, 0x03a0, 0x03a8, /* Delta to Psi */
	0x03a3, 0x0398, 0x039e, 0x0020,
	0x00c6, 0x00e6, 0x00df, 0x00c9, /* Sigma to E' */
	0x0020, 0x0021, 0x0022, 0x0023,
	0x00a4, 0x0025, 0x0026, 0x0027, /* space to ' */
	0x0028, 0x0029, 0x002a, 0x002b,
	0x002c, 0x002d, 0x002e, 0x002f, /* ( to / */
	0x0030, 0x0031, 0x0032, 0x0033,
	0x0034, 0x0035, 0x0036, 0x0037, /* 0 to 7 */
	0x0038, 0x0039, 0x003a, 0x003b,
	0x003c, 0x003d, 0x003e, 0x003f, /* 8 to ? */
	0x00a1, 0x0041, 0x0042, 0x0043,
	0x0044, 0x0045, 0x0046, 0x0047, /* !' to G */
	0x0048, 0x0049, 0x004a, 0x004b,
	0x004c, 0x004d, 0x004e, 0x004f, /* H to O */
	0x0050, 0x0051, 0x0052, 0x0053,
	0x0054, 0x0055, 0x0056, 0x0057, /* P to W */
	0x0058, 0x0059, 0x005a, 0x00c4,
	0x00d6, 0x00d1, 0x00dc, 0x00a7, /* X to section */
	0x00bf, 0x0061, 0x0062, 0x0063,
	0x0064, 0x0065, 0x0066, 0x0067, /* ?' to g */
	0x0068, 0x0069, 0x006a, 0x006b,
	0x006c, 0x006d, 0x006e, 0x006f, /* h to o */
	0x0070, 0x0071, 0x0072, 0x0073,
	0x0074, 0x0075, 0x0076, 0x0077, /* p to w */
	0x0078, 0x0079, 0x007a, 0x00e4,
	0x00f6, 0x00f1, 0x00fc, 0x00e0, /* x to a grave */
};

/* 6.2.1.1: what follows an escape. */
static const struct {
	uint8_t code;
	uint16_t character;
} extension[] = {
	{ 0x0a, 0x000c }, { 0x14, '^' }, { 0x28, '{' }, { 0x29, '}' }, { 0x2f, '\\' },
	{ 0x3c, '[' },    { 0x3d, '~' }, { 0x3e, ']' }, { 0x40, '|' }, { 0x65, 0x20ac },
};
#define EXTENSION_N (sizeof(extension) / sizeof(extension[0]))

static uint32_t extended(uint8_t code)
{
	for (size_t i = 0; i < EXTENSION_N; i++)
		if (extension[i].code == code)
			return extension[i].character;
	return basic[code];
}

bool gsm7_decode(struct slice septets, struct evbuffer *utf8)
{
	const uint8_t *p = (const uint8_t *)septets.p;

	for (size_t i = 0; i < septets.n; i++)
		if (p[i] >= ALPHABET_N)
			return false;
	for (size_t i = 0; i < septets.n; i++) {
		if (p[i] == ESCAPE && i + 1 < septets.n)
			utf8_append(utf8, extended(p[++i]));
		else
			utf8_append(utf8, basic[p[i]]);
	}
	return true;
}

/* Find the septets of a character: one, or two with an escape. */
static size_t septets_of(uint32_t character, uint8_t out[2])
{
	for (size_t i = 0; i < EXTENSION_N; i++)
		if (extension[i].character == character) {
			out[0] = ESCAPE;
			out[1] = extension[i].code;
			return 2;
		}
	for (uint8_t i = 0; i < ALPHABET_N; i++)
		if (basic[i] == character && i != ESCAPE) {
			out[0] = i;
			return 1;
		}
	return 0;
}

bool gsm7_encode(struct slice utf8, struct evbuffer *septets)
{
	struct evbuffer *out = evbuffer_new();
	uint32_t character;
	uint8_t codes[2];
	size_t n = 1;

	while (n > 0 && utf8.n > 0) {
		n = utf8_next(&utf8, &character) ? septets_of(character, codes) : 0;
		evbuffer_add(out, codes, n);
	}
	if (n > 0)
		evbuffer_add_buffer(septets, out);
	evbuffer_free(out);
	return n > 0;
}

static bool is_high(uint32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

bool ucs2_decode(struct slice bytes, struct evbuffer *utf8)
{
	const uint8_t *p = (const uint8_t *)bytes.p;

	if (bytes.n % 2)
		return false;
	for (size_t i = 0; i < bytes.n; i += 2) {
		uint32_t unit = (uint32_t)p[i] << 8 | p[i + 1];
		uint32_t next =
			i + 3 < bytes.n ? (uint32_t)p[i + 2] << 8 | p[i + 3] : 0;

		if (is_high(unit) && is_low(next)) {
			unit = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
			i += 2;
		} else if (is_high(unit) || is_low(unit)) {
			unit = UTF8_REPLACEMENT;
		}
		utf8_append(utf8, unit);
	}
	return true;
}

static void add_unit(struct evbuffer *out, uint32_t unit)
{
	uint8_t bytes[2] = { (uint8_t)(unit >> 8), (uint8_t)unit };

	evbuffer_add(out, bytes, sizeof(bytes));
}

bool ucs2_encode(struct slice utf8, struct evbuffer *bytes)
{
	struct evbuffer *out = evbuffer_new();
	uint32_t character;
	bool ok = true;

	while (ok && utf8.n > 0) {
		ok = utf8_next(&utf8, &character);
		if (ok && character >= 0x10000) {
			add_unit(out, 0xd800 + ((character - 0x10000) >> 10));
			add_unit(out, 0xdc00 + ((character - 0x10000) & 0x3ff));
		} else if (ok) {
			add_unit(out, character);
		}
	}
	if (ok)
		evbuffer_add_buffer(bytes, out);
	evbuffer_free(out);
	return ok;
}
