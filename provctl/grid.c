#include "provctl/grid.h"

#include <stdio.h>

#include "base/log.h"
#include "provctl/paint.h"
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

/* Where a cell stands in its table. */
struct place {
	int width;
	bool is_last, is_right;
};

static struct place place_of(const struct grid *grid, const PGresult *rows, int column)
{
	return (struct place){ grid->widths[column], column == PQnfields(rows) - 1,
			       is_number(PQftype(rows, column)) };
}

/* @p colour has no width. */
static void print_cell(const char *text, struct place place, const char *colour)
{
	int pad = place.width - plain_width(slice_of(text));
	int before = place.is_right ? pad : 0;
	int after = place.is_right || place.is_last ? 0 : pad;

	printf("%*s%s%s%s%*s%s", before, "", colour, text, paint_end(colour), after, "",
	       place.is_last ? "\n" : "  ");
}

static void widen(int *width, const char *text)
{
	if (plain_width(slice_of(text)) > *width)
		*width = plain_width(slice_of(text));
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
		print_cell(PQfname(rows, column), place_of(grid, rows, column),
			   paint_heading());
	grid->is_begun = true;
	for (int row = 0; row < n_rows; row++)
		for (int column = grid->first; column < n; column++) {
			const char *text = cell(arena, rows, row, column);
			print_cell(text, place_of(grid, rows, column),
				   paint_word(text));
		}
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
		if (plain_width(slice_of(PQfname(rows, column))) > width)
			width = plain_width(slice_of(PQfname(rows, column)));
	for (int column = 0; column < PQnfields(rows); column++) {
		const char *text = cell(arena, rows, row, column);
		const char *colour = paint_word(text);
		printf("%-*s  %s%s%s\n", width, PQfname(rows, column), colour, text,
		       paint_end(colour));
	}
}
