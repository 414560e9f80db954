#include "base/status_page.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define COLUMNS_MAX 6
#define CELL_BYTES  600 /* the longest is why a reload failed */

enum form {
	FORM_TEXT,
	FORM_HTML,
};

struct page {
	struct evbuffer *out;
	enum form form;
};

/* What stands in a column, and how a row of the document says it. */
struct column {
	const char *title;
	void (*fill)(const json_t *row, char *out, size_t size);
	bool (*is_bad)(const json_t *row); /* it is to strike the eye; or NULL */
};

/* ---- Writers ---- */

/* Text that a file may have brought in; it moves no cursor and opens no element. */
static void put_escaped(struct page *page, const char *text)
{
	for (const char *p = text; *p; p++) {
		bool is_html = page->form == FORM_HTML;
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			evbuffer_add(page->out, " ", 1);
		else if (is_html && *p == '<')
			evbuffer_add(page->out, "&lt;", 4);
		else if (is_html && *p == '&')
			evbuffer_add(page->out, "&amp;", 5);
		else
			evbuffer_add(page->out, p, 1);
	}
}

/* In HTML, an element around what is put between this and close_element(). */
static void open_element(struct page *page, const char *element, bool is_bad)
{
	if (page->form == FORM_HTML)
		evbuffer_add_printf(page->out, "<%s%s>", element,
				    is_bad ? " class=\"bad\"" : "");
}

static void close_element(struct page *page, const char *element)
{
	if (page->form == FORM_HTML)
		evbuffer_add_printf(page->out, "</%s>", element);
}

/* @p element is that of HTML: h1, h2 or p. */
static void put_line(struct page *page, const char *element, bool is_bad,
		     const char *text)
{
	if (page->form == FORM_TEXT && strcmp(element, "h2") == 0)
		evbuffer_add_printf(page->out, "\n");
	open_element(page, element, is_bad);
	put_escaped(page, text);
	close_element(page, element);
	evbuffer_add_printf(page->out, "\n");
}

static void measure(const json_t *rows, const struct column *columns, size_t n,
		    size_t widths[COLUMNS_MAX])
{
	char cell[CELL_BYTES];
	const json_t *row;
	size_t i;

	for (size_t c = 0; c < n; c++)
		widths[c] = strlen(columns[c].title);
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			columns[c].fill(row, cell, sizeof(cell));
			if (strlen(cell) > widths[c])
				widths[c] = strlen(cell);
		}
	}
}

/* A row of cells; the titles for NULL. */
static void put_row(struct page *page, const json_t *row, const struct column *columns,
		    size_t n, const size_t widths[COLUMNS_MAX])
{
	const char *element = row ? "td" : "th";
	bool is_html = page->form == FORM_HTML;
	char cell[CELL_BYTES];

	evbuffer_add_printf(page->out, is_html ? "<tr>" : "  ");
	for (size_t c = 0; c < n; c++) {
		if (row)
			columns[c].fill(row, cell, sizeof(cell));
		const char *text = row ? cell : columns[c].title;
		open_element(page, element,
			     row && columns[c].is_bad && columns[c].is_bad(row));
		put_escaped(page, text);
		close_element(page, element);
		if (!is_html && c + 1 < n)
			evbuffer_add_printf(page->out, "%*s",
					    (int)(widths[c] - strlen(text) + 2), "");
	}
	evbuffer_add_printf(page->out, is_html ? "</tr>\n" : "\n");
}

static void put_table(struct page *page, const json_t *rows,
		      const struct column *columns, size_t n)
{
	size_t widths[COLUMNS_MAX], i;
	const json_t *row;

	BUG_ON(n > COLUMNS_MAX);
	measure(rows, columns, n, widths);
	if (page->form == FORM_HTML)
		evbuffer_add_printf(page->out, "<table>\n");
	put_row(page, NULL, columns, n, widths);
	json_array_foreach (rows, i, row)
		put_row(page, row, columns, n, widths);
	if (page->form == FORM_HTML)
		evbuffer_add_printf(page->out, "</table>\n");
}

/* ---- What the document says ---- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && text[0] ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* The two largest units: "3 d 4 h", "12 min 5 s", "0 s". */
static void fill_span(json_int_t ms, char *out, size_t size)
{
	static const struct {
		const char *name;
		json_int_t s;
	} units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
	json_int_t s = ms / 1000;
	size_t i = 0;

	while (i < 3 && s < units[i].s)
		i++;
	int n = snprintf(out, size, "%" JSON_INTEGER_FORMAT " %s", s / units[i].s,
			 units[i].name);
	if (i < 3 && s % units[i].s >= units[i + 1].s)
		snprintf(out + n, size - (size_t)n, " %" JSON_INTEGER_FORMAT " %s",
			 s % units[i].s / units[i + 1].s, units[i + 1].name);
}

static void fill_process(const json_t *row, char *out, size_t size)
{
	snprintf(out, size, "%s %" JSON_INTEGER_FORMAT, text_of(row, "role"),
		 number_of(row, "index"));
}

static void fill_pid(const json_t *row, char *out, size_t size)
{
	json_int_t pid = number_of(row, "pid");

	if (pid)
		snprintf(out, size, "%" JSON_INTEGER_FORMAT, pid);
	else
		snprintf(out, size, "-");
}

static bool is_unready(const json_t *row)
{
	return number_of(row, "pid") == 0 ||
	       !json_is_true(json_object_get(row, "ready"));
}

static void fill_state(const json_t *row, char *out, size_t size)
{
	if (number_of(row, "pid") == 0)
		snprintf(out, size, "not running");
	else if (json_is_true(json_object_get(row, "ready")))
		snprintf(out, size, "ready");
	else
		snprintf(out, size, "NOT READY");
}

