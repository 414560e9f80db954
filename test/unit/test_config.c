#include "base/config.h"

#include "test/unit/config_sample.h"

static void expect_list(const struct config_list *list, const char *joined)
{
	char got[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "[%s]", list->items[i]);
	CU_ASSERT_STRING_EQUAL(got, joined);
}

static void gives_defaults(void)
{
	struct config *config = config_of("");

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	const struct top *top = config_get(config);
	CU_ASSERT_STRING_EQUAL(top->name, "none");
	CU_ASSERT_EQUAL(top->number, 5);
	CU_ASSERT_EQUAL(top->delta, -3);
	CU_ASSERT_FALSE(top->is_on);
	CU_ASSERT_EQUAL(top->wait_ms, 90000);
	CU_ASSERT_EQUAL(top->size_bytes, 65536);
	CU_ASSERT_PTR_NULL(top->maybe);
	CU_ASSERT_STRING_EQUAL(top->listen, "127.0.0.1:80");
	expect_list(&top->peers, "[a b][c]");
	expect_list(&top->hosts, "[127.0.0.1:1]");
	CU_ASSERT_EQUAL(top->blocks.n, 0);
	config_free(config);
}

static const char full[] = "# a comment with { \" and ${x}\n"
			   "name = \"N \\\"q\\\" \\\\ $HOME #no\" // another\n"
			   "number = 64 on = yes /* two\n lines */ wait=250ms\n"
			   "size = '10m' maybe = plain\n"
			   "peers = {http://x/y, 'it\\'s', \"{}\"}\n"
			   "hosts = {127.0.0.1:2, \"[::1]:3\"}\n"
			   "block \"z\" {\n"
			   "  address = 127.0.0.1:1 weight = 2 paths = { /a, /b }\n"
			   "}\n"
			   "block a { address = \"127.0.0.1:2\" paths = {} }\n";

static void check_full(const struct config *config)
{
	const struct top *top = config_get(config);
	char expected[80];

	CU_ASSERT_STRING_EQUAL(top->name, "N \"q\" \\ $HOME #no");
	CU_ASSERT_EQUAL(top->number, 64);
	CU_ASSERT_TRUE(top->is_on);
	CU_ASSERT_EQUAL(top->wait_ms, 250);
	CU_ASSERT_EQUAL(top->size_bytes, 10485760);
	snprintf(expected, sizeof(expected), "%s/plain", directory.path);
	CU_ASSERT_STRING_EQUAL(top->file, expected);
	CU_ASSERT_STRING_EQUAL(top->maybe, expected);
	expect_list(&top->peers, "[http://x/y][it's][{}]");
	expect_list(&top->hosts, "[127.0.0.1:2][[::1]:3]");
	CU_ASSERT_EQUAL_FATAL(top->blocks.n, 2);
	const struct block *blocks = top->blocks.items;
	CU_ASSERT_STRING_EQUAL(blocks[0].title, "z");
	CU_ASSERT_STRING_EQUAL(blocks[0].address, "127.0.0.1:1");
	CU_ASSERT_EQUAL(blocks[0].weight, 2);
	expect_list(&blocks[0].paths, "[/a][/b]");
	CU_ASSERT_STRING_EQUAL(blocks[1].title, "a");
	CU_ASSERT_STRING_EQUAL(blocks[1].address, "127.0.0.1:2");
	CU_ASSERT_EQUAL(blocks[1].weight, 1);
	expect_list(&blocks[1].paths, "");
}

static void reads_every_type(void)
{
	struct config *config = config_of(full);

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	check_full(config);
	config_free(config);
}

