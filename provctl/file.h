/* Whole files in memory: those that an operator names, and those beside them. */
#ifndef PROVCTL_FILE_H
#define PROVCTL_FILE_H

#include "base/arena.h"

/**
 * Read a regular file, or stdin for "-", into the arena, NUL after it.
 * @return false after a complaint
 */
bool file_read(struct arena *arena, const char *path, struct slice *out);
/** Map a regular file for reading; @p out is empty for an empty file. */
bool file_map(const char *path, struct slice *out);
void file_unmap(struct slice mapped);
/** @p name in the folder of @p path. NULL when it is absolute or leads out of there. */
const char *file_beside(struct arena *arena, const char *path, const char *name);

#endif
