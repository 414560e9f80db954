#include "provctl/cutter.h"

#include <errno.h>

/* ---- Bytes ---- */

static int take(struct cutter *cutter)
{
	int byte = getc_unlocked(cutter->file);
	cutter->next_line += byte == '\n';
	return byte;
}

static int peek(struct cutter *cutter)
{
	return ungetc(getc_unlocked(cutter->file), cutter->file);
}

/* Go past white space; returns what stands there, which is not taken. */
static int skip_space(struct cutter *cutter)
{
	int byte;
	while ((byte = peek(cutter)) != EOF && strchr(" \t\r\n", byte) && byte != '\0')
		take(cutter);
	cutter->line = cutter->next_line;
	return byte;
}

static bool stop(struct cutter *cutter, const char *error)
{
	cutter->error = ferror(cutter->file) ? strerror(errno) : error;
	return false;
}

static bool keep(struct cutter *cutter, int byte)
{
	if (cutter->n == CUTTER_PIECE_MAX)
		return stop(cutter, cutter->is_json
					    ? "a device of more than 64 KiB"
					    : "a record of more than 64 KiB; is a "
					      "quote open?");
	cutter->piece[cutter->n++] = (char)byte;
	return true;
}

/* ---- Pieces ---- */

static bool cut_record(struct cutter *cutter)
{
	bool is_quoted = false;
	int byte;

	while ((byte = peek(cutter)) == '\n' || byte == '\r')
		take(cutter);
	cutter->line = cutter->next_line;
	while ((byte = take(cutter)) != EOF) {
		if (!keep(cutter, byte))
			return false;
		is_quoted ^= byte == '"';
		if (byte == '\n' && !is_quoted)
			return true;
	}
	return ferror(cutter->file) ? stop(cutter, NULL) : cutter->n > 0;
}

/* From its brace to the one that closes it. */
static bool cut_nested(struct cutter *cutter)
{
	bool is_string = false, is_escaped = false;
	unsigned int depth = 0;
	int byte;

	while ((byte = take(cutter)) != EOF) {
		if (!keep(cutter, byte))
			return false;
		bool is_quote = byte == '"' && !is_escaped;
		is_escaped = is_string && byte == '\\' && !is_escaped;
		is_string ^= is_quote;
		if (is_string)
			continue;
		depth += byte == '{' || byte == '[';
		depth -= byte == '}' || byte == ']';
		if (depth == 0)
			return true;
	}
	return stop(cutter, "the file ends inside a device");
}

static bool cut_object(struct cutter *cutter)
{
	int byte = skip_space(cutter);

	if (byte == ']') {
		take(cutter);
		cutter->is_ended = true;
		return skip_space(cutter) != EOF &&
		       stop(cutter, "something stands after the array");
	}
	if (cutter->n_pieces > 0) {
		if (byte != ',')
			return stop(cutter, "a comma, or the ] of the end, is missing");
		take(cutter);
		byte = skip_space(cutter);
	}
	if (byte != '{')
		return stop(cutter, byte == EOF ? "the array does not end"
						: "here should be a device, {...}");
	return cut_nested(cutter);
}

/* ---- Cutter ---- */

void cutter_open(struct cutter *cutter, FILE *file)
{
	char head[3];

	rewind(file);
	cutter->file = file;
	cutter->is_json = cutter->is_ended = false;
	cutter->next_line = cutter->line = 1;
	cutter->error = NULL;
	cutter->n_pieces = cutter->n = 0;
	struct slice front = slice_make(head, fread(head, 1, sizeof(head), file));
	if (slice_starts(front, SLICE("\xff\xfe")) ||
	    slice_starts(front, SLICE("\xfe\xff"))) {
		stop(cutter, "is UTF-16; save it as UTF-8");
		return;
	}
	if (!slice_eq(front, SLICE("\xef\xbb\xbf")))
		rewind(file);
	int byte = skip_space(cutter);
	cutter->is_json = byte == '[' || byte == '{';
	if (byte == '[')
		take(cutter);
	else if (cutter->is_json)
		stop(cutter, "is no array of devices, [{...}, {...}]");
}

bool cutter_next(struct cutter *cutter, struct slice *piece)
{
	cutter->n = 0;
	if (cutter->error || cutter->is_ended)
		return false;
	if (!(cutter->is_json ? cut_object(cutter) : cut_record(cutter)))
		return false;
	cutter->n_pieces++;
	*piece = slice_make(cutter->piece, cutter->n);
	return true;
}
