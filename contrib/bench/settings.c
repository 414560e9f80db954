#include "contrib/bench/settings.h"

#include <stdio.h>

#define NUMBER_MAX 100000000

static const struct setting {
	const char *name;
	bool is_number;
	size_t offset;
} rows[] = {
#define TEXT(member)                                              \
	{                                                         \
#member, false, offsetof(struct settings, member) \
	}
#define NUMBER(member)                                           \
	{                                                        \
#member, true, offsetof(struct settings, member) \
	}
	TEXT(mode),   TEXT(name),       TEXT(srv),           TEXT(target),
	TEXT(trust),  TEXT(crl),        TEXT(chain),         TEXT(key),
	TEXT(issuer), TEXT(issuer_key), NUMBER(port),        NUMBER(devices),
	NUMBER(warm), NUMBER(count),    NUMBER(connections), NUMBER(rate),
	NUMBER(asks), NUMBER(seconds),  NUMBER(echo),        NUMBER(window),
};

static bool set(struct settings *settings, struct slice name, const char *value)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *member = (char *)settings + rows[i].offset;

		if (!slice_eq(name, slice_of(rows[i].name)))
			continue;
		if (rows[i].is_number)
			return slice_to_u64(slice_of(value), NUMBER_MAX,
					    (uint64_t *)member);
		*(const char **)member = value;
		return true;
	}
	return false;
}

bool settings_parse(struct settings *settings, char **words, int n_words)
{
	for (int i = 0; i < n_words; i++) {
		const char *equals = strchr(words[i], '=');

		if (equals &&
		    set(settings, slice_make(words[i], (size_t)(equals - words[i])),
			equals + 1))
			continue;
		fprintf(stderr,
			"bench: %s is no setting; contrib/bench/settings.h has "
			"all\n",
			words[i]);
		return false;
	}
	return true;
}
