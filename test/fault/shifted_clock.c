/*
 * Preloaded into a program under test: its wall clock is wrong by what a file says that
 * the test shares with it (test/flow/harness/clock.py), from one moment to the next.
 * The clocks that only go forward are the system's.
 *
 * libfaketime does this, too, but opens a file to learn of a jump, which processes in a
 * sandbox cannot.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t *shift_s;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("SHIFTED_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *shared = mmap(NULL, sizeof(*shift_s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED)
		shift_s = shared;
}

static time_t shift(void)
{
	return shift_s ? __atomic_load_n(shift_s, __ATOMIC_ACQUIRE) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += shift();
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int result = (int)syscall(SYS_gettimeofday, now, zone);

	if (result == 0)
		now->tv_sec += shift();
	return result;
}

time_t time(time_t *now)
{
	struct timespec spec;

	clock_gettime(CLOCK_REALTIME, &spec);
	if (now)
		*now = spec.tv_sec;
	return spec.tv_sec;
}
