/*
 * Alphabets and parts. The default alphabet and its extension table are held against
 * 3GPP TS 23.038 V17.0.0, 6.2.1 and 6.2.1.1, typed in here as rows of that table.
 */
#include "smsc/text.h"

#include <stdlib.h>

#include "test/unit/test.h"

/* The table of 6.2.1, columns b7 b6 b5 = 000 to 111 one after the other. The escape
 * (0x1b) is left out. */
static const char *const default_alphabet[] = {
	"@", "£", "$", "¥",  "è", "é", "ù", "ì", "ò", "Ç", "\n", "Ø", "ø", "\r", "Å",
	"å", "Δ", "_", "Φ",  "Γ", "Λ", "Ω", "Π", "Ψ", "Σ", "Θ",  "Ξ", "Æ", "æ",  "ß",
	"É", " ", "!", "\"", "#", "¤", "%", "&", "'", "(", ")",  "*", "+", ",",  "-",
	".", "/", "0", "1",  "2", "3", "4", "5", "6", "7", "8",  "9", ":", ";",  "<",
	"=", ">", "?", "¡",  "A", "B", "C", "D", "E", "F", "G",  "H", "I", "J",  "K",
	"L", "M", "N", "O",  "P", "Q", "R", "S", "T", "U", "V",  "W", "X", "Y",  "Z",
	"Ä", "Ö", "Ñ", "Ü",  "§", "¿", "a", "b", "c", "d", "e",  "f", "g", "h",  "i",
	"j", "k", "l", "m",  "n", "o", "p", "q", "r", "s", "t",  "u", "v", "w",  "x",
	"y", "z", "ä", "ö",  "ñ", "ü", "à",
};

static const char *const extension_table[] = {
	"\f", "^", "{", "}", "\\", "[", "~", "]", "|", "€",
};

/* Characters near the alphabet that are not in it. */
static const char *const foreign[] = {
	"`", "ç", "á", "ê", "À", "Á", "\t", "\x01", "\x7f", "Ж", "中", "😀", "\xc2\xa0",
};

#define N(table) (sizeof(table) / sizeof(table[0]))

/* n times a text; the caller frees what p points to. */
static struct slice repeat(const char *text, size_t n)
{
	size_t size = strlen(text);
	char *p = malloc(n * size + 1);
	for (size_t i = 0; i < n; i++)
		memcpy(p + i * size, text, size);
	return slice_make(p, n * size);
}

static void drop(struct slice s)
{
	free((char *)s.p);
}

static enum text_problem split(const char *text, struct text_parts *parts)
{
	return text_split(slice_of(text), parts);
}

/* How many parts n times a character needs; 0: refused. */
static size_t parts_of(const char *character, size_t n, enum text_alphabet expected)
{
	struct slice text = repeat(character, n);
	struct text_parts parts = { .n = 0 };
	enum text_problem problem = text_split(text, &parts);
	if (problem == TEXT_OK)
		CU_ASSERT_EQUAL(parts.alphabet, expected);
	drop(text);
	return problem == TEXT_OK ? parts.n : 0;
}

static void knows_the_default_alphabet(void)
{
	CU_ASSERT_EQUAL(N(default_alphabet), 127);
	for (size_t i = 0; i < N(default_alphabet); i++) {
		CU_ASSERT_EQUAL(parts_of(default_alphabet[i], 160, TEXT_GSM7), 1);
		CU_ASSERT_EQUAL(parts_of(default_alphabet[i], 161, TEXT_GSM7), 2);
	}
}

static void counts_an_extension_character_twice(void)
{
	CU_ASSERT_EQUAL(N(extension_table), 10);
	for (size_t i = 0; i < N(extension_table); i++) {
		CU_ASSERT_EQUAL(parts_of(extension_table[i], 80, TEXT_GSM7), 1);
		CU_ASSERT_EQUAL(parts_of(extension_table[i], 81, TEXT_GSM7), 2);
	}
}

static void takes_ucs2_for_what_is_foreign(void)
{
	for (size_t i = 0; i < N(foreign); i++) {
		struct text_parts parts;
		CU_ASSERT_EQUAL(split(foreign[i], &parts), TEXT_OK);
		CU_ASSERT_EQUAL(parts.alphabet, TEXT_UCS2);
	}
	struct text_parts parts;
	CU_ASSERT_EQUAL(split("one ç is enough", &parts), TEXT_OK);
	CU_ASSERT_EQUAL(parts.alphabet, TEXT_UCS2);
}

