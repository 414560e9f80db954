#include "base/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/command.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/standard.h"

/* The soft limit is low for the sake of select(2), which nobody here calls. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* The configuration, or NULL when all that is wrong with it has been told. */
static struct config *read_config(const struct daemon_parts *parts)
{
	char *text = NULL;
	size_t size = 0;
	FILE *found = open_memstream(&text, &size);

	BUG_ON(!found);
	struct config *config = check_read(parts->spec, parts->path, found);
	fclose(found);
	struct slice rest = slice_make(text, size), line;
	while (slice_next(&rest, '\n', &line))
		if (line.n > 0)
			log_complain(line);
	free(text);
	return config;
}

static int with_config(const struct daemon_parts *parts, enum command_mode mode)
{
	struct config *config = read_config(parts);
	int exit_code = SUPERVISOR_EXIT_CONFIG;

	if (!config && access(parts->path, F_OK) != 0)
		fprintf(stderr,
			"%s: make it, man %s.conf has an example, or name another with "
			"-c FILE; its keys: --help-config\n",
			parts->spec->program, parts->spec->program);
	if (!config)
		return exit_code;
	if (mode == COMMAND_RUN)
		return daemon_run(parts, config);
	if (mode == COMMAND_DUMP) {
		config_dump(config, stdout);
		exit_code = 0;
	} else if (check_loads(parts->spec, config, parts->path)) {
		printf("%s: ok\n", parts->path);
		exit_code = 0;
	}
	config_free(config);
	return exit_code;
}

/*
 * The arguments stand one behind the other in memory, and the environment behind them.
 * It is moved away: who starts a daemon without arguments left no room for the names of
 * its processes.
 */
static size_t take_title_bytes(int argc, char **argv)
{
	static char *moved; /* here for ever, whatever becomes of a variable */
	char *end = argv[0];
	size_t n = 0;

	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(end) + 1;
	char *environment = end;
	for (; environ[n] == end; n++)
		end += strlen(end) + 1;
	moved = malloc((size_t)(end - environment) + 1);
	BUG_ON(!moved);
	memcpy(moved, environment, (size_t)(end - environment));
	for (size_t i = 0; i < n; i++)
		environ[i] = moved + (environ[i] - environment);
	return (size_t)(end - argv[0]);
}

/* Print what was asked for. */
static int print(const struct daemon_parts *parts, enum command_mode mode)
{
	const struct supervisor_spec *spec = parts->spec;

	switch (mode) {
	case COMMAND_CHECK:
	case COMMAND_DUMP: return with_config(parts, mode);
	case COMMAND_HELP: command_help(spec, stdout); return 0;
	case COMMAND_DESCRIBE: command_describe(spec, stdout); return 0;
	case COMMAND_HELP_CONFIG: config_help(spec->config, stdout); return 0;
	case COMMAND_VERSION:
		printf("%s %s\n", spec->program, PACKAGE_VERSION);
		return 0;
	case COMMAND_RUN:
	case COMMAND_WRONG: break;
	}
	return SUPERVISOR_EXIT_USAGE;
}

static int answer(const struct daemon_parts *parts, enum command_mode mode)
{
	int exit_code = print(parts, mode);

	if (standard_flush())
		return exit_code;
	fprintf(stderr, "%s: standard output cannot be written: %s\n",
		parts->spec->program, strerror(errno));
	return SUPERVISOR_EXIT_FAILED;
}

int supervisor_main(const struct supervisor_spec *spec, int argc, char **argv)
{
	struct daemon_parts parts = {
		.spec = spec,
		.title = argv[0],
		.title_size = take_title_bytes(argc, argv),
	};

	if (!standard_open())
		return SUPERVISOR_EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	struct command command = command_parse(spec, argc, argv);
	parts.path = command.config_path;
	return command.mode == COMMAND_RUN ? with_config(&parts, COMMAND_RUN)
					   : answer(&parts, command.mode);
}
