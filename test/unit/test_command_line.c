#include "provctl/command_line.h"

#include "test/unit/operator.h"

/* The table is this test's own: the module reads whatever it is given. */
const struct command commands[] = {
	{ .words = "thing list",
	  .help = "all things",
	  .example = "provctl thing list",
	  .options = OPTION(STATE) | OPTION(REQUEST) | OPTION(LIMIT) },
	{ .words = "thing show",
	  .arguments = "ID [VERSION]",
	  .help = "one thing",
	  .example = "provctl thing show 7",
	  .min_words = 1,
	  .max_words = 2,
	  .options = OPTION(DEV) },
	{ .words = "reason",
	  .help = "why",
	  .example = "provctl reason",
	  .max_words = 1 },
};
const size_t n_commands = sizeof(commands) / sizeof(commands[0]);

#define DEV "urn:gsma:imei:35209900-176148-0"

static struct context ctx;
static const char *printed; /* on stderr beside complaints */

/* Read a command line of words with spaces between. */
static enum result read_line(const char *line)
{
	static char text[256], *argv[32];
	int argc = 0;

	snprintf(text, sizeof(text), "provctl %s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	ctx = (struct context){ .arena = NULL };
	complaints_clear();
	struct caught caught = caught_begin(stderr);
	enum result result = command_line_read(&ctx, argc, argv);
	printed = caught_end(caught);
	return result;
}

static void finds_the_command_its_words_and_options(void)
{
	CU_ASSERT_EQUAL(read_line("thing show --dev " DEV " A --json B"), RESULT_OK);
	CU_ASSERT_PTR_EQUAL(ctx.command, &commands[1]);
	CU_ASSERT_EQUAL(ctx.n_words, 2);
	CU_ASSERT_STRING_EQUAL(ctx.words[0], "A");
	CU_ASSERT_STRING_EQUAL(ctx.words[1], "B");
	CU_ASSERT_STRING_EQUAL(ctx.options[OPTION_DEV], DEV);
	CU_ASSERT_STRING_EQUAL(ctx.options[OPTION_JSON], "");
	CU_ASSERT_PTR_NULL(ctx.options[OPTION_STATE]);
	CU_ASSERT_EQUAL(read_line("--state=a=b thing list -c file"), RESULT_OK);
	CU_ASSERT_PTR_EQUAL(ctx.command, &commands[0]);
	CU_ASSERT_STRING_EQUAL(ctx.options[OPTION_STATE], "a=b");
	CU_ASSERT_STRING_EQUAL(ctx.options[OPTION_CONFIG], "file");
	CU_ASSERT_EQUAL(read_line("reason -"), RESULT_OK); /* a word: stdin */
	CU_ASSERT_STRING_EQUAL(ctx.words[0], "-");
	CU_ASSERT_EQUAL(read_line("thing list --state="), RESULT_OK);
	CU_ASSERT_STRING_EQUAL(ctx.options[OPTION_STATE], "");
}

static void help_and_version_need_no_command(void)
{
	CU_ASSERT_EQUAL(read_line("--version"), RESULT_OK);
	CU_ASSERT_PTR_NULL(ctx.command);
	CU_ASSERT_EQUAL(read_line("thing show -h"), RESULT_OK); /* nor its words */
	CU_ASSERT_PTR_EQUAL(ctx.command, &commands[1]);
	CU_ASSERT_STRING_EQUAL(complaints, "");
}

static const struct {
	const char *line, *said;
} wrong[] = {
	{ "", "a command is missing" },
	{ "nonsense", "no such command: nonsense" },
	{ "thing", "what to do with thing is missing" },
	{ "thing", "  provctl thing list\n  provctl thing show ID [VERSION]\n" },
	{ "thing nonsense", "no such command: thing nonsense" },
	{ "thing nonsense", "  provctl thing list\n" },
	{ "thing show",
	  "something is missing; usage: provctl thing show ID [VERSION]\n" },
	{ "thing show A B C", "that is too much; usage: provctl thing show" },
	{ "thing show A B C D E", "that is too much; usage: provctl thing show" },
	{ "thing list --dev D", "takes no --dev; see provctl thing list --help" },
	{ "thing show --dev D A", "it is urn:gsma:imei:TTTTTTTT-SSSSSS-0" },
	{ "thing list --nonsense", "no such option: --nonsense" },
	{ "thing list -x", "no such option: -x" },
	{ "thing list --limit", "--limit needs a value: --limit N" },
	{ "thing list --json=yes", "--json takes no value: leave =yes out" },
	{ "thing list --lim 3", "no such option: --lim" },
};

static void says_what_is_wrong(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CU_ASSERT_EQUAL(read_line(wrong[i].line), RESULT_USAGE);
		CU_ASSERT_TRUE(strstr(complaints, wrong[i].said) ||
			       strstr(printed, wrong[i].said));
	}
}