static void cuts_at_the_limits_of_the_alphabet(void)
{
	static const struct {
		const char *character;
		enum text_alphabet alphabet;
		size_t n, parts;
	} rows[] = {
		{ "a", TEXT_GSM7, 1, 1 },
		{ "a", TEXT_GSM7, 160, 1 },
		{ "a", TEXT_GSM7, 161, 2 },
		{ "a", TEXT_GSM7, 306, 2 },
		{ "a", TEXT_GSM7, 307, 3 },
		{ "a", TEXT_GSM7, 3060, 20 },
		{ "a", TEXT_GSM7, 3061, 0 },
		{ "Ж", TEXT_UCS2, 70, 1 },
		{ "Ж", TEXT_UCS2, 71, 2 },
		{ "Ж", TEXT_UCS2, 134, 2 },
		{ "Ж", TEXT_UCS2, 135, 3 },
		{ "Ж", TEXT_UCS2, 1340, 20 },
		{ "Ж", TEXT_UCS2, 1341, 0 },
		{ "😀", TEXT_UCS2, 35, 1 },
		{ "😀", TEXT_UCS2, 36, 2 },
		{ "😀", TEXT_UCS2, 660, 20 },
		/* 67 units hold 33 pairs, 153 septets hold 76 escapes */
		{ "😀", TEXT_UCS2, 661, 0 },
		{ "€", TEXT_GSM7, 1520, 20 },
		{ "€", TEXT_GSM7, 1521, 0 },
	};
	for (size_t i = 0; i < N(rows); i++)
		CU_ASSERT_EQUAL(
			parts_of(rows[i].character, rows[i].n, rows[i].alphabet),
			rows[i].parts);
}

