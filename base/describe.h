/*
 * What a program takes, told to programs: a line for each thing, its fields between
 * tabs. Every program writes it with --describe, out of the tables that it works by;
 * manual pages (doc/man) and the completion of shells (contrib/completion) are made
 * from it.
 *
 *     command  WORDS    ARGUMENTS  HELP  EXAMPLE
 *     option   WORDS    LETTER     NAME  ARGUMENT  HELP       of a command; "": of all
 *     section  NAME     HELP
 *     key      SECTION  NAME       TYPE  NEED      DEFAULT  MIN  MAX  HELP
 *
 * NEED is required, optional or default. MIN and MAX are empty where there are none.
 */
#ifndef BASE_DESCRIBE_H
#define BASE_DESCRIBE_H

#include <stdio.h>

#include "base/config.h"

/** The option that has a program describe itself; no help tells of it. */
#define DESCRIBE_OPTION "describe"

/**
 * @param words    "device show"
 * @param example  a command line that shows it; NULL: none, as for @p arguments
 */
void describe_command(FILE *out, const char *words, const char *arguments,
		      const char *help, const char *example);
/**
 * @param words     of the command that takes it; "" for one that all take
 * @param letter    0: none
 * @param argument  NULL: none
 */
void describe_option(FILE *out, const char *words, char letter, const char *name,
		     const char *argument, const char *help);
/** All sections and keys of a configuration. */
void describe_config(FILE *out, const struct config_spec *spec);

#endif