static const struct {
	const char *line, *filter; /* NULL: refused */
} filters[] = {
	{ "thing list", "{}" },
	{ "thing list --state a,b --limit 7", "{\"state\": \"a,b\", \"limit\": 7}" },
	{ "thing list --state \"'\\", "{\"state\": \"\\\"'\\\\\"}" },
	{ "thing list --json --limit 1000000", "{\"limit\": 1000000}" },
	{ "thing list --limit 1000001", NULL },
	{ "thing list --limit -1", NULL },
	{ "thing list --limit 1x", NULL },
	{ "thing list --limit=", NULL },
	{ "thing list --request 4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f",
	  "{\"request\": \"4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f\"}" },
	{ "thing list --request 4D9F4E6A-2B7C-4C1E-9F30-0A1B2C3D4E5F", NULL },
	{ "thing list --state a\xff", NULL },
};

static void makes_a_filter_of_options(void)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		CU_ASSERT_EQUAL(read_line(filters[i].line), RESULT_OK);
		ctx.arena = arena_new(1 << 12);
		const char *filter = command_line_filter(&ctx);
		CU_ASSERT_EQUAL(filter == NULL, filters[i].filter == NULL);
		if (filter && filters[i].filter)
			CU_ASSERT_STRING_EQUAL(filter, filters[i].filter);
		CU_ASSERT_EQUAL(filter == NULL, complaints[0] != '\0');
		arena_free(ctx.arena);
	}
}

static void the_help_comes_from_the_tables(void)
{
	struct caught caught = caught_begin(stdout);
	command_line_help(NULL, "nothing");
	const char *text = caught_end(caught);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  thing      list show"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  reason     why\n"));
	caught = caught_begin(stdout);
	command_line_help(NULL, "thing");
	text = caught_end(caught);
	CU_ASSERT_PTR_NULL(strstr(text, "why"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "\n  thing show ID [VERSION]    one thing\n"));
	caught = caught_begin(stdout);
	command_line_help(&commands[0], "thing");
	text = caught_end(caught);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "usage: provctl thing list [options]\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n      --limit N "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  -c, --config FILE "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nFor example:\n  provctl thing list\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "--dev")); /* not an option of this one */
}

static void describes_itself_by_the_tables(void)
{
	struct caught caught = caught_begin(stdout);
	command_line_describe(stdout);
	const char *text = caught_end(caught);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "command\tthing show\tID [VERSION]\t"
					    "one thing\tprovctl thing show 7\n"
					    "option\tthing show\t\tdev\tDEV\t"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\noption\t\t\tjson\t\t"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\noption\t\tV\tversion\t\t"));
	CU_ASSERT_PTR_NULL(strstr(text, "describe"));
	CU_ASSERT_PTR_NULL(strstr(text, "thing show\t\tlimit"));
}

TEST_MAIN("command_line", TEST(describes_itself_by_the_tables),
	  TEST(finds_the_command_its_words_and_options),
	  TEST(help_and_version_need_no_command), TEST(says_what_is_wrong),
	  TEST(makes_a_filter_of_options), TEST(the_help_comes_from_the_tables))
