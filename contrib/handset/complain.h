/*
 * What a command of the handset could not do, as one line for the person who typed it.
 */
#ifndef CONTRIB_HANDSET_COMPLAIN_H
#define CONTRIB_HANDSET_COMPLAIN_H

#include <stdbool.h>

/**
 * Write "handset: WHAT: WHY" to stderr.
 *
 * @param what  borrowed; the file, option or device that it is about
 * @param why   borrowed; what is wrong with it, as strerror() says it
 * @return false, for the caller to return
 */
bool complain(const char *what, const char *why);

#endif
