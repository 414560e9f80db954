/*
 * What a process shows of itself to the watchdog (watchdog.h): a number that grows as
 * long as it goes on. Knows neither who reads it nor why.
 */
#ifndef BASE_BEAT_H
#define BASE_BEAT_H

#include <stdint.h>

/**
 * Count in @p counter from now on.
 * @param counter      borrowed for ever; 0 means that nobody counts
 * @param interval_ms  how often at least; 0: never
 */
void beat_open(uint32_t *counter, int64_t interval_ms);
/**
 * We go on: count it.
 * @return after how many milliseconds to call this again at the latest; -1: never
 */
int64_t beat(void);

#endif
