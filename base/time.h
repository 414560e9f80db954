/*
 * What time it is: the wall clock, which may be set and is for people and files, and
 * the monotonic one, for waits. Time as text is that of RFC 3339, in UTC.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdint.h>

/** Write wall-clock @p unix_ms as 2026-11-21T01:02:03.456Z and a NUL. */
void time_format(int64_t unix_ms, char out[25]);
/** Wall clock, milliseconds since 1970. */
int64_t time_now_ms(void);
/** Monotonic milliseconds: for waits and limits, which a change of the wall clock must
 * not touch. What has a loop asks that. */
int64_t time_monotonic_ms(void);
/** The same in microseconds, to measure how long something took. */
int64_t time_monotonic_us(void);

#endif
