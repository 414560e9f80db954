/*
 * The command line that all daemons share: one table of options, which parses and is
 * the help. Knows nothing of what is done.
 */
#ifndef BASE_COMMAND_H
#define BASE_COMMAND_H

#include <stdio.h>

struct supervisor_spec;

enum command_mode {
	COMMAND_RUN,
	COMMAND_CHECK,
	COMMAND_DUMP,
	COMMAND_HELP,
	COMMAND_HELP_CONFIG,
	COMMAND_DESCRIBE,
	COMMAND_VERSION,
	COMMAND_WRONG, /* said on stderr what is wrong */
};

struct command {
	enum command_mode mode;
	const char *config_path; /* borrowed from argv or the spec */
};

/** Read the command line; COMMAND_WRONG after saying on stderr what is wrong. */
struct command command_parse(const struct supervisor_spec *spec, int argc, char **argv);
/** Write what --help shows. */
void command_help(const struct supervisor_spec *spec, FILE *out);
/** Write the options, then the keys of the configuration (base/describe.h). */
void command_describe(const struct supervisor_spec *spec, FILE *out);

#endif
