/*
 * The command line: options and words by their tables, help from the same tables, and
 * the filter that options make for a query. Runs nothing.
 */
#ifndef PROVCTL_COMMAND_LINE_H
#define PROVCTL_COMMAND_LINE_H

#include <stdio.h>

#include "provctl/provctl.h"

#define CONFIG_PATH_DEFAULT PROVBOX_SYSCONFDIR "/provctl.conf"

/**
 * Find the command and its options.
 *
 * @param ctx   command, options and words are set; they borrow from @p argv
 * @param argv  its order changes
 * @return RESULT_OK, with --help or --version also when there is no command;
 *         RESULT_USAGE after a complaint
 */
enum result command_line_read(struct context *ctx, int argc, char **argv);
/**
 * Print the help of a command; when it is NULL, of the commands that begin with a noun;
 * when there are none or it is NULL, too, the nouns of all.
 */
void command_line_help(const struct command *command, const char *noun);
/** Write all commands and options (base/describe.h). */
void command_line_describe(FILE *out);
/** What the options filter by, a JSON text in the arena; NULL after a complaint. */
const char *command_line_filter(struct context *ctx);

#endif
