#include "provctl/csv.h"

void csv_open(struct csv *csv, struct slice text)
{
	*csv = (struct csv){ .rest = text, .next_line = 1 };
}

static void skip(struct csv *csv, size_t n)
{
	csv->rest = slice_make(csv->rest.p + n, csv->rest.n - n);
}

static char front(const struct csv *csv)
{
	return csv->rest.n > 0 ? csv->rest.p[0] : '\n';
}

/* Take a line end, CRLF or LF. */
static bool take_line_end(struct csv *csv)
{
	size_t n = slice_starts(csv->rest, SLICE("\r\n")) ? 2
		   : slice_starts(csv->rest, SLICE("\n")) ? 1
							  : 0;
	skip(csv, n);
	csv->next_line += n > 0;
	return n > 0;
}

static const char *take_plain(struct csv *csv, struct arena *arena)
{
	size_t n = 0;
	while (n < csv->rest.n && !memchr(",\r\n\"", csv->rest.p[n], 4))
		n++;
	const char *text = arena_string(arena, slice_make(csv->rest.p, n));
	skip(csv, n);
	return text;
}

/* After the opening quote: up to the closing one; "" stands for a quote. */
static const char *take_quoted(struct csv *csv, struct arena *arena)
{
	char *text = arena_alloc(arena, csv->rest.n + 1);
	size_t n = 0;

	for (; text && csv->rest.n > 0; skip(csv, 1)) {
		char c = csv->rest.p[0];
		if (c == '\0')
			return NULL;
		csv->next_line += c == '\n';
		if (c == '"' && !slice_starts(csv->rest, SLICE("\"\""))) {
			skip(csv, 1);
			return text;
		}
		if (c == '"')
			skip(csv, 1);
		text[n++] = c;
	}
	return NULL;
}

size_t csv_next(struct csv *csv, struct arena *arena,
		const char *fields[CSV_FIELDS_MAX])
{
	size_t n = 0;

	while (take_line_end(csv))
		;
	csv->line = csv->next_line;
	if (csv->rest.n == 0)
		return 0;
	for (;;) {
		bool is_quoted = front(csv) == '"';
		if (n == CSV_FIELDS_MAX) {
			csv->error = "too many fields";
			return 0;
		}
		skip(csv, is_quoted);
		fields[n] =
			is_quoted ? take_quoted(csv, arena) : take_plain(csv, arena);
		if (!fields[n++]) {
			csv->error = "a quote that does not end, or a NUL";
			return 0;
		}
		if (csv->rest.n == 0 || take_line_end(csv))
			return n;
		if (front(csv) != ',') {
			csv->error = "a quote or carriage return inside a field";
			return 0;
		}
		skip(csv, 1);
	}
}
