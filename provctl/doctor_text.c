/* What doctor reads from the texts of others. */
#include <stdio.h>
#include <string.h>

#include "provctl/doctor.h"

#define LISTEN_HEX        "0A" /* TCP_LISTEN as the kernel writes it */
#define LOOPBACK_6        "00000000000000000000000001000000"
#define MAPPED_LOOPBACK_6 "0000000000000000FFFF0000"

/* ---- Configurations ---- */

bool doctor_next_value(struct slice *text, const char *key, struct slice *value)
{
	struct slice line, name;

	while (slice_next(text, '\n', &line)) {
		struct slice rest = slice_trim(line);
		if (rest.n == 0 || !memchr(rest.p, '=', rest.n) ||
		    !slice_next(&rest, '=', &name) ||
		    !slice_eq(slice_trim(name), slice_of(key)))
			continue;
		*value = slice_trim(rest);
		if (value->n >= 2 && value->p[0] == '"' &&
		    value->p[value->n - 1] == '"')
			*value = slice_make(value->p + 1, value->n - 2);
		return true;
	}
	return false;
}

/* ---- /proc/net/tcp ---- */

static bool is_loopback(struct slice address)
{
	/* Words of the machine's byte order: 127.0.0.1 is 0100007F on this one. */
	bool is_mapped = slice_starts(address, SLICE(MAPPED_LOOPBACK_6));
	struct slice last =
		is_mapped ? slice_make(address.p + 24, address.n - 24) : address;
	if (slice_eq(address, SLICE(LOOPBACK_6)))
		return true;
	return last.n == 8 && (memcmp(last.p + 6, "7F", 2) == 0);
}

bool doctor_is_exposed(struct slice table, unsigned port)
{
	char wanted[8];
	struct slice line, field, address;

	snprintf(wanted, sizeof(wanted), "%04X", port);
	while (slice_next(&table, '\n', &line)) {
		struct slice rest = slice_trim(line), fields[4];
		size_t n = 0;
		while (n < 4 && slice_next(&rest, ' ', &field))
			if (field.n > 0)
				fields[n++] = field;
		if (n < 4 || !slice_eq(fields[3], SLICE(LISTEN_HEX)))
			continue;
		rest = fields[1];
		if (slice_next(&rest, ':', &address) &&
		    slice_eq(rest, slice_of(wanted)) && !is_loopback(address))
			return true;
	}
	return false;
}