static void never_divides_a_character(void)
{
	static const struct {
		const char *fill, *wide;
		size_t n, first;
	} rows[] = {
		{ "a", "€", 152, 152 }, /* the escape alone would fit */
		{ "a", "€", 151, 151 + 3 },
		{ "Ж", "😀", 66, 66 * 2 }, /* the first surrogate would fit */
		{ "Ж", "😀", 65, 65 * 2 + 4 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct slice fill = repeat(rows[i].fill, rows[i].n);
		struct slice wide = repeat(rows[i].wide, 5);
		char *text = malloc(fill.n + wide.n);
		memcpy(text, fill.p, fill.n);
		memcpy(text + fill.n, wide.p, wide.n);

		struct text_parts parts;
		CU_ASSERT_EQUAL_FATAL(
			text_split(slice_make(text, fill.n + wide.n), &parts), TEXT_OK);
		CU_ASSERT_EQUAL(parts.n, 2);
		CU_ASSERT_EQUAL(parts.part[0].n, rows[i].first);
		CU_ASSERT_PTR_EQUAL(parts.part[0].p, text);
		CU_ASSERT_PTR_EQUAL(parts.part[1].p, text + rows[i].first);
		CU_ASSERT_EQUAL(parts.part[0].n + parts.part[1].n, fill.n + wide.n);
		free(text);
		drop(fill);
		drop(wide);
	}
}

static void refuses_what_is_no_text(void)
{
	static const struct {
		struct slice text;
		enum text_problem problem;
	} rows[] = {
		{ { "", 0 }, TEXT_EMPTY },
		{ { "a\0b", 3 }, TEXT_NOT_UTF8 },
		{ { "\x80", 1 }, TEXT_NOT_UTF8 },
		{ { "\xc0\xaf", 2 }, TEXT_NOT_UTF8 },     /* overlong */
		{ { "\xe0\x80\xaf", 3 }, TEXT_NOT_UTF8 }, /* overlong */
		{ { "\xed\xa0\x80", 3 }, TEXT_NOT_UTF8 }, /* a surrogate */
		{ { "\xf4\x90\x80\x80", 4 }, TEXT_NOT_UTF8 },
		{ { "\xf0\x9f\x98", 3 }, TEXT_NOT_UTF8 }, /* cut */
		{ { "\xe2\x82", 2 }, TEXT_NOT_UTF8 },
		{ { "\xc3(", 2 }, TEXT_NOT_UTF8 },
		{ { "\xff", 1 }, TEXT_NOT_UTF8 },
	};
	for (size_t i = 0; i < N(rows); i++) {
		struct text_parts parts;
		CU_ASSERT_EQUAL(text_split(rows[i].text, &parts), rows[i].problem);
	}
	CU_ASSERT_STRING_EQUAL(text_problem_name(TEXT_TOO_LONG), "text_too_long");
}

/* 3GPP TS 23.040, 9.2.3.24.1: length 5, element 00, its length 3. */
static void writes_the_concatenation_header(void)
{
	uint8_t udh[TEXT_UDH_BYTES];
	text_udh(0xfe, 3, 2, udh);
	CU_ASSERT_EQUAL(memcmp(udh, "\x05\x00\x03\xfe\x03\x02", 6), 0);
}

static void converts_to_utf16_and_back(void)
{
	static const struct {
		const char *utf8;
		struct slice utf16;
	} rows[] = {
		{ "", { "", 0 } },
		{ "A", { "\0A", 2 } },
		{ "é€", { "\0\xe9\x20\xac", 4 } },
		{ "😀", { "\xd8\x3d\xde\x00", 4 } }, /* RFC 2781, 2.1 */
		{ "\xf4\x8f\xbf\xbf", { "\xdb\xff\xdf\xff", 4 } },
		{ "a😀b", { "\0a\xd8\x3d\xde\0\0b", 8 } },
	};
	struct arena *arena = arena_new(4096);
	for (size_t i = 0; i < N(rows); i++) {
		struct slice utf8 = slice_of(rows[i].utf8);
		CU_ASSERT(slice_eq(text_to_utf16(arena, utf8), rows[i].utf16));
		CU_ASSERT(slice_eq(text_from_utf16(arena, rows[i].utf16), utf8));
	}
	arena_free(arena);
}

#define FFFD "\xef\xbf\xbd"

static void replaces_what_is_broken(void)
{
	static const struct {
		struct slice utf16;
		const char *utf8;
	} rows[] = {
		{ { "\xd8\x3d", 2 }, FFFD },
		{ { "\xde\x00", 2 }, FFFD },
		{ { "\xd8\x3d\0A", 4 }, FFFD "A" },
		{ { "\0\0\0A", 4 }, FFFD "A" },
		{ { "\0A\0", 3 }, "A" FFFD },
		{ { "\xd8\x3d\xde", 3 }, FFFD FFFD },
		{ { "\xde\x00\xd8\x3d", 4 }, FFFD FFFD },
	};
	struct arena *arena = arena_new(4096);
	for (size_t i = 0; i < N(rows); i++)
		CU_ASSERT(slice_eq(text_from_utf16(arena, rows[i].utf16),
				   slice_of(rows[i].utf8)));
	CU_ASSERT(slice_eq(text_repair(arena, slice_make("a\xff\xc3\0b", 5)),
			   slice_of("a" FFFD FFFD FFFD "b")));
	CU_ASSERT(
		slice_eq(text_repair(arena, SLICE("YES é 4711")), SLICE("YES é 4711")));
	arena_free(arena);
}

static void stops_at_the_arenas_limit(void)
{
	struct arena *arena = arena_new(16);
	struct slice text = SLICE("a text that is longer than the arena");
	CU_ASSERT_PTR_NULL(text_to_utf16(arena, text).p);
	CU_ASSERT_PTR_NULL(text_from_utf16(arena, text).p);
	CU_ASSERT_PTR_NULL(text_repair(arena, text).p);
	arena_free(arena);
}

TEST_MAIN("text", TEST(knows_the_default_alphabet),
	  TEST(counts_an_extension_character_twice),
	  TEST(takes_ucs2_for_what_is_foreign),
	  TEST(cuts_at_the_limits_of_the_alphabet), TEST(never_divides_a_character),
	  TEST(refuses_what_is_no_text), TEST(writes_the_concatenation_header),
	  TEST(converts_to_utf16_and_back), TEST(replaces_what_is_broken),
	  TEST(stops_at_the_arenas_limit))
