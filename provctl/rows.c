#include "provctl/rows.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provctl/pg_type.h"

#define SECONDS_CHARS 19 /* 2026-11-21 01:02:03 */

/*
 * 2026-11-21 01:02:03.45+00, where zeros at the end of the fraction are left out, as
 * 2026-11-21T01:02:03.450Z. What is no such time (infinity) stays as it is.
 */
static json_t *time_value(const char *raw)
{
	char text[sizeof("2026-11-21T01:02:03.450Z")], fraction[] = "000";

	if (strlen(raw) < SECONDS_CHARS || raw[10] != ' ')
		return json_string(raw);
	const char *digits = raw + SECONDS_CHARS + 1;
	for (size_t i = 0;
	     digits[-1] == '.' && i < 3 && isdigit((unsigned char)digits[i]); i++)
		fraction[i] = digits[i];
	snprintf(text, sizeof(text), "%.10sT%.8s.%sZ", raw, raw + 11, fraction);
	return json_string(text);
}

/* One element of {a,"b \"c\"",NULL}; moves @p s behind it. */
static json_t *array_element(const char **s, char *room)
{
	bool is_quoted = **s == '"';
	char *to = room;

	for (*s += is_quoted; **s && !strchr(is_quoted ? "\"" : ",}", **s); (*s)++) {
		if (**s == '\\' && (*s)[1])
			(*s)++;
		*to++ = **s;
	}
	*to = '\0';
	if (is_quoted && **s)
		(*s)++;
	return !is_quoted && strcmp(room, "NULL") == 0 ? json_null()
						       : json_string(room);
}

static json_t *array_value(const char *raw)
{
	json_t *array = json_array();
	char *room = malloc(strlen(raw) + 1);

	for (const char *s = raw + 1; room && *raw == '{' && *s && *s != '}';) {
		json_array_append_new(array, array_element(&s, room));
		s += *s == ',';
	}
	free(room);
	return array;
}

static json_t *cell_value(const PGresult *rows, int row, int column)
{
	const char *raw = PQgetvalue(rows, row, column);

	if (PQgetisnull(rows, row, column))
		return json_null();
	switch (PQftype(rows, column)) {
	case PG_BOOL: return json_boolean(*raw == 't');
	case PG_INT4:
	case PG_INT8:
	case PG_FLOAT8:
	case PG_JSONB: return json_loads(raw, JSON_DECODE_ANY, NULL);
	case PG_TEXT_ARRAY: return array_value(raw);
	case PG_TIMESTAMPTZ: return time_value(raw);
	default: return json_string(raw);
	}
}

json_t *rows_object(const PGresult *rows, int row)
{
	json_t *object = json_object();

	for (int column = 0; column < PQnfields(rows); column++)
		json_object_set_new(object, PQfname(rows, column),
				    cell_value(rows, row, column));
	return object;
}

json_t *rows_array(const PGresult *rows)
{
	json_t *array = json_array();

	for (int row = 0; row < PQntuples(rows); row++)
		json_array_append_new(array, rows_object(rows, row));
	return array;
}

void rows_print(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}

void rows_print_done(void)
{
	rows_print(json_pack("{sb}", "done", 1));
}