static void what_is_dumped_reads_the_same(void)
{
	static const char *const texts[] = { full, "", "wait = 1h size = 1 peers = {}",
					     "name = 'It\\'s ${x} \"q\" \\\\'" };

	for (size_t i = 0; i < 4; i++) {
		char *dump, *again;
		size_t size;
		struct config *config = config_of(texts[i]);
		CU_ASSERT_PTR_NOT_NULL_FATAL(config);
		FILE *out = open_memstream(&dump, &size);
		config_dump(config, out);
		fclose(out);
		config_free(config);

		/* From another place: paths in it are absolute. */
		config = config_of_file(
			&spec, directory_write(&directory, "dump.conf", dump, 0644));
		CU_ASSERT_PTR_NOT_NULL_FATAL(config);
		if (i == 0)
			check_full(config);
		out = open_memstream(&again, &size);
		config_dump(config, out);
		fclose(out);
		config_free(config);
		CU_ASSERT_STRING_EQUAL(dump, again);
		free(dump);
		free(again);
	}
}

static void refuses_bad_values(void)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{ "number = 010", "`number` is no number" },
		{ "number = 0x10", "`number` is no number" },
		{ "number = \"5 \"", "`number` is no number" },
		{ "number = 99999999999999999999", "`number` is no number" },
		{ "number = 65", "`number` is out of range, give 1 to 64" },
		{ "number = 0", "`number` is out of range, give 1 to 64" },
		{ "delta = --1", "`delta` is no number" },
		{ "on = true", "`on` is neither yes nor no" },
		{ "wait = 5", "`wait` is no duration" },
		{ "wait = 1.5s", "`wait` is no duration" },
		{ "wait = 010s", "`wait` is no duration" },
		{ "wait = 2h", "`wait` is out of range, give 1ms to 1h" },
		{ "wait = 9999999999999999d", "`wait` is no duration" },
		{ "size = 1t", "`size` is no size" },
		{ "size = -1", "`size` is no size" },
		{ "maybe = nosuch", "nosuch: No such file" },
		{ "maybe = \".\"", "is no regular file" },
		{ "listen = localhost:80", "`listen` is no numeric address" },
		{ "listen = \"\"", "`listen` is no numeric address" },
		{ "hosts = {127.0.0.1:1, x}", "`hosts` is no numeric address" },
		{ "hosts = {}", "`hosts` has 0 elements, give 1 to 2" },
		{ "hosts = {a, b, c}", "`hosts` has 3 elements, give 1 to 2" },
		{ "name = \"host=x password=y\"", "`name` holds a password" },
		{ "number = 5\nnumber = 5",
		  "`number` is given twice, first on line 2" },
		{ "peers = {a}\npeers = {b}", "`peers` is given twice" },
		{ "peers = {a}\npeers = {}", "`peers` is given twice" },
		{ "peers = {}\npeers = {}", "`peers` is given twice" },
		{ "peers = a\npeers = a", "`peers` is given twice" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(rows[i].text, strchr(rows[i].text, '\n') ? 3 : 2,
			     rows[i].what);
}

