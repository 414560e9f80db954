/* Files that an operator names, and those beside them: whole in memory, or in blocks.
 */
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
/**
 * Open a regular file for reading.
 * @return the descriptor, or -1 after a complaint
 */
int file_open(const char *path, uint64_t *size);
/** @p name in the folder of @p path. NULL when it is absolute or leads out of there. */
const char *file_beside(struct arena *arena, const char *path, const char *name);

#endif
