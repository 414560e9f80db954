/*
 * Comma-separated values (RFC 4180): records of fields, quoted where they hold a comma,
 * a quote or a line end. Reads one record at a time from text in memory.
 */
#ifndef PROVCTL_CSV_H
#define PROVCTL_CSV_H

#include "base/arena.h"

#define CSV_FIELDS_MAX 32

struct csv {
	struct slice rest;
	unsigned int line; /* on which the last record began, from 1 */
	unsigned int next_line;
	const char *error; /* set when csv_next() stopped before the end */
};

/** Begin with @p text, borrowed. */
void csv_open(struct csv *csv, struct slice text);
/**
 * Read the next record; empty lines are skipped.
 *
 * @param fields  set to texts in @p arena, CSV_FIELDS_MAX at most
 * @return number of fields, 0 at the end or with csv->error
 */
size_t csv_next(struct csv *csv, struct arena *arena,
		const char *fields[CSV_FIELDS_MAX]);

#endif
