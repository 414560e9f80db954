#include "smsc/smsc_config.h"

#include "test/unit/directory.h"
#include "test/unit/test.h"

/* Read the one key that has no default, and @p more lines; errors to @p errors. */
static bool is_taken(const char *more, char **errors)
{
	static size_t size;
	FILE *out = open_memstream(errors, &size);
	struct directory directory;
	char text[512];
	directory_open(&directory);
	snprintf(text, sizeof(text),
		 "user = root\ndsn = \"host=/run dbname=provbox\"\n"
		 "bearerbox \"a\" { address = \"127.0.0.1:13001\" }\n%s",
		 more);
	struct config *config =
		config_read(&smsc_config_spec,
			    directory_write(&directory, "smsc.conf", text, 0644), out);
	bool is_good = config && smsc_config_check(config_get(config), out);
	config_free(config);
	directory_close(&directory);
	fclose(out);
	return is_good;
}

static void takes_its_defaults(void)
{
	char *errors;
	CU_ASSERT_TRUE(is_taken("", &errors));
	CU_ASSERT_STRING_EQUAL(errors, "");
	free(errors);
}

static void refuses_what_does_not_fit(void)
{
	static const struct {
		const char *lines, *error; /* NULL: taken */
	} cases[] = {
		{ "ack_timeout = 30s\nlease = 60s\n", NULL },
		{ "ack_timeout = 31s\nlease = 60s\n",
		  "ack_timeout: is more than half of lease" },
		{ "poll_min = 1s\npoll_max = 1s\n", NULL },
		{ "poll_min = 2s\npoll_max = 1s\n", "poll_min: is more than poll_max" },
		{ "box_id = \"\"\n", "box_id" },
		{ "box_id = \"../other\"\n", "box_id" },
		{ "dsn = \"password=secret\"\n", "dsn" },
		{ "window = 19\n", "window" },
		{ "bearerbox \"b\" { address = \"127.0.0.1:13002\" }\n", NULL },
		{ "bearerbox \"b\" { address = \"127.0.0.1:13001\" }\n",
		  "bearerbox \"b\": address: is that of \"a\"" },
		{ "bearerbox \"a\" { address = \"127.0.0.1:13002\" }\n", "a" },
		{ "bearerbox \"b/c\" { address = \"127.0.0.1:13002\" }\n",
		  "bearerbox \"b/c\": is not 1 to 32 letters" },
		{ "bearerbox \"b\" { }\n", "address" },
		{ "seal_key_file = \"/does/not/exist\"\n", "seal_key_file" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *errors;
		bool is_good = is_taken(cases[i].lines, &errors);
		CU_ASSERT_EQUAL(is_good, cases[i].error == NULL);
		CU_ASSERT_PTR_NOT_NULL(
			strstr(errors, cases[i].error ? cases[i].error : ""));
		free(errors);
	}
}

TEST_MAIN("smsc_config", TEST(takes_its_defaults), TEST(refuses_what_does_not_fit))
