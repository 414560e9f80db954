#include "smsc/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define FIRST_CAP    256
#define NUMBER_CHARS 24

/* Room for so many bytes more, and the brace at the end. */
static void reserve(struct array *array, size_t n)
{
	if (array->n + n < array->cap)
		return;
	while (array->n + n >= array->cap)
		array->cap = array->cap ? 2 * array->cap : FIRST_CAP;
	array->text = realloc(array->text, array->cap);
	BUG_ON(!array->text);
}

static void put(struct array *array, char c)
{
	array->text[array->n++] = c;
}

/* In quotes, in which quotes and backslashes have a backslash before them. */
static void put_quoted(struct array *array, struct slice value)
{
	put(array, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			put(array, '\\');
		put(array, value.p[i]);
	}
	put(array, '"');
}

void array_add(struct array *array, struct slice value)
{
	reserve(array, 2 * value.n + sizeof(",NULL"));
	put(array, array->n == 0 ? '{' : ',');
	if (value.p) {
		put_quoted(array, value);
		return;
	}
	memcpy(array->text + array->n, "NULL", 4);
	array->n += 4;
}

void array_add_number(struct array *array, int64_t value)
{
	char text[NUMBER_CHARS];
	snprintf(text, sizeof(text), "%" PRId64, value);
	array_add(array, slice_of(text));
}

struct slice array_literal(struct array *array)
{
	if (array->n == 0)
		return SLICE("{}");
	array->text[array->n] = '}';
	return slice_make(array->text, array->n + 1);
}

void array_free(struct array *array)
{
	free(array->text);
	*array = (struct array){ 0 };
}
