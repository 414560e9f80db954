/*
 * What a reload says of itself: in the log, on the board for /status, and to systemd.
 */
#ifndef BASE_RELOAD_H
#define BASE_RELOAD_H

#include "base/board.h"

/** It begins: generation @p number is to come. */
void reload_begin(struct board *board, uint64_t number);
/**
 * It is over.
 * @param why  lines, each logged when the configuration is refused; "" when it is done
 */
void reload_end(struct board *board, uint64_t number, enum reload_result result,
		const char *why);

#endif
