#include "provctl/cutter.h"

#include <stdarg.h>

#include "test/unit/test.h"

static char said[8192];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	size_t n = strlen(said);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(said + n, sizeof(said) - n, format, arguments);
	va_end(arguments);
}

static struct cutter cutter;

/* Begin with a file of this text; fclose(cutter.file). */
static void open_text(struct slice text)
{
	FILE *file = tmpfile();

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fwrite(text.p, 1, text.n, file), text.n);
	cutter_open(&cutter, file);
}

/* Its pieces, each as LINE:PIECE|, then the error as !LINE ERROR. */
static const char *cut(struct slice text)
{
	struct slice piece;

	said[0] = '\0';
	open_text(text);
	while (cutter_next(&cutter, &piece))
		say("%u:%.*s|", cutter.line, (int)piece.n, piece.p);
	CU_ASSERT_FALSE(cutter_next(&cutter, &piece));
	if (cutter.error)
		say("!%u %s", cutter.line, cutter.error);
	fclose(cutter.file);
	return said;
}

static const struct {
	struct slice text;
	const char *expected;
} samples[] = {
	{ SLICE(""), "" },
	{ SLICE("a,b\nc\n"), "1:a,b\n|2:c\n|" },
	{ SLICE("a\r\n\r\n\n\nb"), "1:a\r\n|5:b|" },
	{ SLICE("\xef\xbb\xbf"
		"a\n"),
	  "1:a\n|" },
	{ SLICE("a,\"b\nb\"\nc"), "1:a,\"b\nb\"\n|3:c|" },
	{ SLICE("\"a\"\"\nb\"\nc"), "1:\"a\"\"\nb\"\n|3:c|" },
	{ SLICE("a\n\"b\nc"), "1:a\n|2:\"b\nc|" },
	{ SLICE("\xff\xfe"
		"a"),
	  "!1 is UTF-16; save it as UTF-8" },
	{ SLICE("[]"), "" },
	{ SLICE("\xef\xbb\xbf [ ] \n"), "" },
	{ SLICE("\n[{\"a\": 1},\n\n{}\n]\n"), "2:{\"a\": 1}|4:{}|" },
	{ SLICE("[{\"a\": [{}, \"}\\\"}\\\\\"]}, {\"b\":\n2}]"),
	  "1:{\"a\": [{}, \"}\\\"}\\\\\"]}|1:{\"b\":\n2}|" },
	{ SLICE("{\"a\": 1}"), "!1 is no array of devices, [{...}, {...}]" },
	{ SLICE("[1]"), "!1 here should be a device, {...}" },
	{ SLICE("[{},\n]"), "1:{}|!2 here should be a device, {...}" },
	{ SLICE("[{}\n{}]"), "1:{}|!2 a comma, or the ] of the end, is missing" },
	{ SLICE("[{},"), "1:{}|!1 the array does not end" },
	{ SLICE("[{}\n"), "1:{}|!2 a comma, or the ] of the end, is missing" },
	{ SLICE("[\n{\"a\": \"}"), "!2 the file ends inside a device" },
	{ SLICE("[{}]\n]"), "1:{}|!2 something stands after the array" },
};

static void cuts_records_and_objects(void)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		CU_ASSERT_STRING_EQUAL(cut(samples[i].text), samples[i].expected);
}

static void cuts_what_fits_and_no_more(void)
{
	static char text[CUTTER_PIECE_MAX + 1];
	struct slice piece;

	memset(text, 'a', sizeof(text));
	open_text(slice_make(text, CUTTER_PIECE_MAX));
	CU_ASSERT_TRUE(cutter_next(&cutter, &piece));
	CU_ASSERT_EQUAL(piece.n, CUTTER_PIECE_MAX);
	CU_ASSERT_FALSE(cutter_next(&cutter, &piece));
	CU_ASSERT_PTR_NULL(cutter.error);
	fclose(cutter.file);
	text[1] = '"';
	CU_ASSERT_STRING_EQUAL(cut(slice_make(text, sizeof(text))),
			       "!1 a record of more than 64 KiB; is a quote open?");
	memset(text, ' ', sizeof(text));
	memcpy(text, "[{", 2);
	open_text(slice_make(text, sizeof(text)));
	CU_ASSERT_FALSE(cutter_next(&cutter, &piece));
	CU_ASSERT_STRING_EQUAL(cutter.error, "the file ends inside a device");
	fputs(" }]", cutter.file);
	cutter_open(&cutter, cutter.file);
	CU_ASSERT_FALSE(cutter_next(&cutter, &piece));
	CU_ASSERT_STRING_EQUAL(cutter.error, "a device of more than 64 KiB");
	fclose(cutter.file);
}

/* A file is read from its front as often as it is opened. */
static void begins_anew(void)
{
	struct slice piece;

	open_text(SLICE("[{}]"));
	CU_ASSERT_TRUE(cutter_next(&cutter, &piece));
	CU_ASSERT_FALSE(cutter_next(&cutter, &piece));
	cutter_open(&cutter, cutter.file);
	CU_ASSERT_TRUE(cutter_next(&cutter, &piece));
	CU_ASSERT_TRUE(slice_eq(piece, SLICE("{}")));
	fclose(cutter.file);
}

TEST_MAIN("cutter", TEST(cuts_records_and_objects), TEST(cuts_what_fits_and_no_more),
	  TEST(begins_anew))
