/*
 * A directory for the files of one unit test, removed with what is in it.
 */
#ifndef TEST_UNIT_DIRECTORY_H
#define TEST_UNIT_DIRECTORY_H

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "test/unit/test.h"

struct directory {
	char path[64];
	char file[512]; /* of the last directory_file() */
};

static inline void directory_open(struct directory *directory)
{
	snprintf(directory->path, sizeof(directory->path), "/tmp/provbox-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory->path));
}

/** Path of a file in it; good until the next call. */
static inline const char *directory_file(struct directory *directory, const char *name)
{
	snprintf(directory->file, sizeof(directory->file), "%s/%s", directory->path,
		 name);
	return directory->file;
}

/** Write a file with a mode; its path. */
static inline const char *directory_write(struct directory *directory, const char *name,
					  const char *text, mode_t mode)
{
	FILE *file;

	remove(directory_file(directory, name)); /* it may not be writable */
	file = fopen(directory->file, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_FATAL(fputs(text, file) >= 0 && fclose(file) == 0);
	CU_ASSERT_FATAL(chmod(directory->file, mode) == 0);
	return directory->file;
}

static inline void directory_close(struct directory *directory)
{
	DIR *dir = opendir(directory->path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			remove(directory_file(directory, entry->d_name));
	closedir(dir);
	rmdir(directory->path);
}

#endif
