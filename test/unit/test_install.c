#include "test/unit/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/log.h"
#include "contrib/handset/install.h"

/*
 * The linker sends the storage calls of the module here (--wrap): a process can be made
 * to die by SIGKILL just before its nth call, whichever that is.
 */
static int calls, die_at;

static void count(void)
{
	if (++calls == die_at)
		raise(SIGKILL);
}

#define WRAP(type, name, parameters, arguments) \
	type __real_##name parameters;          \
	type __wrap_##name parameters;          \
	type __wrap_##name parameters           \
	{                                       \
		count();                        \
		return __real_##name arguments; \
	}
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, symlink, (const char *from, const char *to), (from, to))
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, fsync, (int fd), (fd))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))

#define DOWNLOAD "downloads/x"
#define ID       "callscreen"

static char directory[] = "/tmp/test_install.XXXXXX";

/* The storage is made once; each test begins with nothing in force. */
static void start(void)
{
	char why[256];

	if (strstr(directory, "XXXXXX")) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
		CU_ASSERT_FATAL(storage_open(directory, why, sizeof(why)));
	}
	storage_remove("features/" ID "/current");
}

static const char *content_of(const char *version)
{
	return strcmp(version, "1.0") == 0
		       ? "#!/bin/sh\necho one 1.0\n"
		       : "#!/bin/sh\necho two 2.0, which is longer\n";
}

static struct install_item item_of(const char *version)
{
	struct install_item item = { .id = ID, .kind = INSTALL_MODULE };

	snprintf(item.version, sizeof(item.version), "%s", version);
	sha256(slice_of(content_of(version)), item.sha256);
	return item;
}

static const char *install(const char *version)
{
	struct install_item item = item_of(version);
	const char *reason;

	if (!storage_write(DOWNLOAD, slice_of(content_of(version)), 0600))
		return "download";
	reason = install_stage(&item, DOWNLOAD);
	return reason ? reason : install_commit(&item);
}

static const char *version_in_force(void)
{
	static struct install_item item;

	return install_current(ID, &item) ? item.version : "none";
}

static int entries(void)
{
	struct dirent **list;
	int n = scandir("features/" ID, &list, NULL, alphasort);

	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	return n - 2; /* . and .. */
}

static void installs_and_replaces(void)
{
	char path[STORAGE_PATH_BYTES];
	struct install_item item = item_of("2.0");

	start();
	CU_ASSERT_STRING_EQUAL(version_in_force(), "none");
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
	CU_ASSERT_PTR_NULL(install("2.0"));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "2.0");
	CU_ASSERT_EQUAL(entries(), 2); /* current and what it names */
	CU_ASSERT(install_current_path(&item, path));
	CU_ASSERT_EQUAL(access(path, X_OK), 0);
}

static void keeps_the_old_one_while_the_new_one_is_staged(void)
{
	struct install_item item = item_of("2.0");
	char path[STORAGE_PATH_BYTES];

	start();
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT(storage_write(DOWNLOAD, slice_of(content_of("2.0")), 0600));
	CU_ASSERT_PTR_NULL(install_stage(&item, DOWNLOAD));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
	CU_ASSERT(install_staged_path(&item, path));
	CU_ASSERT_EQUAL(access(path, X_OK), 0);
	install_discard(&item);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
	CU_ASSERT_EQUAL(entries(), 2);
}

static void never_discards_what_is_in_force(void)
{
	struct install_item item = item_of("1.0");

	start();
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT_PTR_NULL(install("1.0"));
	install_discard(&item);
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
}

static void refuses_another_digest(void)
{
	struct install_item item = item_of("2.0");

	start();
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT(storage_write(DOWNLOAD, SLICE("something else"), 0600));
	CU_ASSERT_STRING_EQUAL(install_stage(&item, DOWNLOAD), "digest_mismatch");
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
	CU_ASSERT_EQUAL(entries(), 2);
}

