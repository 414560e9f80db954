#include "contrib/handset/view.h"

#include <stdarg.h>

#include "base/utf8.h"

#define TEXT_BYTES    1024
#define INDENT        "  "
#define NOTHING_THERE -1

void view_begin(struct view *view, const char *title)
{
	view->title = title;
	view->soft1 = NULL;
	view->soft2 = NULL;
	view->n = 0;
	view->choices = 0;
}

static void add_line(struct view *view, struct slice text, const char *indent,
		     int choice)
{
	struct view_line *line;

	if (view->n == VIEW_LINES)
		return;
	line = &view->lines[view->n++];
	line->choice = choice;
	snprintf(line->text, sizeof(line->text), "%s%.*s", indent, (int)text.n, text.p);
	for (char *p = line->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '.';
	/* C1 controls are two bytes of UTF-8: C2 80 to C2 9F. */
	for (char *p = line->text; *p; p++)
		if ((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] >= 0x80 &&
		    (unsigned char)p[1] < 0xa0)
			p[0] = p[1] = '.';
}

/* As much of a paragraph as fits into a row, up to a space where there is one. */
static struct slice take_row(struct slice *rest, size_t columns)
{
	struct slice after = *rest, row = utf8_take(&after, columns);
	const char *space = after.n > 0 ? memrchr(row.p, ' ', row.n) : NULL;

	if (after.n > 0 && after.p[0] == ' ') {
		*rest = slice_make(after.p + 1, after.n - 1);
	} else if (space && space > row.p) {
		*rest = slice_make(space + 1, rest->n - (size_t)(space + 1 - rest->p));
		row.n = (size_t)(space - row.p);
	} else {
		*rest = after;
	}
	return row;
}

static void add_paragraph(struct view *view, struct slice text, const char *indent,
			  int choice)
{
	do {
		add_line(view, take_row(&text, VIEW_COLUMNS - strlen(indent)), indent,
			 choice);
		choice = NOTHING_THERE;
	} while (text.n > 0);
}

void view_add(struct view *view, const char *text)
{
	struct slice rest = slice_of(text), paragraph;

	while (slice_next(&rest, '\n', &paragraph))
		add_paragraph(view, paragraph, "", NOTHING_THERE);
}

void view_addf(struct view *view, const char *format, ...)
{
	char text[TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	view_add(view, text);
}

int view_add_choice(struct view *view, const char *text)
{
	char numbered[TEXT_BYTES];

	snprintf(numbered, sizeof(numbered), "%d %s", view->choices + 1, text);
	add_paragraph(view, slice_of(numbered), INDENT, view->choices);
	return view->choices++;
}

static int line_of_marker(const struct view *view)
{
	for (int i = 0; i < view->n; i++)
		if (view->choices > 0 && view->lines[i].choice == view->marker)
			return i;
	return 0;
}

static int clamp(int value, int most)
{
	if (value > most)
		value = most;
	return value < 0 ? 0 : value;
}

void view_end(struct view *view)
{
	int line;

	view->marker = clamp(view->marker, view->choices - 1);
	view->top = clamp(view->top, view->n - VIEW_ROWS);
	if (view->choices == 0)
		return;
	line = line_of_marker(view);
	if (line < view->top)
		view->top = line;
	if (line >= view->top + VIEW_ROWS)
		view->top = line - VIEW_ROWS + 1;
}

void view_move(struct view *view, int by)
{
	if (view->choices > 0)
		view->marker = clamp(view->marker + by, view->choices - 1);
	else
		view->top += by;
	view_end(view);
}

static void draw_row(const struct view *view, int i, FILE *out)
{
	const struct view_line *line = &view->lines[i];
	bool is_marked = view->choices > 0 && line->choice == view->marker;
	const char *text = i < view->n ? line->text : "";
	int columns = (int)utf8_length(slice_of(text));

	if (i < view->n && is_marked)
		fprintf(out, "| >%s%*s |\n", text + 1, VIEW_COLUMNS - columns, "");
	else
		fprintf(out, "| %s%*s |\n", text, VIEW_COLUMNS - columns, "");
}

static void draw_border(FILE *out)
{
	fputc('+', out);
	for (int i = 0; i < VIEW_COLUMNS + 2; i++)
		fputc('-', out);
	fputs("+\n", out);
}

void view_draw(const struct view *view, FILE *out)
{
	int left = VIEW_COLUMNS / 2, right = VIEW_COLUMNS - left;

	draw_border(out);
	fprintf(out, "| %-*.*s |\n", VIEW_COLUMNS, VIEW_COLUMNS, view->title);
	draw_border(out);
	for (int i = view->top; i < view->top + VIEW_ROWS; i++)
		draw_row(view, i, out);
	fprintf(out, "| %-*.*s%*.*s |\n", left, left, view->soft1 ? view->soft1 : "",
		right, right, view->soft2 ? view->soft2 : "");
	draw_border(out);
	fflush(out);
}

bool view_contains(const struct view *view, struct slice text)
{
	char all[VIEW_LINES * VIEW_LINE_BYTES];
	size_t n = 0;

	/* One space between lines, so that a text is found across a line break. */
	for (int i = 0; i < view->n; i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s ",
				      view->lines[i].text);
	return memmem(all, n, text.p, text.n) != NULL;
}
