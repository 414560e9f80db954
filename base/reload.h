/*
 * What a reload says of itself: in the log, on the board for /status, and to systemd.
 */
#ifndef BASE_RELOAD_H
#define BASE_RELOAD_H

#include "base/board.h"

/** It begins: generation @p number is to come. */
void reload_begin(struct board *board, uint64_t number);
/**
 * It is over: ev=reloaded, or ERROR ev=reload_failed, which says all of it in one line.
 *
 * @param why  borrowed; a line for each fault, with file and line; "" when it is done.
 *             As many are told as BOARD_WHY_BYTES hold: -t names the rest.
 */
void reload_end(struct board *board, uint64_t number, enum reload_result result,
		const char *why);

#endif
