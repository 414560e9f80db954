#include "smsc/text.h"

#include "base/utf8.h"

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

/* The alphabet of a text and its length in units of that alphabet. */
static enum text_problem measure(struct slice text, enum text_alphabet *alphabet,
				 size_t *units)
{
	size_t septets = 0, utf16_units = 0;
	bool is_gsm7 = true;
	while (text.n > 0) {
		uint32_t c;
		if (!utf8_next(&text, &c) || c == 0)
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
	struct slice rest = text, next = text;
	uint32_t c;
	while (utf8_next(&next, &c)) {
		size_t units = units_of(alphabet, c);
		if (units > room)
			break;
		room -= units;
		rest = next;
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
		text = slice_make(text.p + n, text.n - n);
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

/* Take one character off text from outside; a byte that is part of none, and NUL,
 * become U+FFFD. */
static uint32_t repair_next(struct slice *rest)
{
	uint32_t c;
	if (!utf8_next(rest, &c)) {
		*rest = slice_make(rest->p + 1, rest->n - 1);
		return UTF8_REPLACEMENT;
	}
	return c == 0 ? UTF8_REPLACEMENT : c;
}

struct slice text_to_utf16(struct arena *arena, struct slice utf8)
{
	/* No character has more octets in UTF-16 than twice those in UTF-8. */
	uint8_t *out = arena_alloc(arena, utf8.n * 2 + 1);
	if (!out)
		return (struct slice){ NULL, 0 };
	size_t at = 0;
	while (utf8.n > 0) {
		uint32_t c = repair_next(&utf8);
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

/* Take one character off UTF-16; what is none gives U+FFFD. Returns octets. */
static size_t take_utf16(struct slice s, uint32_t *character)
{
	const uint8_t *p = (const uint8_t *)s.p;
	*character = UTF8_REPLACEMENT;
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
	for (size_t n; utf16.n > 0; utf16 = slice_make(utf16.p + n, utf16.n - n)) {
		uint32_t c;
		n = take_utf16(utf16, &c);
		at += utf8_put(c, out + at);
	}
	return slice_make(out, at);
}

struct slice text_repair(struct arena *arena, struct slice utf8)
{
	char *out = arena_alloc(arena, utf8.n * 3 + 1);
	if (!out)
		return (struct slice){ NULL, 0 };
	size_t at = 0;
	while (utf8.n > 0)
		at += utf8_put(repair_next(&utf8), out + at);
	return slice_make(out, at);
}
