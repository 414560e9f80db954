/*
 * Values of a configuration: one row per enum config_type that reads its text into a
 * field, writes it back, and has a name. Knows no file and no sections.
 */
#ifndef BASE_CONFIG_VALUE_H
#define BASE_CONFIG_VALUE_H

#include "base/arena.h"
#include "base/config.h"

struct config_reading {
	const struct config_key *key;
	struct arena *arena;   /* strings go there */
	const char *directory; /* absolute; relative paths start here */
	char *why;             /* set on failure */
	size_t why_size;
};

/**
 * Read @p n items (1 but for lists) into @p field.
 * @return false with the reason written
 */
bool config_value_read(const struct config_reading *reading, const struct slice *items,
		       size_t n, void *field);
/** Write a value as it stands in a file. */
void config_value_write(const struct config_key *key, const void *field, FILE *out);
/** Whether it takes any number of items, in a struct config_list. */
bool config_value_is_list(enum config_type type);
/** "NUMBER", "DURATION"... as shown to people. */
const char *config_value_type(enum config_type type);

#endif
