/*
 * Colour on terminals. Says with it what a word says already, so nothing is lost where
 * there is none: in pipes and files, with NO_COLOR (no-color.org), on a dumb terminal.
 */
#ifndef PROVCTL_PAINT_H
#define PROVCTL_PAINT_H

#include <stdbool.h>

/** Whether stdout takes colours; paint() writes none before this was called. */
void paint_open(void);
/** What makes a heading bold. "": nothing; paint_end() then gives "", too. */
const char *paint_heading(void);
/** The colour of a state, verdict or outcome that is good, bad or between; "" for
 * any other word. */
const char *paint_word(const char *word);
/** What ends a colour that has begun with @p begun. */
const char *paint_end(const char *begun);

#endif
