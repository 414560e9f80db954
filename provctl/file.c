#include "provctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provctl/provctl.h"

int file_open(const char *path, uint64_t *size)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		complain("%s: %s", path,
			 fd < 0 ? strerror(errno) : "is no regular file");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*size = (uint64_t)status.st_size;
	return fd;
}

bool file_map(const char *path, struct slice *out)
{
	uint64_t size;
	int fd = file_open(path, &size);

	*out = slice_make(NULL, 0);
	if (fd < 0)
		return false;
	void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	close(fd);
	if (bytes == MAP_FAILED) {
		complain("%s: %s", path, strerror(errno));
		return false;
	}
	*out = slice_make(bytes, size);
	return true;
}

void file_unmap(struct slice mapped)
{
	if (mapped.n > 0)
		munmap((void *)(uintptr_t)mapped.p, mapped.n);
}

static bool read_stdin(struct arena *arena, struct slice *out)
{
	size_t cap = 64 * 1024, n = 0, got;
	char *bytes = arena_alloc(arena, cap);

	while (bytes && (got = fread(bytes + n, 1, cap - n - 1, stdin)) > 0) {
		n += got;
		if (cap - n > 1)
			continue;
		char *larger = arena_alloc(arena, cap * 2);
		if (larger)
			memcpy(larger, bytes, n);
		bytes = larger;
		cap *= 2;
	}
	if (!bytes || ferror(stdin)) {
		complain("stdin cannot be read, or is too large");
		return false;
	}
	*out = slice_make(bytes, n);
	return true;
}

bool file_read(struct arena *arena, const char *path, struct slice *out)
{
	struct slice mapped;

	if (strcmp(path, "-") == 0)
		return read_stdin(arena, out);
	if (!file_map(path, &mapped))
		return false;
	*out = arena_copy(arena, mapped);
	file_unmap(mapped);
	if (!out->p)
		complain("%s: is too large", path);
	return out->p;
}

const char *file_beside(struct arena *arena, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	struct slice rest = slice_of(name), step;

	if (*name == '/' || *name == '\0')
		return NULL;
	while (slice_next(&rest, '/', &step))
		if (slice_eq(step, SLICE("..")))
			return NULL;
	return arena_printf(arena, "%.*s%s", slash ? (int)(slash - path) + 1 : 0, path,
			    name);
}
