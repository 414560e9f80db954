/*
 * Text from outside on its way to a terminal: what it holds of control characters would
 * act there.
 */
#ifndef PROVCTL_PLAIN_H
#define PROVCTL_PLAIN_H

#include "base/slice.h"

/** Put a question mark in the place of each control character (C0, DEL, C1). */
void plain(char *text);
/**
 * Columns that a terminal gives plain text: two to a wide character, none to one that
 * joins the one before it; one to what is no character.
 * The locale's LC_CTYPE must be one of UTF-8; else each character is one column.
 */
int plain_width(struct slice text);

#endif
