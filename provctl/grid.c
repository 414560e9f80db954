#include "provctl/grid.h"

#include <stdio.h>

#include "base/log.h"
#include "provctl/pg_type.h"
#include "provctl/plain.h"

static bool is_number(Oid type)
{
	return type == PG_INT8 || type == PG_INT4 || type == PG_FLOAT8;
}

/* {a,"b c"} as a, b c */
static void open_array(char *s)
{
	char *to = s;
	for (; *s; s++)
		if (!strchr("{}\"", *s))
			*to++ = *s == ',' ? ' ' : *s;
	*to = '\0';
}

/* What stands in a cell. */
static const char *cell(struct arena *arena, const PGresult *rows, int row, int column)
{
	const char *raw = PQgetvalue(rows, row, column);
	Oid type = PQftype(rows, column);

	if (PQgetisnull(rows, row, column) || (type == PG_JSONB && !strcmp(raw, "{}")))
		return "-";
	if (type == PG_BOOL)
		return *raw == 't' ? "yes" : "no";
	char *text = arena_string(arena, slice_of(raw));
	if (!text)
		return "(too long)";
	plain(text);
	/* 2026-11-21 01:02:03.456789+00: to the millisecond; the zone is UTC anyway. */
	if (type == PG_TIMESTAMPTZ)
		text[strcspn(text, "+")] = '\0';
	if (type == PG_TIMESTAMPTZ && strlen(text) > 23)
		text[23] = '\0';
	if (type == PG_TEXT_ARRAY)
		open_array(text);
	return *text ? text : "-";
}

/* Characters of UTF-8 text, taken as one column each. */
static int width_of(const char *s)
{
	int width = 0;
	for (; *s; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}

static void print_cell(const char *text, int width, bool is_last, bool is_right)
{
	int pad = width - width_of(text);
	if (is_right)
		printf("%*s%s", pad, "", text);
	else if (is_last)
		printf("%s", text);
	else
		printf("%s%*s", text, pad, "");
	fputs(is_last ? "\n" : "  ", stdout);
}

static void widen(int *width, const char *text)
{
	if (width_of(text) > *width)
		*width = width_of(text);
}

void grid_print_more(struct grid *grid, struct arena *arena, const PGresult *rows)
{
	int n_rows = PQntuples(rows), n = PQnfields(rows), *widths = grid->widths;

	BUG_ON(n > GRID_COLUMNS_MAX);
	if (n_rows == 0)
		return;
	for (int column = grid->first; column < n; column++) {
		widen(&widths[column], PQfname(rows, column));
		for (int row = 0; row < n_rows; row++)
			widen(&widths[column], cell(arena, rows, row, column));
	}
	for (int column = grid->first; column < n && !grid->is_begun; column++)
		print_cell(PQfname(rows, column), widths[column], column == n - 1,
			   is_number(PQftype(rows, column)));
	grid->is_begun = true;
	for (int row = 0; row < n_rows; row++)
		for (int column = grid->first; column < n; column++)
			print_cell(cell(arena, rows, row, column), widths[column],
				   column == n - 1, is_number(PQftype(rows, column)));
}

void grid_print(struct arena *arena, const PGresult *rows)
{
	struct grid grid = { .first = 0 };

	grid_print_more(&grid, arena, rows);
	if (PQntuples(rows) == 0)
		puts("(none)");
}

void grid_print_record(struct arena *arena, const PGresult *rows, int row)
{
	int width = 0;
	for (int column = 0; column < PQnfields(rows); column++)
		if (width_of(PQfname(rows, column)) > width)
			width = width_of(PQfname(rows, column));
	for (int column = 0; column < PQnfields(rows); column++)
		printf("%-*s  %s\n", width, PQfname(rows, column),
		       cell(arena, rows, row, column));
}
