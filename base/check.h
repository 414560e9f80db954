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
/** Whether every role can load what it needs; the others are logged, and what expires.
 * Nothing of it is used: for a process that ends after it. */
bool check_loads(const struct supervisor_spec *spec, const struct config *config);

#endif
