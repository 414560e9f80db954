#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sandbox_filter.h"

/* The leak sanitizer traces the process it is in, and reports go to files. */
#ifdef PROVBOX_SANITIZED
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

bool sandbox_is_strict(unsigned rights)
{
	return !(rights & (SANDBOX_FILES | SANDBOX_SUPERVISE));
}

/* ---- What libraries would do later ---- */

void sandbox_prepare(void)
{
	unsigned char byte;

	/* Without TZ the C library looks at /etc/localtime again and again. */
	setenv("TZ", ":/etc/localtime", 0);
	tzset();
	BUG_ON(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS |
					OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
				NULL) != 1);
	/* Two generators, each seeded at its first use. */
	BUG_ON(RAND_bytes(&byte, 1) != 1 || RAND_priv_bytes(&byte, 1) != 1);
	json_object_seed(0);
	(void)getpwuid(geteuid()); /* libpq asks who we are; may load a module */
}

/* ---- The root ---- */

/* Nothing can ever be put into a directory that is removed. Whoever is killed in
 * between leaves an empty one that only root may enter. */
static int open_removed(void)
{
	static const char *const places[] = { "/run/provbox-XXXXXX",
					      "/tmp/provbox-XXXXXX" };
	char path[32];
	int fd = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && fd < 0; i++) {
		snprintf(path, sizeof(path), "%s", places[i]);
		if (!mkdtemp(path))
			continue;
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		rmdir(path);
	}
	return fd;
}

bool sandbox_leave_files(void)
{
	if (IS_SANITIZED)
		return true;
	int fd = open_removed();
	if (fd < 0)
		return false;
	bool is_left = fchdir(fd) == 0 && chroot(".") == 0;
	int error = errno;
	close(fd);
	errno = error;
	return is_left;
}

/* ---- The limits ---- */

static bool limit(unsigned rights)
{
	const struct rlimit none = { 0, 0 };
	struct stat st;
	/* The log may be a file; a write beyond this limit would end us. */
	bool may_grow = (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode)) ||
			(fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode));
	const struct {
		int resource;
		bool is_limited;
	} table[] = {
		{ RLIMIT_CORE, true },
		{ RLIMIT_FSIZE,
		  !may_grow && !(rights & (SANDBOX_MAKE_FILES | SANDBOX_SUPERVISE)) },
		{ RLIMIT_NPROC, !(rights & (SANDBOX_RESOLVE | SANDBOX_SUPERVISE)) },
		{ RLIMIT_MEMLOCK, !(rights & SANDBOX_SUPERVISE) },
		{ RLIMIT_MSGQUEUE, !(rights & SANDBOX_SUPERVISE) },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].is_limited && setrlimit(table[i].resource, &none) != 0)
			return false;
	return true;
}

/* ---- The door ---- */

bool sandbox_enter(unsigned rights, int *forbidden)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	return IS_SANITIZED || (limit(rights) && prctl(PR_SET_DUMPABLE, 0) == 0 &&
				sandbox_filter(rights, forbidden));
}
