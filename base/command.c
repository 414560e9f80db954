#include "base/command.h"

#include <getopt.h>

#include "base/describe.h"
#include "base/help.h"
#include "base/supervisor.h"

static const struct {
	char letter; /* or a number where there is none */
	const char *name;
	const char *argument; /* NULL: none */
	enum command_mode mode;
	const char *help; /* NULL: not for people */
} rows[] = {
	{ 'c', "config", "FILE", COMMAND_RUN, "the configuration" },
	{ 't', "test", NULL, COMMAND_CHECK, "check the configuration and exit" },
	{ 1, "dump-config", NULL, COMMAND_DUMP,
	  "write the effective settings, defaults included, and exit" },
	{ 2, "help-config", NULL, COMMAND_HELP_CONFIG,
	  "list the keys of the configuration" },
	{ 'h', "help", NULL, COMMAND_HELP, "show this help" },
	{ 'V', "version", NULL, COMMAND_VERSION, "show the version" },
	{ 3, DESCRIBE_OPTION, NULL, COMMAND_DESCRIBE, NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool has_letter(size_t row)
{
	return rows[row].letter >= 'A';
}

static void fill_options(struct option *options, char *letters)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument : no_argument,
			.val = rows[i].letter,
		};
		if (has_letter(i))
			*letters++ = rows[i].letter;
		if (has_letter(i) && rows[i].argument)
			*letters++ = ':';
	}
	options[N_ROWS] = (struct option){ .name = NULL };
	*letters = '\0';
}

struct command command_parse(const struct supervisor_spec *spec, int argc, char **argv)
{
	struct command command = { COMMAND_RUN, spec->default_config };
	struct option options[N_ROWS + 1];
	char letters[2 * N_ROWS + 1];
	int letter;

	fill_options(options, letters);
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		size_t i = 0;
		while (i < N_ROWS && rows[i].letter != letter)
			i++;
		if (i == N_ROWS) {
			/* getopt_long has said what is wrong. */
			fprintf(stderr, "%s: see --help\n", spec->program);
			command.mode = COMMAND_WRONG;
			return command;
		}
		if (rows[i].argument)
			command.config_path = optarg;
		else
			command.mode = rows[i].mode;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument `%s`, see --help\n",
			spec->program, argv[optind]);
		command.mode = COMMAND_WRONG;
	}
	return command;
}

void command_help(const struct supervisor_spec *spec, FILE *out)
{
	fprintf(out, "%s\n\nUsage: %s [-c FILE] [-t | --dump-config]\n\n",
		spec->summary, spec->program);
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[40];
		if (!rows[i].help)
			continue;
		snprintf(left, sizeof(left), "  %c%c%c --%s%s%s",
			 has_letter(i) ? '-' : ' ',
			 has_letter(i) ? rows[i].letter : ' ',
			 has_letter(i) ? ',' : ' ', rows[i].name,
			 rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		help_row(out, 23, left, rows[i].help);
	}
	fprintf(out, "\nThe configuration, unless -c names another:\n  %s\n",
		spec->default_config);
	help_row(out, 0, "",
		 "Logs to standard error. SIGHUP has it read its files anew, "
		 "SIGTERM ends it. Exit status: 0 ended or good, 1 failed, "
		 "2 wrong usage, 69 cannot listen, 78 the configuration is "
		 "wrong (each error with file and line).");
}

void command_describe(const struct supervisor_spec *spec, FILE *out)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].help)
			describe_option(out, "", has_letter(i) ? rows[i].letter : '\0',
					rows[i].name, rows[i].argument, rows[i].help);
	describe_config(out, spec->config);
}
