#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/unit/attempts.h"

static void is_strict_unless_it_reads_files(void)
{
	CU_ASSERT_TRUE(sandbox_is_strict(0));
	CU_ASSERT_TRUE(sandbox_is_strict(SANDBOX_ACCEPT | SANDBOX_DIAL_IP));
	CU_ASSERT_FALSE(sandbox_is_strict(SANDBOX_DATABASE));
	CU_ASSERT_FALSE(sandbox_is_strict(SANDBOX_SUPERVISE));
}

static void names_the_call(void)
{
	char name[32];

	sandbox_call_name(SYS_openat, name, sizeof(name));
	CU_ASSERT_STRING_EQUAL(name, "openat");
	sandbox_call_name(99999, name, sizeof(name));
	CU_ASSERT_STRING_EQUAL(name, "call_99999");
}

/* ---- Who may what ---- */

static bool is_as_expected(int status, char expected)
{
	bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	int error = WIFEXITED(status) ? WEXITSTATUS(status) : NOT_LEFT;

	switch (expected) {
	case 'K': return is_killed;
	case 'P': return error == EPERM;
	case 'N': return error == ENOSYS;
	case '+': return error == WORKED;
	default: return error < NOT_LEFT;
	}
}

static void permits_what_a_role_needs_and_nothing_else(void)
{
	if (is_sanitized)
		return;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		for (size_t j = 0; j < N_PROFILES; j++) {
			char expected = attempts[i].expected[j];
			int status = status_of(profiles[j].rights, attempts[i].act);
			bool is_good = is_as_expected(status, expected);

			if (expected == 'K' && attempts[i].number >= 0)
				is_good &= *forbidden == attempts[i].number;
			else if (expected != 'K')
				is_good &= *forbidden == -1;
			CU_ASSERT_TRUE(is_good);
			if (!is_good)
				fprintf(stderr,
					"%s, %s: %c wanted, status %#x, call %d\n",
					attempts[i].name, profiles[j].name, expected,
					(unsigned)status, *forbidden);
		}
}

#ifdef __x86_64__
/* getpid() as 32-bit programs ask for it, and as x32 ones do. */
static int speak_32_bits(void)
{
	long answer;

	__asm__ volatile("int $0x80"
			 : "=a"(answer)
			 : "a"(20L)
			 : "memory", "r8", "r9", "r10", "r11");
	return answer == getpid() ? WORKED : ENOSYS;
}

static int speak_x32(void)
{
	return result(syscall(0x40000000 + SYS_getpid));
}

static void understands_one_dialect(void)
{
	if (is_sanitized)
		return;
	for (size_t j = 0; j < N_PROFILES; j++) {
		int status = status_of(profiles[j].rights, speak_32_bits);
		/* SIGSEGV: the kernel itself does not understand it. */
		CU_ASSERT_TRUE(WIFSIGNALED(status));
		status = status_of(profiles[j].rights, speak_x32);
		CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}
#else
static void understands_one_dialect(void)
{
}
#endif

/* ---- Limits, the root ---- */

/* Rows of limits that were not set to nothing. */
static int count_unlimited(void)
{
	static const int resources[] = { RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NPROC,
					 RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE };
	struct rlimit now;
	int n = 0;

	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++)
		n += getrlimit(resources[i], &now) != 0 || now.rlim_max != 0;
	return n;
}

static void log_to_pipe(void)
{
	int fds[2];

	if (pipe(fds) != 0 || dup2(fds[1], STDOUT_FILENO) < 0 ||
	    dup2(fds[1], STDERR_FILENO) < 0)
		abort();
}

static void log_to_file(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (dup2(fd, STDERR_FILENO) < 0)
		abort();
}

static int write_to_file(void)
{
	return result(write(STDERR_FILENO, "line\n", 5));
}

static void limits_itself(void)
{
	if (is_sanitized)
		return;
	before = log_to_pipe;
	CU_ASSERT_EQUAL(status_of(0, count_unlimited), 0);
	CU_ASSERT_EQUAL(status_of(SANDBOX_ACCEPT | SANDBOX_DATABASE, count_unlimited),
			0);
	/* Threads count as processes. */
	CU_ASSERT_EQUAL(status_of(SANDBOX_DATABASE | SANDBOX_RESOLVE, count_unlimited),
			W_EXITCODE(1, 0));
	before = log_to_file;
	CU_ASSERT_EQUAL(status_of(0, write_to_file), 0);
	before = NULL;
}

static void leave_files(void)
{
	if (!sandbox_leave_files())
		abort();
}

/* 0: nothing is there, and nothing can be put there. */
static int find_files(void)
{
	struct stat st;
	time_t now = time(NULL);
	struct tm tm;

	if (stat("/tmp", &st) == 0 || stat("../../tmp", &st) == 0 ||
	    open("/file", O_CREAT | O_WRONLY, 0600) >= 0 || errno != ENOENT)
		return EEXIST;
	return localtime_r(&now, &tm) ? WORKED : EIO;
}

static void leaves_all_files(void)
{
	if (is_sanitized)
		return;
	if (geteuid() != 0) {
		CU_ASSERT_FALSE(sandbox_leave_files());
		CU_ASSERT_EQUAL(errno, EPERM);
		return;
	}
	before = leave_files;
	CU_ASSERT_EQUAL(status_of(SANDBOX_SUPERVISE, find_files), 0);
	before = NULL;
}

/* As a process is that was started as its own user: to change it is to be hidden. */
static void be_visible_to_its_user(void)
{
	if ((geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) ||
	    prctl(PR_SET_DUMPABLE, 1) != 0)
		abort();
}

/* 0: its memory is root's. */
static int find_owner_of_memory(void)
{
	struct stat st;

	return stat("/proc/self/mem", &st) == 0 && st.st_uid == 0 ? WORKED : EACCES;
}

static void hides_its_memory_from_its_user(void)
{
	if (is_sanitized)
		return;
	before = be_visible_to_its_user;
	CU_ASSERT_EQUAL(status_of(SANDBOX_SUPERVISE, find_owner_of_memory), 0);
	before = NULL;
}

TEST_MAIN("sandbox", TEST(makes_shared_memory), TEST(is_strict_unless_it_reads_files),
	  TEST(names_the_call), TEST(permits_what_a_role_needs_and_nothing_else),
	  TEST(understands_one_dialect), TEST(limits_itself), TEST(leaves_all_files),
	  TEST(hides_its_memory_from_its_user))
