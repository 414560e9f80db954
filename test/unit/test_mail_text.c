#include "provisioning/mail_text.h"

#include "provisioning/mail.h"
#include "test/unit/test.h"

/* What a function writes. Static. */
#define WRITTEN(call)                                              \
	({                                                         \
		static char text[4096];                            \
		memset(text, 0, sizeof(text));                     \
		FILE *out = fmemopen(text, sizeof(text) - 1, "w"); \
		call;                                              \
		fclose(out);                                       \
		text;                                              \
	})

#define SIXTY_FOUR "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The same as is_email() of the schema: test_sql_copy.py. */
static void tells_addresses_from_what_is_none(void)
{
	static const char *const good[] = {
		"a@example.com",      "a.b+c@mail.example.com",
		"o'hara@example.com", SIXTY_FOUR "@example.com",
		"1@a-b.example",
	};
	static const char *const bad[] = {
		"",
		"a",
		"a@",
		"@example.com",
		"a@b",
		"a@example.com\nBcc: eve@example.org",
		"a@example.com\r\nDATA",
		"a b@example.com",
		"a@example.com ",
		"<a@example.com>",
		"a@example.com>",
		"a@example.com,b@example.com",
		"\"a\"@example.com",
		"a..b@example.com",
		".a@example.com",
		"a.@example.com",
		"a@-example.com",
		"a@example-.com",
		"a@example.com.",
		"a@[192.0.2.1]",
		"a@b@example.com",
		"\xc3\xa4@example.com",
		"a@ex\xc3\xa4mple.com",
		"a" SIXTY_FOUR "@example.com",
		"a@" SIXTY_FOUR ".example.com",
		"a@" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR ".com",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(mail_text_is_address(slice_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(mail_text_is_address(slice_of(bad[i])));
	CU_ASSERT_FALSE(mail_text_is_address(slice_make("a\0@example.com", 14)));
	CU_ASSERT_TRUE(slice_eq(mail_text_domain(SLICE("a@example.com")),
				SLICE("example.com")));
}

static void leaves_short_ascii_as_it_is(void)
{
	CU_ASSERT_STRING_EQUAL(
		WRITTEN(mail_text_write_words(out, SLICE("The terms: yours?"))),
		"The terms: yours?");
	CU_ASSERT_STRING_EQUAL(WRITTEN(mail_text_write_words(out, SLICE(""))), "");
}

/* Source of the form: RFC 2047, 2. The base64 is that of coreutils' base64. */
static void encodes_what_a_field_cannot_hold(void)
{
	CU_ASSERT_STRING_EQUAL(
		WRITTEN(mail_text_write_words(out, SLICE("Gr\xc3\xbc\xc3\x9f"
							 "e"))),
		"=?utf-8?B?R3LDvMOfZQ==?=");
	/* What would end the field, or be read as encoded. */
	CU_ASSERT_STRING_EQUAL(
		WRITTEN(mail_text_write_words(out, SLICE("a\r\nBcc: b@example.com"))),
		"=?utf-8?B?YQ0KQmNjOiBiQGV4YW1wbGUuY29t?=");
	CU_ASSERT_STRING_EQUAL(WRITTEN(mail_text_write_words(out, SLICE("=?a"))),
			       "=?utf-8?B?PT9h?=");
}

/* The character at the end of the 39 bytes does not fit; a word stands for whole ones.
 */
static void divides_no_character(void)
{
	CU_ASSERT_STRING_EQUAL(
		WRITTEN(mail_text_write_words(
			out, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4"))),
		"=?utf-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?="
		"\r\n =?utf-8?B?w6Q=?=");
}

static void makes_one_id_of_one_key(void)
{
	CU_ASSERT_STRING_EQUAL(WRITTEN(mail_text_write_id(out, "request/17/terms/mail",
							  SLICE("example.com"))),
			       "<request/17/terms/mail@example.com>");
	CU_ASSERT_STRING_EQUAL(
		WRITTEN(mail_text_write_id(out, "a>\r\nb.:c", SLICE("example.com"))),
		"<a___b__c@example.com>");
}

static void ends_lines_as_a_mail_does(void)
{
	CU_ASSERT_STRING_EQUAL(WRITTEN(mail_text_write_lines(out, SLICE("a\n\nb\n"))),
			       "a\r\n\r\nb\r\n");
}

/* Source: RFC 5321, 4.2.2 */
static void gives_up_what_speaks_of_the_address_alone(void)
{
	for (unsigned code = 0; code < 1000; code++) {
		bool is_final =
			code == 550 || code == 551 || code == 553 || code == 556;
		CU_ASSERT_EQUAL(mail_judge(code),
				is_final ? MAIL_REFUSED : MAIL_FAILED);
	}
}

TEST_MAIN("mail_text", TEST(tells_addresses_from_what_is_none),
	  TEST(leaves_short_ascii_as_it_is), TEST(encodes_what_a_field_cannot_hold),
	  TEST(divides_no_character), TEST(makes_one_id_of_one_key),
	  TEST(ends_lines_as_a_mail_does),
	  TEST(gives_up_what_speaks_of_the_address_alone))
