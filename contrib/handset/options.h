/*
 * The command line: `handset COMMAND --option VALUE...`, from one table.
 */
#ifndef CONTRIB_HANDSET_OPTIONS_H
#define CONTRIB_HANDSET_OPTIONS_H

#include "base/slice.h"

enum command {
	COMMAND_INIT,
	COMMAND_RUN,
	COMMAND_STATUS,
	COMMAND_MESSAGES,
	COMMAND_FLEET,
	COMMAND_LOAD,
	COMMAND_N,
};

#define OPTIONS_LIST_MAX 8

struct options {
	const char *dir;
	bool is_json;
	/* init; what is NULL is left out of the configuration */
	const char *dev, *number, *model, *firmware, *language;
	const char *gateway, *gateway_name, *uri, *airnet_root, *proof_root;
	const char *care_number, *care_uri;
	const char *residents[OPTIONS_LIST_MAX + 1]; /* ID=PATH; ends with NULL */
	/* init, run and fleet */
	const char *radio;
	/* run */
	const char *script;
	/* fleet */
	const char *authority, *authority_key;
	/* fleet and load */
	uint64_t count, first;
	/* load */
	uint64_t at_once, rate; /* rate: devices a second, 0 as many as can be */
	bool is_online;
	const char *items[OPTIONS_LIST_MAX + 1]; /* ends with NULL */
};

/**
 * Read the command line. Paths become absolute, but for dir itself.
 *
 * @param out  borrows from @p argv; to be kept until the process ends
 * @return false after saying on stderr what is wrong; `--help` and `--version` are
 *         answered here and end the process
 */
bool options_read(int argc, char **argv, enum command *command, struct options *out);

#endif
