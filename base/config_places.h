/*
 * Where in a configuration file its keys and blocks stand, by the names that messages
 * begin with: `workers`, `route "a:1"`, `route "a:1": care`. For config.c alone.
 */
#ifndef BASE_CONFIG_PLACES_H
#define BASE_CONFIG_PLACES_H

#include "base/slice.h"

struct config_place;
/** Zeroed before the first call. */
struct config_places {
	struct config_place *items;
	size_t n;
};

/** @param name  borrowed until config_places_clear() */
void config_places_add(struct config_places *places, const char *name, unsigned line);
/** The line of the longest name that @p text begins with, up to a colon or a comma; 0:
 * there is none. */
unsigned config_places_find(const struct config_places *places, struct slice text);
void config_places_clear(struct config_places *places);

#endif
