#include "base/process.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "test/unit/test.h"

static void waits_longer_for_what_dies_quickly(void)
{
	static const int64_t expected_ms[] = { 0,    100,  200,  400, 800,
					       1600, 3200, 5000, 5000 };
	struct process process = { .quick_deaths = 0 };

	for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++)
		CU_ASSERT_EQUAL(process_backoff_ms(&process, 4999), expected_ms[i]);
	CU_ASSERT_EQUAL(process.quick_deaths, 9);
	/* It has lived: as if it had never died before. */
	CU_ASSERT_EQUAL(process_backoff_ms(&process, 5000), 0);
	CU_ASSERT_EQUAL(process.quick_deaths, 1);
	CU_ASSERT_EQUAL(process_backoff_ms(&process, 0), 100);
	for (int i = 0; i < 1000; i++)
		CU_ASSERT_TRUE(process_backoff_ms(&process, 0) <= 5000);
}

static int status_of_child(int exit_code, int signum)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (signum)
			raise(signum);
		_exit(exit_code);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void tells_how_a_process_ended(void)
{
	char text[32];

	process_status_text(status_of_child(78, 0), text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "78");
	process_status_text(status_of_child(0, SIGKILL), text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "SIGKILL");
	process_status_text(status_of_child(0, SIGRTMIN + 3), text, sizeof(text));
	CU_ASSERT_PTR_EQUAL(strstr(text, "signal_"), text);
}

static void looks_up_the_user_to_become(void)
{
	struct process_user user;

	if (geteuid() != 0) {
		/* Nobody can become another: the name is not even looked up. */
		CU_ASSERT_TRUE(process_user_find("nosuchuser", &user));
		CU_ASSERT_FALSE(user.is_switched);
		return;
	}
	CU_ASSERT_FALSE(process_user_find("nosuchuser", &user));
	CU_ASSERT_TRUE(process_user_find("nobody", &user));
	CU_ASSERT_TRUE(user.is_switched);
	CU_ASSERT_STRING_EQUAL(user.name, "nobody");
	CU_ASSERT_NOT_EQUAL(user.uid, 0);
	CU_ASSERT_NOT_EQUAL(user.gid, 0);
	CU_ASSERT_TRUE(process_user_find("root", &user));
	CU_ASSERT_FALSE(user.is_switched);
}

TEST_MAIN("process", TEST(waits_longer_for_what_dies_quickly),
	  TEST(tells_how_a_process_ended), TEST(looks_up_the_user_to_become))
