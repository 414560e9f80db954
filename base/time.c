#include "base/time.h"

#include <string.h>
#include <time.h>

static void put_digits(char *out, int width, int64_t value)
{
	while (width-- > 0) {
		out[width] = (char)('0' + value % 10);
		value /= 10;
	}
}

void time_format(int64_t unix_ms, char out[25])
{
	/* Years 0000 to 9999, all that RFC 3339 can write. */
	const int64_t first_ms = -62167219200000, last_ms = 253402300799999;
	struct tm tm = { .tm_year = 70 };

	unix_ms = unix_ms < first_ms ? first_ms : unix_ms > last_ms ? last_ms : unix_ms;
	int64_t ms = (unix_ms % 1000 + 1000) % 1000;
	time_t seconds = (time_t)((unix_ms - ms) / 1000);
	(void)gmtime_r(&seconds, &tm); /* of such years it knows all */
	memcpy(out, "YYYY-MM-DDThh:mm:ss.mmmZ", 25);
	put_digits(out, 4, tm.tm_year + 1900);
	put_digits(out + 5, 2, tm.tm_mon + 1);
	put_digits(out + 8, 2, tm.tm_mday);
	put_digits(out + 11, 2, tm.tm_hour);
	put_digits(out + 14, 2, tm.tm_min);
	put_digits(out + 17, 2, tm.tm_sec);
	put_digits(out + 20, 3, ms);
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t time_now_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t time_monotonic_ms(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t time_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
