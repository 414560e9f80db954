/*
 * Rows for people: aligned tables and lists of key and value on stdout. Text is printed
 * so that nothing from outside can reach the terminal as a control character.
 */
#ifndef PROVCTL_GRID_H
#define PROVCTL_GRID_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/arena.h"

#define GRID_COLUMNS_MAX 24

/** A table that is printed piece by piece. Begins as zeros. */
struct grid {
	int first; /* columns before this one are not printed */
	bool is_begun;
	int widths[GRID_COLUMNS_MAX];
};

/**
 * Print more rows of a table, and its heading before the first of them. Columns get
 * wider when a cell needs it, never narrower.
 * @param rows  borrowed; at most GRID_COLUMNS_MAX columns, the same ones each time
 */
void grid_print_more(struct grid *grid, struct arena *arena, const PGresult *rows);
/**
 * Print rows as a table: a heading, columns as wide as their widest cell, numbers to
 * the right. NULL is "-", times are UTC.
 */
void grid_print(struct arena *arena, const PGresult *rows);
/** Print one row as lines of key and value. */
void grid_print_record(struct arena *arena, const PGresult *rows, int row);

#endif
