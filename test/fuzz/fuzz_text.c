/*
 * Fuzz target of texts of short messages: the parts are the text, what is repaired is
 * valid, and the two alphabets lose nothing on the way there and back.
 *
 * Kinds: t UTF-8, u UTF-16, g septets, one in a byte.
 *
 * Parser: base/utf8.c contrib/handset/gsm7.c smsc/text.c
 */
#include "smsc/text.h"

#include "base/utf8.h"
#include "contrib/handset/gsm7.h"
#include "test/fuzz/fuzz.h"

#define ARENA_BYTES (1 << 20)

static bool is_utf8(struct slice text)
{
	uint32_t character;

	while (utf8_next(&text, &character))
		;
	return text.n == 0;
}

static struct slice bytes_of(struct evbuffer *buffer)
{
	size_t n = evbuffer_get_length(buffer);

	return slice_make(evbuffer_pullup(buffer, -1), n);
}

static void check_split(struct slice text)
{
	struct text_parts parts;
	enum text_problem problem = text_split(text, &parts);
	size_t at = 0;

	REQUIRE(text_problem_name(problem)[0] != '\0');
	if (problem != TEXT_OK)
		return;
	REQUIRE(is_utf8(text) && parts.n >= 1 && parts.n <= TEXT_MAX_PARTS);
	for (size_t i = 0; i < parts.n; i++) {
		uint8_t udh[TEXT_UDH_BYTES];
		REQUIRE(parts.part[i].p == text.p + at && parts.part[i].n > 0);
		REQUIRE(is_utf8(parts.part[i]));
		text_udh(7, parts.n, i + 1, udh);
		REQUIRE(udh[4] == parts.n && udh[5] == i + 1);
		at += parts.part[i].n;
	}
	REQUIRE(at == text.n);
	/* The handset of the tests has the same alphabet. */
	struct evbuffer *septets = evbuffer_new(), *again = evbuffer_new();
	REQUIRE(gsm7_encode(text, septets) == (parts.alphabet == TEXT_GSM7));
	REQUIRE(gsm7_decode(bytes_of(septets), again));
	if (parts.alphabet == TEXT_GSM7)
		REQUIRE(slice_eq(bytes_of(again), text));
	evbuffer_free(septets);
	evbuffer_free(again);
}

static void check_columns(struct slice text)
{
	struct slice rest = text;
	size_t n = 0, length = utf8_length(text);

	while (rest.n > 0) {
		struct slice line = utf8_take(&rest, 3);
		REQUIRE(line.n > 0 && utf8_length(line) <= 3);
		n += utf8_length(line);
	}
	REQUIRE(n == length);
}

static void on_utf8(struct slice text)
{
	struct arena *arena = arena_new(ARENA_BYTES);
	struct slice repaired = text_repair(arena, text);
	struct evbuffer *ucs2 = evbuffer_new(), *again = evbuffer_new();

	check_split(text);
	check_columns(text);
	REQUIRE(repaired.p && is_utf8(repaired));
	REQUIRE(repaired.n == 0 || !memchr(repaired.p, '\0', repaired.n));
	REQUIRE(slice_eq(text_repair(arena, repaired), repaired));
	struct slice utf16 = text_to_utf16(arena, text);
	REQUIRE(utf16.p && slice_eq(text_from_utf16(arena, utf16), repaired));
	REQUIRE(ucs2_encode(text, ucs2) == is_utf8(text));
	if (is_utf8(text)) {
		REQUIRE(ucs2_decode(bytes_of(ucs2), again));
		REQUIRE(slice_eq(bytes_of(again), text));
	}
	evbuffer_free(ucs2);
	evbuffer_free(again);
	arena_free(arena);
}

static void on_utf16(struct slice bytes)
{
	struct arena *arena = arena_new(ARENA_BYTES);
	struct evbuffer *utf8 = evbuffer_new();
	struct slice text = text_from_utf16(arena, bytes);

	REQUIRE(text.p && is_utf8(text));
	REQUIRE(slice_eq(text_from_utf16(arena, text_to_utf16(arena, text)), text));
	REQUIRE(ucs2_decode(bytes, utf8) == (bytes.n % 2 == 0));
	REQUIRE(is_utf8(bytes_of(utf8)));
	evbuffer_free(utf8);
	arena_free(arena);
}

static void on_septets(struct slice septets)
{
	struct evbuffer *utf8 = evbuffer_new(), *again = evbuffer_new(),
			*second = evbuffer_new();

	if (gsm7_decode(septets, utf8)) {
		REQUIRE(is_utf8(bytes_of(utf8)));
		/* An unknown escape becomes another character; then it stays. */
		REQUIRE(gsm7_encode(bytes_of(utf8), again));
		REQUIRE(gsm7_decode(bytes_of(again), second));
		REQUIRE(slice_eq(bytes_of(second), bytes_of(utf8)));
	}
	evbuffer_free(utf8);
	evbuffer_free(again);
	evbuffer_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice text = slice_make(copy, size - 1);

	switch (data[0]) {
	case 't': on_utf8(text); break;
	case 'u': on_utf16(text); break;
	case 'g': on_septets(text); break;
	default: break;
	}
	free(copy);
	return 0;
}
