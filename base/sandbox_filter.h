/*
 * The filter of system calls behind sandbox_enter(): which calls a right brings.
 */
#ifndef BASE_SANDBOX_FILTER_H
#define BASE_SANDBOX_FILTER_H

#include <stdbool.h>

/** As sandbox_enter(), the filter alone; the process has no_new_privs already. */
bool sandbox_filter(unsigned rights, int *forbidden)
	__attribute__((warn_unused_result));

#endif
