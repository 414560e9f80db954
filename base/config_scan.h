/*
 * A look at the text of a configuration file before libconfuse reads it. Removes
 * comments and refuses what libconfuse would take silently for something else: an
 * unclosed section, comment or string, `${...}` (it would expand the environment),
 * characters that it skips, escapes that mean more than the character itself.
 */
#ifndef BASE_CONFIG_SCAN_H
#define BASE_CONFIG_SCAN_H

#include "base/config_errors.h"
#include "base/slice.h"

/** What stands for the one item of an empty list in cleaned text. */
#define CONFIG_SCAN_EMPTY "\x01"

/**
 * Copy @p text without its comments, on the same lines; `{}` after `=` becomes a list
 * of CONFIG_SCAN_EMPTY, so that it can be seen to be given.
 * @return text to be freed, or NULL after adding all errors
 */
char *config_scan_clean(struct slice text, struct config_errors *errors);

/**
 * Overwrite with spaces the statement that starts with @p name on @p line of cleaned
 * text, with its value or block.
 * @return false when it is not there
 */
bool config_scan_blank(char *text, unsigned line, const char *name);

#endif
