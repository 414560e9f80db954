#include "provctl/file.h"

#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct directory directory;
static struct arena *arena;

static void begin(void)
{
	directory_open(&directory);
	arena = arena_new(4U << 20);
	complaints_clear();
}

static void end(void)
{
	arena_free(arena);
	directory_close(&directory);
}

/* ---- Names of files beside others ---- */

static bool is_beside(const char *path, const char *name, const char *expected)
{
	const char *found = file_beside(arena, path, name);

	return found && strcmp(found, expected) == 0;
}

static void finds_what_is_beside(void)
{
	begin();
	CU_ASSERT_TRUE(is_beside("manifest.json", "big", "big"));
	CU_ASSERT_TRUE(is_beside("a/b/manifest.json", "big", "a/b/big"));
	CU_ASSERT_TRUE(is_beside("/manifest.json", "c/big", "/c/big"));
	/* Not every dot leads upwards. */
	CU_ASSERT_TRUE(is_beside("a/m", ".hidden", "a/.hidden"));
	CU_ASSERT_TRUE(is_beside("a/m", "..b/c..", "a/..b/c.."));
	CU_ASSERT_TRUE(is_beside("a/m", "...", "a/..."));
	end();
}

static void finds_nothing_elsewhere(void)
{
	static const char *const names[] = { "",     "/etc/passwd", "..",  "../b",
					     "b/..", "b/../../c",   "./.." };

	begin();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CU_ASSERT_PTR_NULL(file_beside(arena, "a/manifest.json", names[i]));
	end();
}

/* ---- What is in them ---- */

static void reads_a_file(void)
{
	struct slice text = SLICE("not read");

	begin();
	CU_ASSERT_TRUE(file_read(arena, directory_write(&directory, "a", "text", 0600),
				 &text));
	CU_ASSERT_TRUE(slice_eq(text, SLICE("text")));
	CU_ASSERT_EQUAL(text.p[text.n], '\0');
	CU_ASSERT_TRUE(
		file_read(arena, directory_write(&directory, "b", "", 0600), &text));
	CU_ASSERT_EQUAL(text.n, 0);
	CU_ASSERT_STRING_EQUAL(complaints, "");
	end();
}

static void says_why_it_cannot(void)
{
	struct slice text;

	begin();
	CU_ASSERT_FALSE(file_read(arena, directory_file(&directory, "absent"), &text));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "/absent: No such file"));
	complaints_clear();
	CU_ASSERT_FALSE(file_read(arena, directory.path, &text));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, ": is no regular file"));
	end();
}

/* Have @p text be what stdin says, and read it. */
static bool read_stdin_of(const char *text, struct slice *out)
{
	directory_write(&directory, "stdin", text, 0600);
	CU_ASSERT_PTR_NOT_NULL_FATAL(freopen(directory.file, "r", stdin));
	return file_read(arena, "-", out);
}

static void reads_stdin_to_its_end(void)
{
	/* About the first buffer, and past its doubling. */
	static const size_t sizes[] = { 0,     1,      65534,  65535,
					65536, 131071, 131072, 300000 };
	static char text[300001];
	struct slice got;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin();
		for (size_t at = 0; at < sizes[i]; at++)
			text[at] = (char)('a' + at % 25);
		text[sizes[i]] = '\0';
		CU_ASSERT_TRUE_FATAL(read_stdin_of(text, &got));
		CU_ASSERT_TRUE(slice_eq(got, slice_of(text)));
		CU_ASSERT_EQUAL(got.p[got.n], '\0');
		end();
	}
}

static void reads_no_more_than_the_arena_holds(void)
{
	static char text[300001];
	struct slice got;

	begin();
	arena_free(arena);
	arena = arena_new(256U << 10);
	memset(text, 'a', sizeof(text) - 1);
	CU_ASSERT_FALSE(read_stdin_of(text, &got));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "is too large"));
	complaints_clear();
	CU_ASSERT_FALSE(file_read(arena, directory.file, &got));
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "is too large"));
	end();
}

TEST_MAIN("provctl_file", TEST(finds_what_is_beside), TEST(finds_nothing_elsewhere),
	  TEST(reads_a_file), TEST(says_why_it_cannot), TEST(reads_stdin_to_its_end),
	  TEST(reads_no_more_than_the_arena_holds))
