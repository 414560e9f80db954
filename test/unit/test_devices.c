#include "provctl/devices.h"

#include <stdlib.h>

#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct directory directory;

/* What is read of a file with @p text, as JSON, or the complaint without the folder. */
static const char *read_text(const char *text)
{
	static char said[4096];
	struct arena *arena = arena_new(1 << 20);
	const char *path = directory_write(&directory, "devices", text, 0644);

	complaints_clear();
	json_t *devices = devices_read(arena, path);
	char *json = json_dumps(devices, JSON_COMPACT);
	snprintf(said, sizeof(said), "%s", json ? json : complaints + strlen(path) + 1);
	CU_ASSERT_EQUAL(json == NULL, complaints[0] != '\0');
	free(json);
	json_decref(devices);
	arena_free(arena);
	return said;
}

static const struct {
	const char *text, *expected;
} samples[] = {
	{ "dev,msisdn\nA,+447700900123\n",
	  "[{\"dev\":\"A\",\"msisdn\":\"+447700900123\"}]" },
	{ "msisdn,dev\r\n+447700900123,\"A \"\"B\"\"\"\r\n",
	  "[{\"msisdn\":\"+447700900123\",\"dev\":\"A \\\"B\\\"\"}]" },
	/* Empty says nothing where a device may be without; elsewhere it is a value. */
	{ "dev,language,cred,model\nA,,,\n", "[{\"dev\":\"A\",\"model\":\"\"}]" },
	{ "dev\n", "[]" },
	{ " \n[{\"dev\": \"A\"}]\n", "[{\"dev\":\"A\"}]" },
	{ "", "1: there is no heading with the columns, dev,msisdn,...\n" },
	{ "dev,imei\nA,B\n", "1: the heading names a column that is not known, imei; "
			     "see doc/devices.md\n" },
	{ "dev,model\nA,B\n\nA\n", "4: has other columns\n" },
	{ "dev\nA,B\n", "2: has other columns\n" },
	{ "dev\nA\nB\xff\n", "3: is not UTF-8\n" },
	{ "dev\nA\n\"B", "3: a quote that does not end, or a NUL\n" },
	{ "{\"dev\": \"A\"}", "1: is no array of devices\n" },
	{ "[{\"dev\": \"A\",\n\"dev\": \"B\"}]",
	  "2: duplicate object key near '\"dev\"'\n" },
};

static void reads_csv_and_json(void)
{
	directory_open(&directory);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		CU_ASSERT_STRING_EQUAL(read_text(samples[i].text), samples[i].expected);
	directory_close(&directory);
}

static void says_which_file_is_not_there(void)
{
	struct arena *arena = arena_new(1 << 16);

	complaints_clear();
	CU_ASSERT_PTR_NULL(devices_read(arena, "/nonexistent/devices"));
	CU_ASSERT_STRING_EQUAL(complaints,
			       "/nonexistent/devices: No such file or directory\n");
	complaints_clear();
	CU_ASSERT_PTR_NULL(devices_read(arena, "/"));
	CU_ASSERT_STRING_EQUAL(complaints, "/: is no regular file\n");
	arena_free(arena);
}

TEST_MAIN("devices", TEST(reads_csv_and_json), TEST(says_which_file_is_not_there))
