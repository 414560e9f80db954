#include "provctl/devices.h"

#include <stdlib.h>
#include <unistd.h>

#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct directory directory;

/* All devices of a file, as JSON; NULL after a complaint. */
static json_t *read_all(const char *path)
{
	struct devices *devices = devices_open(path);
	json_t *all = devices ? json_array() : NULL, *device;
	unsigned int line;

	while (devices && devices_next(devices, &device, &line) && device)
		json_array_append_new(all, device);
	if (devices)
		CU_ASSERT_EQUAL(devices_count(devices), json_array_size(all));
	devices_close(devices);
	return all;
}

/* What is read of a file with @p text, as JSON, or the complaint without the folder. */
static const char *read_text(const char *text)
{
	static char said[4096];
	const char *path = directory_write(&directory, "devices", text, 0644);

	complaints_clear();
	json_t *devices = read_all(path);
	char *json = json_dumps(devices, JSON_COMPACT);
	snprintf(said, sizeof(said), "%s", json ? json : complaints + strlen(path) + 1);
	CU_ASSERT_EQUAL(json == NULL, complaints[0] != '\0');
	free(json);
	json_decref(devices);
	return said;
}

#define HEADING "dev,msisdn,model,given_name,family_name,postcode"
#define ADA     "M,Ada,Lovelace,SW1A 1AA"
#define ADA_JSON                                                  \
	"\"model\":\"M\",\"given_name\":\"Ada\",\"family_name\":" \
	"\"Lovelace\",\"postcode\":\"SW1A 1AA\""

static const struct {
	const char *text, *expected;
} samples[] = {
	{ HEADING "\nA,+447700900123," ADA "\n",
	  "[{\"dev\":\"A\",\"msisdn\":\"+447700900123\"," ADA_JSON "}]" },
	{ "\xef\xbb\xbf" HEADING ",email\r\n\"A \"\"B\"\"\",," ADA ",\r\n",
	  /* Empty says nothing where a device may be without; elsewhere it is a value.
	   */
	  "[{\"dev\":\"A \\\"B\\\"\",\"msisdn\":\"\"," ADA_JSON "}]" },
	{ HEADING "\n", "[]" },
	{ " \n[{\"dev\": \"A\"}]\n", "[{\"dev\":\"A\"}]" },
	{ "", "1: there is no heading with the columns, dev,msisdn,...\n" },
	{ "\ndev,imei\nA,B\n", "2: the heading names a column that is not known, "
			       "imei; see doc/devices.md\n" },
	{ "dev,msisdn\n", "1: the heading has no column model; see doc/devices.md\n" },
	{ "dev,dev\n", "1: the heading names dev twice\n" },
	{ "dev;msisdn\n", "1: the heading has no commas; separate columns with commas "
			  "alone\n" },
	{ HEADING "\nA,+1," ADA "\n\nA\n",
	  "4: has 1 fields, where the heading has 6\n" },
	{ HEADING "\nA,+1," ADA ",\n", "2: has 7 fields, where the heading has 6\n" },
	{ HEADING "\nA,+1," ADA "\xff\n", "2: is not UTF-8\n" },
	{ HEADING "\nA,+1," ADA "\n\"B", "3: a quote that does not end, or a NUL\n" },
	{ "{\"dev\": \"A\"}", "1: is no array of devices, [{...}, {...}]\n" },
	{ "[{},\n{\"dev\": \"A\",\n\"dev\": \"B\"}]",
	  "3: duplicate object key near '\"dev\"'\n" },
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
	complaints_clear();
	CU_ASSERT_PTR_NULL(devices_open("/nonexistent/devices"));
	CU_ASSERT_STRING_EQUAL(complaints,
			       "/nonexistent/devices: No such file or directory\n");
	complaints_clear();
	CU_ASSERT_PTR_NULL(devices_open("/"));
	CU_ASSERT_STRING_EQUAL(complaints, "/: is a folder; name a file of devices\n");
}

/* A pipe cannot be read twice: a copy is. */
static void reads_a_pipe(void)
{
	char path[32];
	int ends[2];

	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	CU_ASSERT_EQUAL(write(ends[1], "[{}, {}]", 8), 8);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	json_t *devices = read_all(path);
	CU_ASSERT_EQUAL(json_array_size(devices), 2);
	json_decref(devices);
	close(ends[0]);
}

/* Cut off in a row while it is read, as a file that is written anew. */
static void sees_that_the_file_has_changed(void)
{
	static char text[64 * 1024] = HEADING "\n";
	static const char row[] = "A,+1," ADA "\n";
	unsigned int line;
	json_t *device;

	for (int i = 0; i < 1000; i++)
		strcat(text, row);
	directory_open(&directory);
	const char *path = directory_write(&directory, "devices", text, 0644);
	struct devices *devices = devices_open(path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(devices);
	/* What was read ahead of its front may still come. */
	CU_ASSERT_EQUAL(truncate(path, (off_t)(strlen(HEADING "\n") +
					       900 * strlen(row) + strlen("A,+"))),
			0);
	complaints_clear();
	bool is_read;
	while ((is_read = devices_next(devices, &device, &line)) && device)
		json_decref(device);
	CU_ASSERT_FALSE(is_read);
	CU_ASSERT_STRING_EQUAL(complaints + strlen(path),
			       ":902: has 2 fields, where the heading has 6\n");
	devices_close(devices);
	directory_close(&directory);
}

TEST_MAIN("devices", TEST(reads_csv_and_json), TEST(says_which_file_is_not_there),
	  TEST(reads_a_pipe), TEST(sees_that_the_file_has_changed))
