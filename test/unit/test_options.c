#include "test/unit/test.h"

#include <stdlib.h>

#include "contrib/handset/handset_config.h"
#include "contrib/handset/keypad.h"
#include "contrib/handset/options.h"

#define ARGUMENTS 12

static enum command command;
static struct options options;

/* A command line, up to the first NULL; what it complains about is not shown. */
static bool reads(const char *const arguments[ARGUMENTS])
{
	char *argv[ARGUMENTS + 2] = { (char *)"handset" };
	FILE *shown = stderr;
	int argc = 1;
	bool ok;

	for (; arguments[argc - 1]; argc++)
		argv[argc] = (char *)arguments[argc - 1];
	stderr = fopen("/dev/null", "w");
	ok = options_read(argc, argv, &command, &options);
	fclose(stderr);
	stderr = shown;
	return ok;
}
#define READS(...) reads((const char *const[ARGUMENTS]){ __VA_ARGS__ })

static void reads_a_command_line(void)
{
	CU_ASSERT(READS("run", "--dir", "d", "--json", "--script", "-"));
	CU_ASSERT_EQUAL(command, COMMAND_RUN);
	CU_ASSERT_STRING_EQUAL(options.dir, "d");
	CU_ASSERT(options.is_json);
	CU_ASSERT_STRING_EQUAL(options.script, "-");
	CU_ASSERT(READS("status", "--dir", "d"));
	CU_ASSERT_EQUAL(command, COMMAND_STATUS);
	CU_ASSERT_FALSE(options.is_json);
}

static void refuses_what_does_not_belong(void)
{
	CU_ASSERT_FALSE(READS(NULL));
	CU_ASSERT_FALSE(READS("dance", "--dir", "d"));
	CU_ASSERT_FALSE(READS("run"));
	CU_ASSERT_FALSE(READS("run", "--dir"));
	CU_ASSERT_FALSE(READS("run", "--dir", "d", "--number", "+44"));
	CU_ASSERT_FALSE(READS("messages", "--dir", "d", "--script", "x"));
	CU_ASSERT_FALSE(READS("init", "--dir", "d", "--dev", "x"));
}

static void numbers_have_bounds_and_usual_values(void)
{
	CU_ASSERT(READS("load", "--dir", "d", "--rate", "7", "--item", "a", "--item",
			"b"));
	CU_ASSERT_EQUAL(options.rate, 7);
	CU_ASSERT_EQUAL(options.count, 1000);
	CU_ASSERT_EQUAL(options.first, 1);
	CU_ASSERT_EQUAL(options.at_once, 50);
	CU_ASSERT_STRING_EQUAL(options.items[1], "b");
	CU_ASSERT_PTR_NULL(options.items[2]);
	CU_ASSERT(READS("load", "--dir", "d", "--at-once", "100000"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--at-once", "100001"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--at-once", "0"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--at-once", "-1"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--at-once", "7x"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--at-once"));
	CU_ASSERT_FALSE(READS("load", "--dir", "d", "--authority", "f"));
	CU_ASSERT_FALSE(READS("fleet", "--dir", "d", "--authority", "/f"));
}

/* The storage is another folder than the one in which the command is typed. */
static void makes_paths_absolute(void)
{
	char *here = get_current_dir_name();
	char wanted[512];

	CU_ASSERT(READS("init", "--dir", "d", "--dev", "x", "--number", "y",
			"--resident", "a=p", "--resident", "b=/q"));
	snprintf(wanted, sizeof(wanted), "a=%s/p", here);
	CU_ASSERT_STRING_EQUAL(options.residents[0], wanted);
	CU_ASSERT_STRING_EQUAL(options.residents[1], "b=/q");
	CU_ASSERT_PTR_NULL(options.residents[2]);
	free((void *)options.residents[0]);
	free(here);
}

static void derives_the_servers_name_from_its_uri(void)
{
	static const struct {
		const char *uri, *srv;
	} cases[] = {
		{ "https://prov.example.com/", "prov.example.com:443" },
		{ "https://Prov.Example.com:8443", "prov.example.com:8443" },
		{ "https://prov.example.com:8443/v1/x", "prov.example.com:8443" },
		{ "http://prov.example.com/", NULL },
		{ "https:///", NULL },
		{ "prov.example.com", NULL },
		{ "", NULL },
	};
	char srv[AUTH_SRV_CHARS + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(handset_config_srv(cases[i].uri, srv),
				cases[i].srv != NULL);
		if (cases[i].srv)
			CU_ASSERT_STRING_EQUAL(srv, cases[i].srv);
	}
}

static void every_key_has_a_name(void)
{
	enum key key;

	for (int i = 0; i < KEY_N; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(key_name((enum key)i));
		CU_ASSERT(key_parse(slice_of(key_name((enum key)i)), &key));
		CU_ASSERT_EQUAL(key, i);
	}
	CU_ASSERT(key_parse(SLICE("yes"), &key));
	CU_ASSERT_EQUAL(key, KEY_YES);
	CU_ASSERT_FALSE(key_parse(SLICE("MAYBE"), &key));
}

TEST_MAIN("options", TEST(reads_a_command_line), TEST(refuses_what_does_not_belong),
	  TEST(numbers_have_bounds_and_usual_values), TEST(makes_paths_absolute),
	  TEST(derives_the_servers_name_from_its_uri), TEST(every_key_has_a_name))
