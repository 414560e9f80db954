/*
 * Values as one array parameter of a statement: a PostgreSQL array literal of one
 * dimension, made value by value. Knows its syntax, not its types.
 */
#ifndef SMSC_ARRAY_H
#define SMSC_ARRAY_H

#include "base/slice.h"

struct array {
	char *text; /* begins with a brace; NULL: empty */
	size_t n, cap;
};

/** Add a value. @p value is copied; p == NULL is SQL NULL. */
void array_add(struct array *array, struct slice value);
void array_add_number(struct array *array, int64_t value);
/** The whole literal; valid until the array is changed. */
struct slice array_literal(struct array *array);
void array_free(struct array *array);

#endif
