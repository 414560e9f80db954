/*
 * Text from outside on its way to a terminal: what it holds of control characters would
 * act there.
 */
#ifndef PROVCTL_PLAIN_H
#define PROVCTL_PLAIN_H

/** Put a question mark in the place of each control character (C0, DEL, C1). */
void plain(char *text);

#endif
