/*
 * The three files that a program is started with: input, output, and where it
 * complains. Who starts it may have closed them, or lead the output where there is no
 * room.
 */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

#include <stdbool.h>

/**
 * Open /dev/null in the place of each that is closed; else what is opened next, a
 * socket or a key, would be taken for it, and what is printed written into that. To be
 * called before anything is opened.
 *
 * @return false with errno
 */
bool standard_open(void) __attribute__((warn_unused_result));
/**
 * Write what has been printed and is still held back. To be called at the end, so that
 * nobody takes a cut output for a whole one.
 *
 * @return false with errno when any of all that was printed could not be written
 */
bool standard_flush(void) __attribute__((warn_unused_result));

#endif
