#include "base/standard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "test/unit/test.h"

/* Whether @p holds in a process whose standard files it may spoil. */
static bool holds(bool (*condition)(void))
{
	int status;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(condition() ? EXIT_SUCCESS : EXIT_FAILURE);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool is_null(int fd)
{
	char path[32], target[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       strcmp(target, "/dev/null") == 0;
}

static bool opens_the_closed_alone(void)
{
	if (open("/dev/zero", O_RDONLY) < 0 || dup2(open("/dev/zero", O_RDONLY), 0) < 0)
		return false;
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	return standard_open() && !is_null(STDIN_FILENO) && is_null(STDOUT_FILENO) &&
	       is_null(STDERR_FILENO);
}

static bool opens_all_three(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	return standard_open() && is_null(STDIN_FILENO) && is_null(STDOUT_FILENO) &&
	       is_null(STDERR_FILENO);
}

static void what_is_closed_is_opened(void)
{
	CU_ASSERT_TRUE(holds(opens_the_closed_alone));
	CU_ASSERT_TRUE(holds(opens_all_three));
}

/* CUnit has what is printed held back nowhere. */
static bool prints_into(const char *path)
{
	static char held[BUFSIZ];

	if (dup2(open(path, O_WRONLY), STDOUT_FILENO) != STDOUT_FILENO)
		return false;
	setvbuf(stdout, held, _IOFBF, sizeof(held));
	return puts("one line") != EOF;
}

static bool flushes_where_there_is_room(void)
{
	return prints_into("/dev/null") && standard_flush();
}

static bool fails_where_there_is_none(void)
{
	return prints_into("/dev/full") && !standard_flush();
}

/* There is room again; what is missing does not come back. */
static bool fails_for_what_was_lost_before(void)
{
	return prints_into("/dev/full") && fflush(stdout) != 0 &&
	       prints_into("/dev/null") && !standard_flush();
}

static void what_is_lost_is_told(void)
{
	CU_ASSERT_TRUE(holds(flushes_where_there_is_room));
	CU_ASSERT_TRUE(holds(fails_where_there_is_none));
	CU_ASSERT_TRUE(holds(fails_for_what_was_lost_before));
}

TEST_MAIN("standard", TEST(what_is_closed_is_opened), TEST(what_is_lost_is_told))
