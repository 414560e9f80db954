#include "smsc/text.h"

#define REPLACEMENT 0xfffdu

/* What a message and a part of several hold, in septets or UTF-16 units. */
static const struct {
	size_t single, part;
} capacity[] = {
	[TEXT_GSM7] = { 160, 153 },
	[TEXT_UCS2] = { 70, 67 },
};

/* The default alphabet but for letters A-Z a-z, digits and space, in the order of
 * 3GPP TS 23.038, 6.2.1; 0x1b is the escape and no character. */
static const uint16_t default_alphabet[] = {
	'@',    0x00a3, '$',    0x00a5, 0x00e8, 0x00e9, 0x00f9, 0x00ec, 0x00f2, 0x00c7,
	'\n',   0x00d8, 0x00f8, '\r',   0x00c5, 0x00e5, 0x0394, '_',    0x03a6, 0x0393,
	0x039b, 0x03a9, 0x03a0, 0x03a8, 0x03a3, 0x0398, 0x039e, 0x00c6, 0x00e6, 0x00df,
	0x00c9, '!',    '"',    '#',    0x00a4, '%',    '&',    '\'',   '(',    ')',
	'*',    '+',    ',',    '-',    '.',    '/',    ':',    ';',    '<',    '=',
	'>',    '?',    0x00a1, 0x00c4, 0x00d6, 0x00d1, 0x00dc, 0x00a7, 0x00bf, 0x00e4,
	0x00f6, 0x00f1, 0x00fc, 0x00e0,
};

/* The extension table of 6.2.1.1: each is sent as 0x1b and a septet. */
static const uint16_t extension_table[] = {
	'\f', '^', '{', '}', '\\', '[', '~', ']', '|', 0x20ac,
};

static bool contains(const uint16_t *table, size_t n, uint32_t character)
{
	for (size_t i = 0; i < n; i++)
		if (table[i] == character)
			return true;
	return false;
}

/* Septets of a character; 0: not in the alphabet. */
static size_t septets_of(uint32_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == ' ')
		return 1;
	if (contains(default_alphabet,
		     sizeof(default_alphabet) / sizeof(default_alphabet[0]), c))
		return 1;
	if (contains(extension_table,
		     sizeof(extension_table) / sizeof(extension_table[0]), c))
		return 2;
	return 0;
}

static size_t units_of(enum text_alphabet alphabet, uint32_t character)
{
	if (alphabet == TEXT_GSM7)
		return septets_of(character);
	return character > 0xffff ? 2 : 1;
}

/* Take one character off the front. Returns its octets; 0: no valid UTF-8 here. */
static size_t take_utf8(struct slice s, uint32_t *character)
{
	const uint8_t *p = (const uint8_t *)s.p;
	if (p[0] < 0x80) {
		*character = p[0];
		return 1;
	}
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || s.n < n)
		return 0;
	uint32_t c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	static const uint32_t least[] = { [2] = 0x80, [3] = 0x800, [4] = 0x10000 };
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*character = c;
	return n;
}

