/*
 * What is wrong with a configuration file: one line of text for each fault, with file
 * and line, and how many there are.
 */
#ifndef BASE_CONFIG_ERRORS_H
#define BASE_CONFIG_ERRORS_H

#include <stdio.h>

/** Zeroed but for file and out before the first fault. */
struct config_errors {
	const char *file; /* its name; borrowed */
	FILE *out;        /* borrowed */
	size_t n;
};

/** Write "file:line: what". @param line  0: of no line */
void config_errors_add(struct config_errors *errors, unsigned line, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));

#endif
