/*
 * A daemon that runs: the generations of its processes, one after the other as SIGHUP
 * comes, until SIGTERM. One for the life of a process.
 */
#ifndef BASE_DAEMON_H
#define BASE_DAEMON_H

#include "base/supervisor.h"

struct daemon_parts {
	const struct supervisor_spec *spec;
	const char *path; /* of the configuration, to read it again */
	char *title;      /* memory of the command line, in which ps(1) finds it */
	size_t title_size;
};

/**
 * Run until the end.
 * @param config  of the first generation; taken
 * @return exit status
 */
int daemon_run(const struct daemon_parts *parts, struct config *config);

#endif
