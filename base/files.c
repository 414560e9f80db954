#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define SEALS       (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define CHUNK_BYTES (1 << 20)

struct kept {
	const char *path;
	int fd;
	char at[32]; /* opened anew, it has a place to read from of its own */
};

struct files {
	struct kept *items;
	size_t n;
};

static const struct files *in_use;

struct files *files_new(void)
{
	struct files *files = calloc(1, sizeof(*files));

	BUG_ON(!files);
	return files;
}

void files_free(struct files *files)
{
	if (!files)
		return;
	BUG_ON(files == in_use);
	for (size_t i = 0; i < files->n; i++)
		close(files->items[i].fd);
	free(files->items);
	free(files);
}

static const struct kept *find(const struct files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++)
		if (strcmp(files->items[i].path, path) == 0)
			return &files->items[i];
	return NULL;
}

/* The owner stays where we may not give files away: then we are no more than it is. */
static bool copy_owner(int fd, const struct stat *st)
{
	if (fchown(fd, st->st_uid, st->st_gid) != 0 && errno != EPERM)
		return false;
	return fchmod(fd, st->st_mode & 0777) == 0;
}

static bool copy_bytes(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, CHUNK_BYTES);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0;
}

/* -1 with errno. */
static int copy_of(int from)
{
	int to = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;

	if (to >= 0 && fstat(from, &st) == 0 && copy_bytes(from, to) &&
	    copy_owner(to, &st) && fcntl(to, F_ADD_SEALS, SEALS) == 0)
		return to;
	int error = errno;
	if (to >= 0)
		close(to);
	errno = error;
	return -1;
}

static void add(struct files *files, const char *path, int fd)
{
	files->items = realloc(files->items, (files->n + 1) * sizeof(*files->items));
	BUG_ON(!files->items);
	struct kept *kept = &files->items[files->n++];
	*kept = (struct kept){ .path = path, .fd = fd };
	snprintf(kept->at, sizeof(kept->at), "/proc/self/fd/%d", fd);
}

bool files_keep(struct files *files, const char *path)
{
	if (find(files, path))
		return true;
	int from = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int fd = from >= 0 ? copy_of(from) : -1;
	int error = errno;
	if (from >= 0)
		close(from);
	errno = error;
	if (fd >= 0)
		add(files, path, fd);
	return fd >= 0;
}

size_t files_count(const struct files *files)
{
	return files->n;
}

int files_descriptor(const struct files *files, size_t index)
{
	return files->items[index].fd;
}

const char *files_name(const struct files *files, size_t index)
{
	return files->items[index].path;
}

uid_t files_owner(const struct files *files, const char *path)
{
	const struct kept *kept = find(files, path);
	struct stat st;

	BUG_ON(!kept || fstat(kept->fd, &st) != 0);
	return st.st_uid;
}

void files_use(const struct files *files)
{
	in_use = files;
}

const char *files_path(const char *path)
{
	const struct kept *kept = in_use && path ? find(in_use, path) : NULL;

	return kept ? kept->at : path;
}
