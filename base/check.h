/*
 * Whether a daemon can run with a configuration: the file, what its values mean
 * together, and with -t what each role must load.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdio.h>

#include "base/supervisor.h"

/**
 * Read and check the configuration, and keep the files it names as they were checked.
 * @param errors  a line "file:line: what and why" for each error; "file: " for what is
 *                not in the file
 * @return owned by the caller, or NULL after at least one line
 */
struct config *check_read(const struct supervisor_spec *spec, const char *path,
			  FILE *errors);
/**
 * Whether every role can load what it needs. The others are logged, and so is what
 * expires, and what we read as root and the daemon's own user could not.
 * Nothing of it is used: for a process that ends after it.
 * @param path  of the configuration
 */
bool check_loads(const struct supervisor_spec *spec, const struct config *config,
		 const char *path);

#endif
