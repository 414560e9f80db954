#include "contrib/handset/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static const char *const folders[] = { "messages", "downloads", "features",
				       "resident" };

bool storage_look(const char *directory, char *why, size_t why_size)
{
	if (chdir(directory) == 0)
		return true;
	snprintf(why, why_size, "%s", strerror(errno));
	return false;
}

/* The lock ends with the process, however that ends. */
static bool lock(char *why, size_t why_size)
{
	int fd = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	snprintf(why, why_size, "%s",
		 errno == EWOULDBLOCK ? "a handset runs on this storage"
				      : strerror(errno));
	if (fd >= 0)
		close(fd);
	return false;
}

bool storage_open(const char *directory, char *why, size_t why_size)
{
	if (!storage_look(directory, why, why_size) || !lock(why, why_size))
		return false;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i], 0700) != 0 && errno != EEXIST) {
			snprintf(why, why_size, "%s: %s", folders[i], strerror(errno));
			return false;
		}
	return true;
}

bool storage_path(char out[STORAGE_PATH_BYTES], const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out, STORAGE_PATH_BYTES, format, args);
	va_end(args);
	if (n >= 0 && n < STORAGE_PATH_BYTES)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0)
			return false;
		bytes = slice_make(bytes.p + n, bytes.n - (size_t)n);
	}
	return true;
}

static bool sync_fd(int fd)
{
	bool ok = fsync(fd) == 0;
	int saved = errno;

	close(fd);
	errno = saved;
	return ok;
}

bool storage_sync(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && sync_fd(fd);
}

bool storage_sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && sync_fd(fd);
}

static bool sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[STORAGE_PATH_BYTES];

	if (!slash)
		return storage_sync(".");
	return storage_path(parent, "%.*s", (int)(slash - path), path) &&
	       storage_sync(parent);
}

/* Returns the file that was written beside @p path, open, or -1. */
static int write_beside(const char *path, struct slice bytes, mode_t mode,
			char beside[STORAGE_PATH_BYTES])
{
	int fd;

	if (!storage_path(beside, "%s.new", path))
		return -1;
	if (unlink(beside) != 0 && errno != ENOENT)
		return -1;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || write_all(fd, bytes))
		return fd;
	int saved = errno;
	close(fd);
	unlink(beside);
	errno = saved;
	return -1;
}

bool storage_write(const char *path, struct slice bytes, mode_t mode)
{
	char beside[STORAGE_PATH_BYTES];
	int fd = write_beside(path, bytes, mode, beside);

	return fd >= 0 && sync_fd(fd) && rename(beside, path) == 0 && sync_parent(path);
}

bool storage_put(const char *path, struct slice bytes, mode_t mode)
{
	char beside[STORAGE_PATH_BYTES];
	int fd = write_beside(path, bytes, mode, beside);

	return fd >= 0 && close(fd) == 0 && rename(beside, path) == 0;
}

struct slice storage_read(const char *path, size_t limit)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *bytes = NULL;
	size_t n = 0;
	ssize_t got = -1;

	if (fd < 0)
		return (struct slice){ NULL, 0 };
	if (fstat(fd, &status) == 0 && (uint64_t)status.st_size <= limit)
		bytes = malloc((size_t)status.st_size + 1);
	else
		errno = EFBIG;
	while (bytes && n < (size_t)status.st_size &&
	       (got = read(fd, bytes + n, (size_t)status.st_size - n)) > 0)
		n += (size_t)got;
	close(fd);
	/* A part of a file is worse than none. */
	if (bytes && n < (size_t)status.st_size) {
		errno = got < 0 ? errno : EIO;
		free(bytes);
		return (struct slice){ NULL, 0 };
	}
	if (bytes)
		bytes[n] = '\0';
	return slice_make(bytes, n);
}

bool storage_sha256(const char *path, uint8_t digest[SHA256_BYTES], int64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct digest *whole;
	char block[16384];
	ssize_t n;

	if (fd < 0)
		return false;
	whole = digest_begin();
	*size = 0;
	while ((n = read(fd, block, sizeof(block))) > 0) {
		digest_add(whole, slice_make(block, (size_t)n));
		*size += n;
	}
	digest_end(whole, digest);
	close(fd);
	return n == 0;
}

static void remove_from(void *directory, const char *name)
{
	char path[STORAGE_PATH_BYTES];

	if (storage_path(path, "%s/%s", (const char *)directory, name) &&
	    unlink(path) != 0)
		log_warn("not_removed", log_str("path", path),
			 log_str("why", strerror(errno)));
}

bool storage_remove(const char *path)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return errno == ENOENT;
	if (!S_ISDIR(status.st_mode))
		return unlink(path) == 0;
	storage_each(path, remove_from, (void *)path);
	return rmdir(path) == 0;
}

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void storage_each(const char *directory, void (*fn)(void *arg, const char *name),
		  void *arg)
{
	struct dirent **entries;
	int n = scandir(directory, &entries, is_shown, alphasort);

	for (int i = 0; i < n; i++) {
		fn(arg, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}
