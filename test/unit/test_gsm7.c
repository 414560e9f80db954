#include "test/unit/test.h"

#include "contrib/handset/gsm7.h"

static struct evbuffer *buffer;

static struct slice taken(void)
{
	return slice_make(evbuffer_pullup(buffer, -1), evbuffer_get_length(buffer));
}

static void start(void)
{
	if (buffer)
		evbuffer_free(buffer);
	buffer = evbuffer_new();
}

static bool decodes(struct slice septets, const char *utf8)
{
	start();
	return gsm7_decode(septets, buffer) && slice_eq(taken(), slice_of(utf8));
}

static bool decodes_ucs2(struct slice bytes, const char *utf8)
{
	start();
	return ucs2_decode(bytes, buffer) && slice_eq(taken(), slice_of(utf8));
}

/* 3GPP TS 23.038, 6.2.1, column by column. */
static void decodes_the_default_alphabet(void)
{
	char septets[128];

	for (int i = 0; i < 128; i++)
		septets[i] = (char)(i == 0x1b ? ' ' : i);
	CU_ASSERT(decodes(slice_make(septets, 128),
			  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./"
			  "0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
			  "abcdefghijklmnopqrstuvwxyzäöñüà"));
}

static void decodes_the_extension_table(void)
{
	CU_ASSERT(
		decodes(SLICE("\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e"
			      "\x1b\x40\x1b\x65\x1b\x0a"),
			"^{}\\[~]|€\f"));
}

static void shows_unknown_escapes_as_the_default_character(void)
{
	CU_ASSERT(decodes(SLICE("\x1b\x41"), "A"));
	CU_ASSERT(decodes(SLICE("\x1b\x1b\x65"), " e"));
	CU_ASSERT(decodes(SLICE("x\x1b"), "x "));
}

static void refuses_bytes_that_are_no_septets(void)
{
	start();
	CU_ASSERT_FALSE(gsm7_decode(SLICE("ab\x80"), buffer));
	CU_ASSERT_EQUAL(evbuffer_get_length(buffer), 0);
}

static void decodes_ucs2_text(void)
{
	CU_ASSERT(decodes_ucs2(SLICE("\x04\x14\x00\x41\x20\xac"), "ДA€"));
	CU_ASSERT(decodes_ucs2(SLICE("\xd8\x3d\xde\x00"), "😀"));
	CU_ASSERT(decodes_ucs2((struct slice){ NULL, 0 }, ""));
}

static void replaces_lone_surrogates(void)
{
	CU_ASSERT(decodes_ucs2(SLICE("\xd8\x3d"), "\xef\xbf\xbd"));
	CU_ASSERT(decodes_ucs2(SLICE("\xde\x00\x00\x41"), "\xef\xbf\xbd"
							  "A"));
	CU_ASSERT(decodes_ucs2(SLICE("\xd8\x3d\x00\x41"), "\xef\xbf\xbd"
							  "A"));
}

static void refuses_half_units(void)
{
	start();
	CU_ASSERT_FALSE(ucs2_decode(SLICE("\x00\x41\x00"), buffer));
}

static void encodes_what_it_decodes(void)
{
	static const char *const texts[] = { "YES 4711", "{€} §", "", "NÑ~" };
	struct evbuffer *septets;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		septets = evbuffer_new();
		CU_ASSERT(gsm7_encode(slice_of(texts[i]), septets));
		CU_ASSERT(decodes(slice_make(evbuffer_pullup(septets, -1),
					     evbuffer_get_length(septets)),
				  texts[i]));
		evbuffer_free(septets);
	}
}

static void encodes_no_character_that_is_missing(void)
{
	start();
	CU_ASSERT_FALSE(gsm7_encode(SLICE("aД"), buffer));
	CU_ASSERT_FALSE(gsm7_encode(SLICE("a\xff"), buffer));
	CU_ASSERT_EQUAL(evbuffer_get_length(buffer), 0);
}

static void encodes_ucs2(void)
{
	start();
	CU_ASSERT(ucs2_encode(SLICE("ДА 😀"), buffer));
	CU_ASSERT(slice_eq(taken(), SLICE("\x04\x14\x04\x10\x00\x20\xd8\x3d\xde\x00")));
	CU_ASSERT_FALSE(ucs2_encode(SLICE("\xc3"), buffer));
	start();
	evbuffer_free(buffer);
	buffer = NULL;
}

TEST_MAIN("gsm7", TEST(decodes_the_default_alphabet), TEST(decodes_the_extension_table),
	  TEST(shows_unknown_escapes_as_the_default_character),
	  TEST(refuses_bytes_that_are_no_septets), TEST(decodes_ucs2_text),
	  TEST(replaces_lone_surrogates), TEST(refuses_half_units),
	  TEST(encodes_what_it_decodes), TEST(encodes_no_character_that_is_missing),
	  TEST(encodes_ucs2))
