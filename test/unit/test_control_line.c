#include "gateway/control_line.h"

#include "test/unit/test.h"

#define DEV "urn:gsma:imei:35209900-176148-0"

static bool is_read(const char *text, struct control_line *line)
{
	char why[128] = "";
	bool is_good = control_line_decode(slice_of(text), line, why, sizeof(why));

	CU_ASSERT_EQUAL(is_good, why[0] == '\0');
	return is_good;
}

static void reads_a_heartbeat(void)
{
	struct control_line line;

	CU_ASSERT_TRUE(is_read("{\"hb\":1}", &line));
	CU_ASSERT_TRUE(line.is_heartbeat);
	CU_ASSERT_TRUE(is_read(" {\"hb\" : 1} ", &line));
	CU_ASSERT_TRUE(line.is_heartbeat);
}

static void reads_the_end_of_a_device(void)
{
	struct control_line line;

	CU_ASSERT_TRUE(is_read("{\"end\": \"" DEV "\", \"epoch\": 7,"
			       " \"reason\": \"device_blocked\"}",
			       &line));
	CU_ASSERT_FALSE(line.is_heartbeat);
	CU_ASSERT_STRING_EQUAL(line.dev, DEV);
	CU_ASSERT_EQUAL(line.epoch, 7);
	CU_ASSERT_TRUE(line.is_blocked);
}

static void a_star_is_every_device(void)
{
	struct control_line line;

	CU_ASSERT_TRUE(is_read("{\"reason\":\"grant_epoch\",\"epoch\":0,\"end\":\"*\"}",
			       &line));
	CU_ASSERT_STRING_EQUAL(line.dev, "");
	CU_ASSERT_FALSE(line.is_blocked);
}

static void only_a_new_epoch_lets_sessions_go_on(void)
{
	static const struct {
		const char *reason;
		bool is_blocked;
	} cases[] = {
		{ "grant_epoch", false },   { "device_blocked", true },
		{ "device_unknown", true }, { "grant_epochs", true },
		{ "grant_epoc", true },     { "of_a_later_version_2", true },
	};
	struct control_line line;
	char text[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"end\":\"" DEV "\",\"epoch\":1,\"reason\":\"%s\"}",
			 cases[i].reason);
		CU_ASSERT_TRUE(is_read(text, &line));
		CU_ASSERT_EQUAL(line.is_blocked, cases[i].is_blocked);
	}
}

#define END(dev, epoch, reason) \
	"{\"end\":" dev ",\"epoch\":" epoch ",\"reason\":" reason "}"

static void refuses_everything_else(void)
{
	static const char *const lines[] = {
		"",
		" ",
		"hb",
		"1",
		"null",
		"[]",
		"{}",
		"{\"hb\":1",
		"{\"hb\":1}}",
		"{\"hb\":1}{\"hb\":1}",
		"{\"hb\":1}\n{\"hb\":1}",
		"{\"hb\":1,\"hb\":1}",
		"{\"hb\":0}",
		"{\"hb\":2}",
		"{\"hb\":-1}",
		"{\"hb\":1.0}",
		"{\"hb\":\"1\"}",
		"{\"hb\":true}",
		"{\"hb\":null}",
		"{\"hb\":[1]}",
		"{\"HB\":1}",
		"{\"hb\":1,\"more\":1}",
		"{\"hb\":1,\"end\":\"*\"}",
		"{\"more\":1}",
		"{\"end\":\"*\"}",
		"{\"end\":\"*\",\"epoch\":1}",
		"{\"end\":\"*\",\"reason\":\"grant_epoch\"}",
		"{\"epoch\":1,\"reason\":\"grant_epoch\"}",
		END("\"*\"", "1", "\"grant_epoch\",\"more\":1"),
		END("\"*\"", "1", "\"grant_epoch\",\"hb\":1"),
		END("\"*\"", "1", "\"grant_epoch\",\"end\":\"*\""),
		END("\"*\"", "-1", "\"grant_epoch\""),
		END("\"*\"", "1.5", "\"grant_epoch\""),
		END("\"*\"", "\"1\"", "\"grant_epoch\""),
		END("\"*\"", "9223372036854775808", "\"grant_epoch\""),
		END("\"*\"", "1", "\"\""),
		END("\"*\"", "1", "\"Grant_Epoch\""),
		END("\"*\"", "1", "\"grant epoch\""),
		END("\"*\"", "1", "\"grant_epoch\\n\""),
		END("\"*\"", "1", "\"grant_epoch\\u0000\""),
		END("\"*\"", "1", "null"),
		END("\"*\"", "1", "7"),
		END("\"\"", "1", "\"grant_epoch\""),
		END("\"**\"", "1", "\"grant_epoch\""),
		END("[\"*\"]", "1", "\"grant_epoch\""),
		END("null", "1", "\"grant_epoch\""),
		/* An identifier, but not in its one form. */
		END("\"URN:gsma:imei:35209900-176148-0\"", "1", "\"grant_epoch\""),
		END("\"urn:gsma:imei:35209900-176148-1\"", "1", "\"grant_epoch\""),
		END("\"urn:gsma:imei:35209900-176148\"", "1", "\"grant_epoch\""),
		END("\"" DEV " \"", "1", "\"grant_epoch\""),
		END("\"" DEV "\\u0000\"", "1", "\"grant_epoch\""),
		END("\"" DEV "" DEV "" DEV "\"", "1", "\"grant_epoch\""),
		"{\"hb\":\xff}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	};
	struct control_line line;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_FALSE(is_read(lines[i], &line));
		if (is_read(lines[i], &line))
			fprintf(stderr, "read: %s\n", lines[i]);
	}
}

static void a_line_has_its_limit(void)
{
	char text[CONTROL_LINE_BYTES + 2];
	struct control_line line;

	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"hb\":1}", 8);
	text[CONTROL_LINE_BYTES] = '\0';
	CU_ASSERT_TRUE(is_read(text, &line));
	text[CONTROL_LINE_BYTES] = ' ';
	text[CONTROL_LINE_BYTES + 1] = '\0';
	CU_ASSERT_FALSE(is_read(text, &line));
}

static void a_nul_is_no_end_of_a_line(void)
{
	static const char text[] = "{\"hb\":1}\0{\"hb\":1}";
	struct control_line line;
	char why[128];

	CU_ASSERT_FALSE(control_line_decode(slice_make(text, sizeof(text) - 1), &line,
					    why, sizeof(why)));
}

TEST_MAIN("control_line", TEST(reads_a_heartbeat), TEST(reads_the_end_of_a_device),
	  TEST(a_star_is_every_device), TEST(only_a_new_epoch_lets_sessions_go_on),
	  TEST(refuses_everything_else), TEST(a_line_has_its_limit),
	  TEST(a_nul_is_no_end_of_a_line))
