#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/directory.h"

static char text[64];

/* What is read at a path now. */
static const char *read_at(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void a_copy_stays_what_it_was(void)
{
	struct directory directory;
	directory_open(&directory);
	const char *path = directory_write(&directory, "key", "old", 0600);
	struct files *files = files_new();
	struct stat st;

	CU_ASSERT(files_keep(files, path));
	CU_ASSERT(files_keep(files, path));
	CU_ASSERT_EQUAL(files_count(files), 1);
	directory_write(&directory, "key", "new", 0644);

	CU_ASSERT_STRING_EQUAL(files_path(path), path); /* not in use */
	files_use(files);
	CU_ASSERT_STRING_EQUAL(read_at(files_path(path)), "old");
	CU_ASSERT_STRING_EQUAL(read_at(files_path(path)), "old"); /* from its start */
	CU_ASSERT_EQUAL(stat(files_path(path), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(st.st_uid, geteuid());
	CU_ASSERT_STRING_EQUAL(files_path("another"), "another");
	CU_ASSERT_PTR_NULL(files_path(NULL));

	files_use(NULL);
	CU_ASSERT_STRING_EQUAL(read_at(files_path(path)), "new");
	files_free(files);
	directory_close(&directory);
}

static void a_copy_cannot_be_written(void)
{
	struct directory directory;
	directory_open(&directory);
	const char *path = directory_write(&directory, "key", "old", 0600);
	struct files *files = files_new();

	CU_ASSERT(files_keep(files, path));
	int fd = files_descriptor(files, 0);
	CU_ASSERT(write(fd, "new", 3) < 0 && errno == EPERM);
	CU_ASSERT(ftruncate(fd, 0) < 0 && errno == EPERM);
	files_free(files);
	CU_ASSERT(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	directory_close(&directory);
}

static void what_cannot_be_read_is_said(void)
{
	struct directory directory;
	directory_open(&directory);
	struct files *files = files_new();

	CU_ASSERT(!files_keep(files, directory_file(&directory, "none")));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL(files_count(files), 0);
	files_free(files);
	files_free(NULL);
	directory_close(&directory);
}

TEST_MAIN("files", TEST(a_copy_stays_what_it_was), TEST(a_copy_cannot_be_written),
	  TEST(what_cannot_be_read_is_said))