static void refuses_what_libconfuse_takes_silently(void)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *what;
	} rows[] = {
		{ "block a { address = 127.0.0.1:1\n", 2, "{ is not closed" },
		{ "\n/* never closed", 3, "comment is not closed" },
		{ "name = \"abc\n\"", 2, "string is not closed" },
		{ "/* over\n lines */ name = \"abc", 3, "string is not closed" },
		{ "name = 'abc", 2, "string is not closed" },
		{ "name = \"abc\\", 2, "string is not closed" },
		{ "name = \"${HOME}\"", 2, "is not expanded" },
		{ "name = ${HOME}", 2, "unexpected $" },
		{ "name = \"\\x41\"", 2, "unknown escape" },
		{ "name = \"a\\\nb\"", 2, "unknown escape" },
		{ "name = a\x01", 2, "unexpected byte 0x01" },
		{ "name = \"a\x1b[0m\"", 2, "control character" },
		{ "name = +447700900123", 2, "unexpected +" },
		{ "name = /etc/*", 2, "unexpected *" },
		{ "peers += {a}", 2, "unexpected +" },
		{ "block|name = x", 2, "unexpected |" },
		{ "include(\"other.conf\")", 2, "unexpected (" },
		{ "}", 2, "closes nothing" },
		{ "block a { address = 127.0.0.1:1 }\nblock a { address = 127.0.0.1:2 "
		  "}",
		  3, "duplicate title 'a'" },
		{ "name =", 3, "premature end" },
		{ "= 5", 2, "unexpected token '='" },
		{ "\"\" = 5", 2, "write NAME = VALUE" },
		{ "number = 5 '' name = x", 2, "write NAME = VALUE" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_error(rows[i].text, rows[i].line, rows[i].what);
}

static void reports_all_errors_at_once(void)
{
	expect_error("number = 0 # one\n"
		     "/* two\n lines */ nosuch = { 1, 2 }\n"
		     "block x { worse = 1 adress = \"}\" address = 127.0.0.1:1 }\n"
		     "other \"t\" { a = 1 b = { 2 } }\n"
		     "wait = x\n"
		     "block y { weight = z }\n",
		     2, "`number` is out of range");
	static const struct {
		unsigned line;
		const char *what;
	} rows[] = {
		{ 4, "unknown key `nosuch`" },  { 5, "unknown key `worse`" },
		{ 5, "unknown key `adress`" },  { 6, "unknown key `other`" },
		{ 7, "`wait` is no duration" }, { 8, "`weight` is no number" },
		{ 8, "`address` is missing" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[sizeof(path) + 128];
		snprintf(expected, sizeof(expected), "%s:%u: %s", path, rows[i].line,
			 rows[i].what);
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, expected));
	}
	size_t n = 0;
	for (const char *p = errors; (p = strchr(p, '\n')); p++)
		n++;
	CU_ASSERT_EQUAL(n, 8);
	expect_error("block x { address = 127.0.0.1:1 worse = }\nwait = x\n", 2,
		     "unknown key `worse`");
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "test.conf:3: `wait` is no duration"));
}

static void asks_for_required_keys_and_blocks(void)
{
	struct config_section asking[2] = { sections[0], sections[1] };
	struct config_spec other = { "test", asking, 2 };

	asking[1].min_count = 1;
	CU_ASSERT_PTR_NULL(config_of_file(
		&other, directory_write(&directory, "empty.conf", "", 0644)));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(errors, "empty.conf: `file` is missing: A file."));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "empty.conf: `key` is missing"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "at least 1 block `block"));
}

static void describes_every_key(void)
{
	char *text;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	config_help(&spec, out);
	fclose(out);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	CU_ASSERT_EQUAL(lines, sections[0].n_keys + 2 + sections[1].n_keys);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nfile                       FILE      "
					    "required. A file.\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "DURATION  default 90s. How long.\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "optional. A file or none.\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nblock \"TITLE\" { }:\nA block.\n"));
	free(text);
}

static void finds_the_line_of_a_message(void)
{
	struct config *config = config_of("number = 7\n\nblock \"a:1\" {\n"
					  "address = \"127.0.0.1:1\"\n}\n"
					  "block \"a:2\" {\n\n"
					  "address = \"127.0.0.1:2\"\n}\n");
	static const struct {
		const char *text;
		unsigned line;
	} cases[] = {
		{ "number: is odd", 2 },
		{ "number, delta: differ", 2 },
		{ "numbers: are odd", 0 },
		{ "number", 0 },
		{ "delta: was not given", 0 },
		{ "block \"a:1\": is odd", 6 },
		{ "block \"a:2\": address: is even", 9 },
		{ "block \"a:2\": weight: is none", 10 },
		{ "block \"a:3\": is not there", 0 },
		{ "", 0 },
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(config_line(config, slice_of(cases[i].text)),
				cases[i].line);
	config_free(config);
}

TEST_MAIN("config", TEST(makes_its_directory), TEST(gives_defaults),
	  TEST(reads_every_type), TEST(what_is_dumped_reads_the_same),
	  TEST(refuses_bad_values), TEST(refuses_what_libconfuse_takes_silently),
	  TEST(reports_all_errors_at_once), TEST(asks_for_required_keys_and_blocks),
	  TEST(describes_every_key), TEST(finds_the_line_of_a_message),
	  TEST(leaves_nothing_behind))
