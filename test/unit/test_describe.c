#include "base/describe.h"

#include "test/unit/caught.h"
#include "test/unit/test.h"

struct settings {
	char *title;
	struct config_list list;
	char *text;
	int64_t number;
};

static const struct config_key keys[] = {
	{ "wait", CONFIG_DURATION, offsetof(struct settings, number), "90s",
	  "How long.", 10, 3600000, NULL },
	{ "size", CONFIG_SIZE, offsetof(struct settings, number), NULL, "How large.", 0,
	  65536, NULL },
	{ "list", CONFIG_LIST, offsetof(struct settings, list), "{}", "Some.", 0, 2,
	  NULL },
	{ "text", CONFIG_STRING, offsetof(struct settings, text), "", "Or none.", 0, 0,
	  NULL },
};
static const struct config_section sections[] = {
	{ .keys = keys, .n_keys = 2, .size = sizeof(struct settings) },
	{ .name = "block",
	  .help = "A block.",
	  .keys = keys + 2,
	  .n_keys = 2,
	  .size = sizeof(struct settings) },
};
static const struct config_spec spec = { "test", sections, 2 };

static void tells_the_keys_of_a_configuration(void)
{
	struct caught caught = caught_begin(stdout);

	describe_config(stdout, &spec);
	CU_ASSERT_STRING_EQUAL(
		caught_end(caught),
		"section\t\t\n"
		"key\t\twait\tDURATION\tdefault\t90s\t10ms\t1h\tHow long.\n"
		"key\t\tsize\tSIZE\trequired\t\t0\t64k\tHow large.\n"
		"section\tblock\tA block.\n"
		"key\tblock\tlist\tLIST\tdefault\t{}\t0\t2\tSome.\n"
		"key\tblock\ttext\tSTRING\toptional\t\t\t\tOr none.\n");
}

static void tells_commands_and_options(void)
{
	struct caught caught = caught_begin(stdout);

	describe_command(stdout, "thing show", NULL, "one thing", NULL);
	describe_command(stdout, "thing put", "ID", "make it", "thing put 7");
	describe_option(stdout, "thing put", 'f', "file", "FILE", "from there");
	describe_option(stdout, "", '\0', "help", NULL, "this");
	CU_ASSERT_STRING_EQUAL(caught_end(caught),
			       "command\tthing show\t\tone thing\t\n"
			       "command\tthing put\tID\tmake it\tthing put 7\n"
			       "option\tthing put\tf\tfile\tFILE\tfrom there\n"
			       "option\t\t\thelp\t\tthis\n");
}

TEST_MAIN("describe", TEST(tells_the_keys_of_a_configuration),
	  TEST(tells_commands_and_options))
