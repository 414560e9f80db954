#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool standard_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", O_RDWR) != fd)
			return false;
	return true;
}

bool standard_flush(void)
{
	/* The reason of an earlier failure is gone; it was mostly this one. */
	errno = EIO;
	return fflush(stdout) == 0 && !ferror(stdout);
}
