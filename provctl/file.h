/*
 * Whole files in memory, and progress of what takes long.
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
/** @p name in the folder of @p path. NULL when it is absolute or leads out of there. */
const char *file_beside(struct arena *arena, const char *path, const char *name);

struct progress {
	int64_t begun_ms, told_ms;
	const char *what;
	uint64_t total;
};

void progress_begin(struct progress *progress, const char *what, uint64_t total);
/** Tell on stderr how far it is, when it takes over two seconds, every two seconds. */
void progress_tell(struct progress *progress, uint64_t done);

#endif
