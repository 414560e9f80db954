/*
 * Help on a terminal of 80 columns: what is typed to the left, what it does to the
 * right, broken between words. Knows none of the tables that it prints.
 */
#ifndef BASE_HELP_H
#define BASE_HELP_H

#include <stdio.h>

#define HELP_COLUMNS \
	79 /* a line that fills the last one would be followed by an empty one */

/**
 * Print one row: @p left, then @p text from @p column on, on as many lines as it needs.
 *
 * Where @p left is too wide, the text begins on the next line. A word that is wider
 * than what is there has a line of its own.
 *
 * @param left    with its indentation; "" for a paragraph
 * @param text    printable ASCII; a word is what stands between spaces
 */
void help_row(FILE *out, int column, const char *left, const char *text);

#endif