static void sees_damage(void)
{
	struct install_item item = item_of("1.0");
	char path[STORAGE_PATH_BYTES];

	start();
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT(install_current_path(&item, path));
	CU_ASSERT(storage_write(path, SLICE("damaged"), 0700));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "none");
	/* Installing it anew mends it. */
	CU_ASSERT_PTR_NULL(install("1.0"));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "1.0");
}

/* Versions are free text of the server. */
static void keeps_versions_inside_their_folder(void)
{
	struct install_item item = item_of("1.0");
	char path[STORAGE_PATH_BYTES];

	start();
	snprintf(item.version, sizeof(item.version), "../../../etc/x y");
	CU_ASSERT(storage_write(DOWNLOAD, slice_of(content_of("1.0")), 0600));
	CU_ASSERT_PTR_NULL(install_stage(&item, DOWNLOAD));
	CU_ASSERT(install_staged_path(&item, path));
	CU_ASSERT_EQUAL(strncmp(path, "features/" ID "/_", strlen("features/" ID "/_")),
			0);
	CU_ASSERT_STRING_EQUAL(strchr(path + strlen("features/" ID "/"), '/'),
			       "/program");
	CU_ASSERT_PTR_NULL(install_commit(&item));
	CU_ASSERT_STRING_EQUAL(version_in_force(), "../../../etc/x y");
	CU_ASSERT_FALSE(install_id_is_valid(SLICE("../x")));
	CU_ASSERT_FALSE(install_id_is_valid(SLICE(".x")));
	CU_ASSERT_FALSE(install_id_is_valid(SLICE("a/b")));
	CU_ASSERT_FALSE(install_id_is_valid(SLICE("")));
	CU_ASSERT(install_id_is_valid(SLICE("call-screen.2")));
}

/* Installs 2.0 over 1.0 in a process that dies before its nth storage call. */
static bool is_killed_at(int n)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		die_at = n;
		calls = 0;
		_exit(install("2.0") != NULL);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void is_old_or_new_wherever_it_is_killed(void)
{
	int old = 0, new = 0, n = 1;
	bool was_killed = true;

	for (; was_killed; n++) {
		start();
		CU_ASSERT_PTR_NULL(install("1.0"));
		was_killed = is_killed_at(n);
		/* At every moment, before anything is cleaned up. */
		CU_ASSERT(strcmp(version_in_force(), "1.0") == 0 ||
			  strcmp(version_in_force(), "2.0") == 0);
		install_recover();
		old += strcmp(version_in_force(), "1.0") == 0;
		new += strcmp(version_in_force(), "2.0") == 0;
		CU_ASSERT_EQUAL(entries(), 2);
		/* It can be done again at once. */
		CU_ASSERT_PTR_NULL(install("2.0"));
		CU_ASSERT_STRING_EQUAL(version_in_force(), "2.0");
	}
	CU_ASSERT_EQUAL(old + new, n - 1);
	CU_ASSERT(old >= 10); /* it was killed in many places before the change */
	CU_ASSERT(new >= 3);  /* and after it */
}

static void leaves_nothing_behind(void)
{
	static const char *const folders[] = { "features/" ID, "features", "downloads",
					       "messages", "resident" };
	struct install_item item = item_of("2.0");

	storage_remove("features/" ID "/current");
	install_discard(&item);
	install_recover();
	storage_remove(DOWNLOAD);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		CU_ASSERT_EQUAL(rmdir(folders[i]), 0);
	unlink("lock");
	CU_ASSERT_EQUAL(rmdir(directory), 0);
}

TEST_MAIN("install", TEST(installs_and_replaces),
	  TEST(keeps_the_old_one_while_the_new_one_is_staged),
	  TEST(never_discards_what_is_in_force), TEST(refuses_another_digest),
	  TEST(sees_damage), TEST(keeps_versions_inside_their_folder),
	  TEST(is_old_or_new_wherever_it_is_killed), TEST(leaves_nothing_behind))
