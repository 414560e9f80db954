#include "base/config_scan.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/log.h"

struct scan {
	struct slice rest;
	unsigned line;
	struct config_errors *errors;
	char *out;
	size_t n_out;
	unsigned depth;        /* of open braces */
	unsigned opened_line;  /* where the outermost was opened */
	char previous, before; /* the last two tokens: = { } , or 'w' for a word */
};

static void fail(struct scan *scan, unsigned line, const char *what)
{
	config_errors_add(scan->errors, line, "%s", what);
}

static char peek(const struct scan *scan, size_t ahead)
{
	return ahead < scan->rest.n ? scan->rest.p[ahead] : '\0';
}

static void put(struct scan *scan, char c)
{
	scan->out[scan->n_out++] = c;
}

/* Take @p n bytes of text, copied, or left out but for their newlines. */
static void take(struct scan *scan, size_t n, bool is_copied)
{
	for (size_t i = 0; i < n; i++) {
		if (is_copied || scan->rest.p[i] == '\n')
			put(scan, scan->rest.p[i]);
		if (scan->rest.p[i] == '\n')
			scan->line++;
	}
	scan->rest.p += n;
	scan->rest.n -= n;
}

static void note_token(struct scan *scan, char token)
{
	scan->before = scan->previous;
	scan->previous = token;
}

static void scan_line_comment(struct scan *scan)
{
	size_t n = 0;

	while (n < scan->rest.n && scan->rest.p[n] != '\n')
		n++;
	take(scan, n, false);
}

static void scan_block_comment(struct scan *scan)
{
	const char *end = memmem(scan->rest.p + 2, scan->rest.n - 2, "*/", 2);

	if (!end) {
		fail(scan, scan->line, "the comment is not closed, add */");
		take(scan, scan->rest.n, false);
		return;
	}
	take(scan, (size_t)(end + 2 - scan->rest.p), false);
	put(scan, ' ');
}

/* libconfuse knows \n, \x41 and \101, which could hide a NUL: just the quote and the
 * backslash may be escaped. */
static void scan_string(struct scan *scan, char quote)
{
	size_t n = 1;

	for (; peek(scan, n) != quote; n++) {
		char c = peek(scan, n);
		if (n >= scan->rest.n || c == '\n') {
			fail(scan, scan->line, "the string is not closed on its line");
			take(scan, n < scan->rest.n ? n : scan->rest.n, false);
			return;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			fail(scan, scan->line, "control character in a string");
		if (quote == '"' && c == '$' && peek(scan, n + 1) == '{')
			fail(scan, scan->line,
			     "${...} is not expanded here, write the value itself");
		if (c != '\\')
			continue;
		n++;
		if (peek(scan, n) != quote && peek(scan, n) != '\\')
			fail(scan, scan->line,
			     "unknown escape, write \\\\ for a backslash");
	}
	take(scan, n + 1, true);
	note_token(scan, 'w');
}

static bool is_word(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("_.:/@[]-", c));
}

static void scan_word(struct scan *scan)
{
	size_t n = 0;

	while (n < scan->rest.n && is_word(scan->rest.p[n]))
		n++;
	take(scan, n, true);
	note_token(scan, 'w');
}

static void scan_sign(struct scan *scan)
{
	char sign = peek(scan, 0);

	if (sign == '{' && scan->depth++ == 0)
		scan->opened_line = scan->line;
	if (sign == '}' && scan->depth-- == 0) {
		fail(scan, scan->line, "} closes nothing");
		scan->depth = 0;
	}
	if (sign == '}' && scan->previous == '{' && scan->before == '=')
		put(scan, CONFIG_SCAN_EMPTY[0]);
	take(scan, 1, true);
	note_token(scan, sign);
}

static void scan_unknown(struct scan *scan)
{
	char what[80];
	unsigned char c = (unsigned char)peek(scan, 0);

	snprintf(what, sizeof(what),
		 isgraph(c) ? "unexpected %c, write the value in quotes"
			    : "unexpected byte 0x%02x",
		 c);
	fail(scan, scan->line, what);
	scan_line_comment(scan); /* one error a line is enough */
}

static void scan_token(struct scan *scan)
{
	char c = peek(scan, 0), next = peek(scan, 1);

	if (c == '#' || (c == '/' && next == '/'))
		scan_line_comment(scan);
	else if (c == '/' && next == '*')
		scan_block_comment(scan);
	else if (c == '"' || c == '\'')
		scan_string(scan, c);
	else if (c && strchr(" \t\r\n", c))
		take(scan, 1, true);
	else if (c && strchr("{}=,", c))
		scan_sign(scan);
	else if (is_word(c))
		scan_word(scan);
	else
		scan_unknown(scan);
}

char *config_scan_clean(struct slice text, struct config_errors *errors)
{
	const size_t n_before = errors->n;
	struct scan scan = {
		.rest = text,
		.line = 1,
		.errors = errors,
		.out = malloc(2 * text.n + 2),
	};

	BUG_ON(!scan.out);
	while (scan.rest.n > 0)
		scan_token(&scan);
	if (scan.depth > 0)
		fail(&scan, scan.opened_line, "{ is not closed, add }");
	put(&scan, '\n');
	put(&scan, '\0');
	if (errors->n == n_before)
		return scan.out;
	free(scan.out);
	return NULL;
}

/* One past the token of cleaned text that starts at @p p. */
static char *token_end(char *p)
{
	if (*p == '"' || *p == '\'') {
		char quote = *p++;
		for (; *p && *p != quote; p++)
			if (*p == '\\' && p[1])
				p++;
		return *p ? p + 1 : p;
	}
	if (!is_word(*p))
		return *p ? p + 1 : p;
	while (is_word(*p))
		p++;
	return p;
}

static char *token_next(char *p)
{
	return p + strspn(p, " \t\r\n");
}

static char *line_start(char *text, unsigned line)
{
	while (line > 1 && text) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
		line--;
	}
	return text;
}

/* One past `= value`, `= { list }`, `{ block }` or `title { block }`. */
static char *statement_end(char *p)
{
	unsigned depth = 0;
	bool is_assignment = *p == '=';

	if (is_assignment)
		p = token_next(p + 1);
	for (; *p; p = token_next(token_end(p))) {
		if (*p == '{')
			depth++;
		if (*p == '}' && depth == 0)
			return p;
		if (*p == '}' && --depth == 0)
			return p + 1;
		if (depth == 0 && is_assignment)
			return token_end(p);
	}
	return p;
}

bool config_scan_blank(char *text, unsigned line, const char *name)
{
	char *p = line_start(text, line);
	size_t n = strlen(name);

	for (; p && *p && *p != '\n'; p = token_end(p)) {
		p += strspn(p, " \t\r");
		char *end = token_end(p);
		char *next = token_next(end);
		if (slice_eq(slice_make(p, (size_t)(end - p)), slice_make(name, n)) &&
		    *next && strchr("={\"'", *next)) {
			end = statement_end(next);
			for (; p < end; p++)
				if (*p != '\n')
					*p = ' ';
			return true;
		}
	}
	return false;
}
