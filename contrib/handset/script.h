/*
 * A script that uses the handset as a person does: it presses keys, types into fields
 * and looks at the display. One command a line, `#` begins a comment:
 *
 *	key NAME                     press a key
 *	type FIELD TEXT              into a field of the form
 *	cancel                       take the request back
 *	wait state|screen NAME [S]   until it is so; fails after S seconds
 *	wait text WORDS              until the display has these words
 *	wait messages N [S]          until N messages were received
 *	expect ...                   the same as wait, for what should be so soon
 *
 * When the last command is done, the handset is switched off as soon as its request
 * has ended.
 */
#ifndef CONTRIB_HANDSET_SCRIPT_H
#define CONTRIB_HANDSET_SCRIPT_H

#include "contrib/handset/handset.h"

struct script;

/** The commands, a line each. */
void script_print_help(FILE *out);
/**
 * Read commands from a file, a pipe or a terminal, as they come.
 *
 * @param fd  taken
 */
struct script *script_new(struct loop *loop, struct handset *handset, int fd);
void script_free(struct script *script);
/** Something has changed: go on if it was waited for. */
void script_poke(struct script *script);
/** Has a command failed? It has then switched the handset off. */
bool script_has_failed(const struct script *script);

#endif
