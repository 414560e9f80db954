/*
 * Rows for programs: what --json prints. Knows how PostgreSQL writes the types that the
 * functions of the schema return, in a session that database_open() has made.
 */
#ifndef PROVCTL_ROWS_H
#define PROVCTL_ROWS_H

#include <jansson.h>
#include <libpq-fe.h>

/** One row as an object; its members in the order of the columns. New reference. */
json_t *rows_object(const PGresult *rows, int row);
/**
 * All rows as an array of objects: numbers, booleans and JSON as such, SQL NULL as
 * null, time in RFC 3339, UTC, with milliseconds, everything else as text.
 * @return new reference
 */
json_t *rows_array(const PGresult *rows);

/** Print a value with indentation, and a line feed. @param value  taken */
void rows_print(json_t *value);
/** Print what --json says of a command that has nothing else to say. */
void rows_print_done(void);

#endif
