/*
 * Cuts a file of any length into pieces that fit into memory, one at a time: records of
 * CSV, at line ends outside quotes, or the objects of a JSON array, by their brackets.
 * Whether a piece is well made is for who reads it to say.
 */
#ifndef PROVCTL_CUTTER_H
#define PROVCTL_CUTTER_H

#include <stdio.h>

#include "base/slice.h"

#define CUTTER_PIECE_MAX (64 * 1024)

struct cutter {
	FILE *file; /* borrowed */
	bool is_json;
	bool is_ended;
	unsigned int line; /* on which the last piece began, from 1 */
	unsigned int next_line;
	const char *error; /* set when cutter_next() stopped before the end; its place
			      is line */
	size_t n_pieces;
	size_t n; /* of the piece */
	char piece[CUTTER_PIECE_MAX];
};

/**
 * Begin at the front of @p file, borrowed, which can be read from any place. A byte
 * order mark is left out. It is JSON when the first thing in it is a bracket or a
 * brace.
 */
void cutter_open(struct cutter *cutter, FILE *file);
/**
 * Cut the next piece; empty lines between records are skipped.
 *
 * @param piece  set to bytes that live until the next call
 * @return false at the end, or with cutter->error
 */
bool cutter_next(struct cutter *cutter, struct slice *piece);

#endif
