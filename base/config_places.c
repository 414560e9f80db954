#include "base/config_places.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct config_place {
	const char *name;
	unsigned line;
};

void config_places_add(struct config_places *places, const char *name, unsigned line)
{
	size_t size = (places->n + 1) * sizeof(*places->items);

	places->items = realloc(places->items, size);
	BUG_ON(!places->items || !name);
	places->items[places->n++] = (struct config_place){ name, line };
}

unsigned config_places_find(const struct config_places *places, struct slice text)
{
	size_t longest = 0;
	unsigned line = 0;

	for (size_t i = 0; i < places->n; i++) {
		struct slice name = slice_of(places->items[i].name);

		if (name.n <= longest || name.n >= text.n ||
		    !slice_starts(text, name) || !strchr(":,", text.p[name.n]))
			continue;
		longest = name.n;
		line = places->items[i].line;
	}
	return line;
}

void config_places_clear(struct config_places *places)
{
	free(places->items);
	*places = (struct config_places){ 0 };
}
