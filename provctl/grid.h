/*
 * Rows for people: aligned tables and lists of key and value on stdout. Text is printed
 * so that nothing from outside can reach the terminal as a control character.
 */
#ifndef PROVCTL_GRID_H
#define PROVCTL_GRID_H

#include <libpq-fe.h>

#include "base/arena.h"

/**
 * Print rows as a table: a heading, columns as wide as their widest cell, numbers to
 * the right. NULL is "-", times are UTC.
 */
void grid_print(struct arena *arena, const PGresult *rows);
/** Print one row as lines of key and value. */
void grid_print_record(struct arena *arena, const PGresult *rows, int row);

#endif