static size_t put_utf8(uint32_t c, char *out)
{
	uint8_t *p = (uint8_t *)out;
	if (c < 0x80) {
		p[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (uint8_t)(0xc0 | c >> 6);
		p[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (uint8_t)(0xe0 | c >> 12);
		p[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		p[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (uint8_t)(0xf0 | c >> 18);
	p[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	p[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	p[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

static struct slice skip(struct slice s, size_t n)
{
	return slice_make(s.p + n, s.n - n);
}

/* The alphabet of a text and its length in units of that alphabet. */
static enum text_problem measure(struct slice text, enum text_alphabet *alphabet,
				 size_t *units)
{
	size_t septets = 0, utf16_units = 0;
	bool is_gsm7 = true;
	for (size_t n; text.n > 0; text = skip(text, n)) {
		uint32_t c;
		n = take_utf8(text, &c);
		if (n == 0 || c == 0)
			return TEXT_NOT_UTF8;
		size_t cost = septets_of(c);
		is_gsm7 = is_gsm7 && cost > 0;
		septets += cost;
		utf16_units += units_of(TEXT_UCS2, c);
	}
	*alphabet = is_gsm7 ? TEXT_GSM7 : TEXT_UCS2;
	*units = is_gsm7 ? septets : utf16_units;
	return TEXT_OK;
}

/* Octets at the front of a measured text that fill one part. */
static size_t fill_part(enum text_alphabet alphabet, struct slice text, size_t room)
{
	struct slice rest = text;
	while (rest.n > 0) {
		uint32_t c = 0;
		size_t n = take_utf8(rest, &c);
		size_t units = units_of(alphabet, c);
		if (units > room)
			break;
		room -= units;
		rest = skip(rest, n);
	}
	return text.n - rest.n;
}

enum text_problem text_split(struct slice text, struct text_parts *out)
{
	enum text_alphabet alphabet;
	size_t units;
	if (text.n == 0)
		return TEXT_EMPTY;
	enum text_problem problem = measure(text, &alphabet, &units);
	if (problem != TEXT_OK)
		return problem;

	struct text_parts parts = { .alphabet = alphabet };
	size_t room = units <= capacity[alphabet].single ? capacity[alphabet].single
							 : capacity[alphabet].part;
	while (text.n > 0) {
		if (parts.n == TEXT_MAX_PARTS)
			return TEXT_TOO_LONG;
		size_t n = fill_part(alphabet, text, room);
		parts.part[parts.n++] = slice_make(text.p, n);
		text = skip(text, n);
	}
	*out = parts;
	return TEXT_OK;
}

const char *text_problem_name(enum text_problem problem)
{
	static const char *const names[] = {
		[TEXT_OK] = "ok",
		[TEXT_EMPTY] = "text_empty",
		[TEXT_NOT_UTF8] = "text_not_utf8",
		[TEXT_TOO_LONG] = "text_too_long",
	};
	return names[problem];
}

void text_udh(uint8_t reference, size_t total, size_t seq, uint8_t out[TEXT_UDH_BYTES])
{
	out[0] = TEXT_UDH_BYTES - 1;
	out[1] = 0x00; /* concatenated short messages, 8-bit reference */
	out[2] = 3;
	out[3] = reference;
	out[4] = (uint8_t)total;
	out[5] = (uint8_t)seq;
}

struct slice text_to_utf16(struct arena *arena, struct slice utf8)
{
	/* No character has more octets in UTF-16 than twice those in UTF-8. */
	uint8_t *out = arena_alloc(arena, utf8.n * 2 + 1);
	if (!out)
		return (struct slice){ NULL, 0 };
	size_t at = 0;
	for (size_t n; utf8.n > 0; utf8 = skip(utf8, n)) {
		uint32_t c;
		n = take_utf8(utf8, &c);
		if (n == 0) {
			c = REPLACEMENT;
			n = 1;
		}
		uint16_t unit[2] = { (uint16_t)c, 0 };
		size_t units = units_of(TEXT_UCS2, c);
		if (units == 2) {
			unit[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
			unit[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
		}
		for (size_t i = 0; i < units; i++) {
			out[at++] = (uint8_t)(unit[i] >> 8);
			out[at++] = (uint8_t)unit[i];
		}
	}
	return slice_make(out, at);
}

/* Take one character off UTF-16; what is none gives REPLACEMENT. Returns octets. */
static size_t take_utf16(struct slice s, uint32_t *character)
{
	const uint8_t *p = (const uint8_t *)s.p;
	*character = REPLACEMENT;
	if (s.n < 2)
		return 1;
	uint32_t high = (uint32_t)p[0] << 8 | p[1];
	if (high < 0xd800 || high > 0xdfff) {
		if (high != 0)
			*character = high;
		return 2;
	}
	if (high > 0xdbff || s.n < 4)
		return 2;
	uint32_t low = (uint32_t)p[2] << 8 | p[3];
	if (low < 0xdc00 || low > 0xdfff)
		return 2;
	*character = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	return 4;
}

struct slice text_from_utf16(struct arena *arena, struct slice utf16)
{
	/* Two octets make at most three, one odd octet makes three. */
	char *out = arena_alloc(arena, utf16.n * 2 + 2);
	if (!out)
		return (struct slice){ NULL, 0 };
	size_t at = 0;
	for (size_t n; utf16.n > 0; utf16 = skip(utf16, n)) {
		uint32_t c;
		n = take_utf16(utf16, &c);
		at += put_utf8(c, out + at);
	}
	return slice_make(out, at);
}

struct slice text_repair(struct arena *arena, struct slice utf8)
{
	char *out = arena_alloc(arena, utf8.n * 3 + 1);
	if (!out)
		return (struct slice){ NULL, 0 };
	size_t at = 0;
	for (size_t n; utf8.n > 0; utf8 = skip(utf8, n)) {
		uint32_t c;
		n = take_utf8(utf8, &c);
		if (n == 0 || c == 0) {
			c = REPLACEMENT;
			n = 1;
		}
		at += put_utf8(c, out + at);
	}
	return slice_make(out, at);
}
