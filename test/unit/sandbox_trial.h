/* Processes that enter the sandbox with these rights or those, and what becomes of
 * them. */
#ifndef TEST_UNIT_SANDBOX_TRIAL_H
#define TEST_UNIT_SANDBOX_TRIAL_H

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "test/unit/test.h"

/* In the order of the columns of attempts.h. */
static const struct {
	const char *name;
	unsigned rights;
} profiles[] = {
	{ "none", 0 }, /* keys, zone */
	{ "gateway worker", SANDBOX_ACCEPT | SANDBOX_DIAL_IP },
	{ "landnet", SANDBOX_ACCEPT | SANDBOX_DATABASE },
	{ "courier", SANDBOX_DATABASE | SANDBOX_RESOLVE },
	{ "supervisor", SANDBOX_SUPERVISE },
	{ "files", SANDBOX_DATABASE | SANDBOX_MAKE_FILES },
};
#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* The runtime of the sanitizers contradicts the sandbox: there is none. */
#ifdef PROVBOX_SANITIZED
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif

#define WORKED    0
#define NOT_LEFT  120
#define NOT_BEGUN 121

static int *forbidden; /* shared with the children */
/* Called in a child that may still do everything; NULL: nothing. */
static void (*before)(void);

/* What a call returned, as the exit status of a process: 0, or errno. */
static inline int result(long returned)
{
	return returned < 0 ? errno : WORKED;
}

/* Wait status of a process with these rights that returns what @p act does. */
static inline int status_of(unsigned rights, int (*act)(void))
{
	int status;

	*forbidden = -1;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		sandbox_prepare();
		if (before)
			before();
		_exit(sandbox_enter(rights, forbidden) ? act() : NOT_BEGUN);
	}
	waitpid(pid, &status, 0);
	return status;
}

static inline void makes_shared_memory(void)
{
	forbidden = mmap(NULL, sizeof(*forbidden), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(forbidden, MAP_FAILED);
}

#endif