static void fill_uptime(const json_t *row, char *out, size_t size)
{
	fill_span(number_of(row, "uptime_ms"), out, size);
}

static void fill_restarts(const json_t *row, char *out, size_t size)
{
	snprintf(out, size, "%" JSON_INTEGER_FORMAT, number_of(row, "restarts"));
}

static bool was_restarted(const json_t *row)
{
	return number_of(row, "restarts") > 0;
}

static void fill_cpu(const json_t *row, char *out, size_t size)
{
	json_int_t ms = number_of(row, "cpu_ms");

	snprintf(out, size, "%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT " s",
		 ms / 1000, ms % 1000 / 100);
}

static void fill_key(const json_t *row, char *out, size_t size)
{
	snprintf(out, size, "%s", text_of(row, "key"));
}

static void fill_end(const json_t *row, char *out, size_t size)
{
	snprintf(out, size, "%s", text_of(row, "at"));
}

static bool has_ended(const json_t *row)
{
	return number_of(row, "left_s") <= 0;
}

static void fill_left(const json_t *row, char *out, size_t size)
{
	json_int_t left_s = number_of(row, "left_s");

	if (has_ended(row))
		snprintf(out, size, "ENDED");
	else
		fill_span(left_s * 1000, out, size);
}

static void put_head(struct page *page, const json_t *status)
{
	bool is_ready = json_is_true(json_object_get(status, "ready"));
	const json_t *reload = json_object_get(status, "reload");
	const char *result = text_of(reload, "result"), *why = text_of(reload, "why");
	char line[CELL_BYTES], span[64];

	snprintf(line, sizeof(line), "%s %s is %s", text_of(status, "program"),
		 text_of(status, "version"), is_ready ? "ready" : "NOT READY");
	put_line(page, "h1", !is_ready, line);
	fill_span(number_of(status, "uptime_ms"), span, sizeof(span));
	if (strcmp(result, "none") == 0)
		snprintf(line, sizeof(line), "Up %s; not reloaded since.", span);
	else if (strcmp(why, "-") == 0)
		snprintf(line, sizeof(line), "Up %s; last reload %s: %s.", span,
			 text_of(reload, "at"), result);
	else
		snprintf(line, sizeof(line), "Up %s; last reload %s: %s: %s", span,
			 text_of(reload, "at"), result, why);
	put_line(page, "p",
		 strcmp(result, "refused") == 0 || strcmp(result, "failed") == 0, line);
}

static void put_generation(struct page *page, const json_t *generation)
{
	static const struct column columns[] = {
		{ .title = "process", .fill = fill_process },
		{ .title = "pid", .fill = fill_pid },
		{ .title = "state", .fill = fill_state, .is_bad = is_unready },
		{ .title = "up", .fill = fill_uptime },
		{ .title = "cpu", .fill = fill_cpu },
		{ .title = "restarts", .fill = fill_restarts, .is_bad = was_restarted },
	};
	char line[CELL_BYTES], span[64];

	fill_span(number_of(generation, "age_ms"), span, sizeof(span));
	snprintf(line, sizeof(line),
		 "Generation %" JSON_INTEGER_FORMAT ", %s, %s old, configuration %s",
		 number_of(generation, "number"), text_of(generation, "phase"), span,
		 text_of(generation, "config_sha256"));
	put_line(page, "h2", false, line);
	put_table(page, json_object_get(generation, "processes"), columns,
		  sizeof(columns) / sizeof(columns[0]));
}

static void put_page(struct page *page, const json_t *status)
{
	static const struct column columns[] = {
		{ .title = "file", .fill = fill_key },
		{ .title = "ends", .fill = fill_end },
		{ .title = "in", .fill = fill_left, .is_bad = has_ended },
	};
	const json_t *files = json_object_get(status, "expiries"), *generation;
	size_t i;

	put_head(page, status);
	json_array_foreach (json_object_get(status, "generations"), i, generation)
		put_generation(page, generation);
	if (json_array_size(files) == 0)
		return;
	put_line(page, "h2", false, "Certificates and revocation lists");
	put_table(page, files, columns, sizeof(columns) / sizeof(columns[0]));
}

void status_page_text(const json_t *status, struct evbuffer *out)
{
	put_page(&(struct page){ .out = out, .form = FORM_TEXT }, status);
}

void status_page_html(const json_t *status, struct evbuffer *out)
{
	static const char style[] =
		":root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}"
		"body{margin:2em auto;max-width:60em;padding:0 1em}"
		"h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}"
		"table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
		"th,td{text-align:left;padding:.2em 1.5em .2em 0;"
		"border-bottom:1px solid #8886}"
		".bad{color:#c33;font-weight:bold}";
	struct page page = { .out = out, .form = FORM_HTML };

	evbuffer_add_printf(
		out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		     "<meta http-equiv=\"refresh\" content=\"5\">"
		     "<meta name=\"viewport\" content=\"width=device-width\"><title>");
	put_escaped(&page, text_of(status, "program"));
	if (!json_is_true(json_object_get(status, "ready")))
		evbuffer_add_printf(out, " is NOT READY");
	evbuffer_add_printf(out, "</title><style>%s</style></head><body>\n", style);
	put_page(&page, status);
	evbuffer_add_printf(out,
			    "<p><a href=\"/metrics\">metrics</a> "
			    "<a href=\"/status.json\">JSON</a> "
			    "<a href=\"/status.txt\">text</a></p>\n</body></html>\n");
}
