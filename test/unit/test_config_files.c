/* Which files a configuration may be, and may name. */
#include "base/config.h"

#include "base/secret.h"
#include "test/unit/config_sample.h"

static void refuses_secrets_that_others_can_read(void)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0601, 0666 };
	const char *text = "file = plain key = secret";

	directory_write(&directory, "plain", "x", 0644);
	snprintf(path, sizeof(path), "%s",
		 directory_write(&directory, "test.conf", text, 0644));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		directory_write(&directory, "secret", "x", bad[i]);
		CU_ASSERT_PTR_NULL(config_of_file(&spec, path));
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, "test.conf:1: `key` "));
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, "others may read or write it"));
	}
	directory_write(&directory, "secret", "-----BEGIN CERTIFICATE-----", 0644);
	CU_ASSERT_PTR_NULL(config_of_file(&spec, path));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "are key and certificate swapped?"));
	unlink(directory_write(&directory, "secret", "", 0600));
	directory_write(&directory, "secret", "x", 0400);
	struct config *config = config_of_file(&spec, path);
	CU_ASSERT_PTR_NOT_NULL(config);
	config_free(config);
}

/* As some editors leave it. */
static void takes_a_byte_order_mark_and_line_ends_of_others(void)
{
	const char *text = "\xef\xbb\xbf# front\r\nfile = plain\r\nkey = secret\r\n";

	directory_write(&directory, "plain", "x", 0644);
	directory_write(&directory, "secret", "x", 0600);
	struct config *config = config_of_file(
		&spec, directory_write(&directory, "test.conf", text, 0644));
	CU_ASSERT_PTR_NOT_NULL(config);
	config_free(config);
}

static bool are_files_kept(void)
{
	struct config *config = config_of_file(&spec, path);
	size_t size;

	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	free(errors);
	FILE *out = open_memstream(&errors, &size);
	bool are_kept = config_keep_files(config, out);
	fclose(out);
	config_free(config);
	return are_kept;
}

/* For root, who could read them all. */
static void refuses_secrets_of_somebody_else(void)
{
	enum {
		SOMEBODY = 65533,
		ANOTHER
	};

	if (geteuid() != 0)
		return;
	CU_ASSERT_EQUAL(
		chown(directory_write(&directory, "secret", "x", 0600), SOMEBODY, 0),
		0);
	CU_ASSERT_FALSE(are_files_kept());
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "key: "));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(errors, "belongs to another user (uid 65533); chown"));
	secret_trust(ANOTHER);
	CU_ASSERT_FALSE(are_files_kept());
	secret_trust(SOMEBODY);
	CU_ASSERT_TRUE(are_files_kept());
	secret_trust((uid_t)-1);
	CU_ASSERT_FALSE(are_files_kept());
	unlink(directory_write(&directory, "secret", "x", 0600));
}

static void refuses_what_is_no_file(void)
{
	CU_ASSERT_PTR_NULL(config_of_file(&spec, directory.path));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "is no regular file"));
	CU_ASSERT_PTR_NULL(config_of_file(&spec, "/nonexistent/test.conf"));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "/nonexistent/test.conf: No such file"));
	snprintf(path, sizeof(path), "%s", directory_file(&directory, "fifo"));
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_PTR_NULL(config_of_file(&spec, path)); /* and does not hang */
	expect_error("maybe = fifo", 2, "fifo is no regular file");
	snprintf(path, sizeof(path), "%s", directory_file(&directory, "fifo"));
	unlink(path);
}

TEST_MAIN("config_files", TEST(makes_its_directory),
	  TEST(refuses_secrets_that_others_can_read),
	  TEST(takes_a_byte_order_mark_and_line_ends_of_others),
	  TEST(refuses_secrets_of_somebody_else), TEST(refuses_what_is_no_file),
	  TEST(leaves_nothing_behind))
