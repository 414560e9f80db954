#include "provisioning/billing_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test.h"

#define NAME "billing-000000001-00000000-0000-0000-0000-000000000000.ndjson"

static char place[] = "/tmp/provbox-test-XXXXXX";
static int folder = -1;
static json_t *events;

static void begins(void)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(place));
	folder = open(place, O_RDONLY | O_DIRECTORY);
	events = json_pack("[{si ss}, {ss}]", "n", 1, "a", "\xc3\xa9\n", "b", "2");
	CU_ASSERT_PTR_NOT_NULL_FATAL(events);
}

static const char *write_named(const char *name)
{
	return billing_file_write(folder, slice_of(name), events);
}

/* All bytes of a file; "" when it is not there. */
static const char *content(const char *name)
{
	static char text[256];
	int fd = openat(folder, name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static size_t count_files(void)
{
	DIR *dir = opendir(place);
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += strcmp(entry->d_name, ".") != 0 &&
		     strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static void writes_a_line_for_each_event(void)
{
	struct stat st;

	CU_ASSERT_PTR_NULL(write_named(NAME));
	CU_ASSERT_STRING_EQUAL(content(NAME), "{\"n\":1,\"a\":\"\xc3\xa9\\n\"}\n"
					      "{\"b\":\"2\"}\n");
	CU_ASSERT_EQUAL(count_files(), 1);
	CU_ASSERT_EQUAL(fstatat(folder, NAME, &st, 0), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777 & ~0640U, 0);
}

static void writes_the_same_again(void)
{
	char before[256];

	snprintf(before, sizeof(before), "%s", content(NAME));
	CU_ASSERT_PTR_NULL(write_named(NAME));
	CU_ASSERT_STRING_EQUAL(content(NAME), before);
	CU_ASSERT_EQUAL(count_files(), 1);
}

/* What a killed process of our number left is no obstacle, nor a link to elsewhere. */
static void takes_no_notice_of_what_was_left(void)
{
	char part[256], outside[256];

	snprintf(outside, sizeof(outside), "%s/outside", place);
	snprintf(part, sizeof(part), ".%s.%d.part", NAME, (int)getpid());
	CU_ASSERT_EQUAL(symlinkat(outside, folder, part), 0);
	CU_ASSERT_PTR_NULL(write_named(NAME));
	CU_ASSERT_STRING_EQUAL(content("outside"), "");
	CU_ASSERT_EQUAL(count_files(), 1);
}

static void put(const char *name)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	CU_ASSERT_NOT_EQUAL_FATAL(fd, -1);
	close(fd);
}

/* Of this file, by other processes, and of nothing else. */
static void removes_what_killed_processes_left(void)
{
	static const char *const others[] = { ".a.2.1.part", "." NAME ".1.temp",
					      "." NAME "x.1.part", NAME ".1.part",
					      ".part" };
	const size_t n = sizeof(others) / sizeof(others[0]);

	for (size_t i = 0; i < n; i++)
		put(others[i]);
	put("." NAME ".1.part");
	put("." NAME ".2147483647.part");
	CU_ASSERT_PTR_NULL(write_named(NAME));
	CU_ASSERT_EQUAL(count_files(), 1 + n);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(unlinkat(folder, others[i], 0), 0);
}

static void takes_no_other_name(void)
{
	static const char *const names[] = {
		"",     ".",         "..",  ".a",  "a/b", "/a",  "../a",
		"a\nb", "a\xc3\xa9", "a b", "1.a", "-a",  "a_b",
	};
	char longest[BILLING_FILE_NAME_CHARS + 2];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(write_named(names[i]));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CU_ASSERT_PTR_NOT_NULL(write_named(longest));
	CU_ASSERT_EQUAL(count_files(), 1);
	CU_ASSERT_PTR_NULL(write_named(longest + 1));
	CU_ASSERT_EQUAL(unlinkat(folder, longest + 1, 0), 0);
}

/* A disk that is full in the midst of it: the file that was there stays whole. */
static void leaves_nothing_of_half_a_file(void)
{
	const struct rlimit small = { 10, RLIM_INFINITY };
	struct rlimit before;
	char old[256];

	snprintf(old, sizeof(old), "%s", content(NAME));
	signal(SIGXFSZ, SIG_IGN);
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
	const char *why = write_named(NAME);
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &before), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	CU_ASSERT_STRING_EQUAL(why, strerror(EFBIG));
	CU_ASSERT_STRING_EQUAL(content(NAME), old);
	CU_ASSERT_EQUAL(count_files(), 1);
}

static void says_that_the_folder_is_gone(void)
{
	CU_ASSERT_EQUAL(unlinkat(folder, NAME, 0), 0);
	CU_ASSERT_EQUAL_FATAL(rmdir(place), 0);
	const char *why = write_named(NAME);
	CU_ASSERT_PTR_NOT_NULL_FATAL(why);
	CU_ASSERT_STRING_EQUAL(why, strerror(ENOENT));
	json_decref(events);
	close(folder);
}

TEST_MAIN("billing_file", TEST(begins), TEST(writes_a_line_for_each_event),
	  TEST(writes_the_same_again), TEST(takes_no_notice_of_what_was_left),
	  TEST(removes_what_killed_processes_left), TEST(takes_no_other_name),
	  TEST(leaves_nothing_of_half_a_file), TEST(says_that_the_folder_is_gone))
