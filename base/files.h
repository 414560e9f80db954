/*
 * The files that a configuration names, kept as they were when it was read. A process
 * that is started again reads what its siblings have read, whatever has become of the
 * files meanwhile; the next configuration keeps its own. Copies are in memory of the
 * kernel, sealed, with owner and mode of the file: nothing of them is in that of the
 * process that keeps them.
 */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct files;

/** None yet. Never NULL; freed by files_free(). */
struct files *files_new(void);
/** Give the copies up; not those that are in use here. NULL is nothing. */
void files_free(struct files *files);
/**
 * Keep a copy of a regular file, once.
 * @param path  borrowed for the life of @p files
 * @return false with errno
 */
bool files_keep(struct files *files, const char *path)
	__attribute__((warn_unused_result));
/** The descriptors of the copies, @p n of them, borrowed: one each, in ascending order
 * of when they were kept. */
size_t files_count(const struct files *files);
int files_descriptor(const struct files *files, size_t index);

/** The path of the copy at @p index; borrowed. */
const char *files_name(const struct files *files, size_t index);
/** Whose the file of a copy is. Where we may not give files away, ours. */
uid_t files_owner(const struct files *files, const char *path);

/** From now on files_path() of this process finds these; NULL: none. Borrowed. */
void files_use(const struct files *files);
/** What to open in order to read the file @p path: the copy in use, else itself. What
 * people are told is @p path. */
const char *files_path(const char *path);

#endif
