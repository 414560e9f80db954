#include "base/http.h"
#include "base/http_chars.h"

#define DEFAULT_HEAD_BYTES 16384
#define DEFAULT_FIELDS     100
#define HOST_BYTES         261 /* a DNS name, a colon and a port */

/* Rows of known_fields[] that are read, and bits of parse.seen. */
enum known {
	KNOWN_HOST,
	KNOWN_LENGTH,
	KNOWN_CODING,
	KNOWN_CONNECTION,
	KNOWN_EXPECT,
	KNOWN_UPGRADE,
};

struct parse {
	struct arena *arena;
	struct http_head *head;
	struct http_field *fields; /* head->fields, while it is filled */
	struct slice connection;   /* value of the Connection field */
	unsigned seen;             /* bits of enum known */
	bool is_request;
};

static bool has_seen(const struct parse *parse, enum known known)
{
	return parse->seen & (1u << known);
}

int http_scan(struct http_scan *scan, struct slice bytes,
	      const struct http_limits *limits, size_t *size, enum http_error *error)
{
	const size_t limit =
		limits->head_bytes ? limits->head_bytes : DEFAULT_HEAD_BYTES;
	const size_t n = bytes.n < limit ? bytes.n : limit;

	while (scan->seen < n) {
		const char *from = bytes.p + scan->seen;
		const char *lf = memchr(from, '\n', n - scan->seen);
		size_t at;

		if (!lf) {
			scan->seen = n;
			break;
		}
		at = (size_t)(lf - bytes.p);
		scan->seen = at + 1;
		if (at == 0 || lf[-1] != '\r') {
			*error = HTTP_BARE_LF;
			return -1;
		}
		if (at == 1 || lf[-2] == '\n') {
			*size = at + 1;
			return 1;
		}
	}
	if (n < limit)
		return 0;
	*error = memchr(bytes.p, '\n', n) ? HTTP_HEAD_TOO_LARGE : HTTP_TARGET_TOO_LONG;
	return -1;
}

/* Take a line off @p rest, without its CR LF. */
static enum http_error next_line(struct slice *rest, struct slice *line)
{
	const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n;

	if (!lf)
		return HTTP_BAD_LINE;
	n = (size_t)(lf - rest->p);
	if (n == 0 || lf[-1] != '\r')
		return HTTP_BARE_LF;
	*line = slice_make(rest->p, n - 1);
	*rest = slice_make(lf + 1, rest->n - n - 1);
	return HTTP_OK;
}

/* Take what stands before the next space off @p rest; false when there is no space. */
static bool next_word(struct slice *rest, struct slice *word)
{
	const char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;

	if (!space)
		return false;
	*word = slice_make(rest->p, (size_t)(space - rest->p));
	*rest = slice_make(space + 1, rest->n - word->n - 1);
	return true;
}

/* How many characters at the start of @p s are of @p class. */
static size_t span(struct slice s, enum http_chars class)
{
	size_t n = 0;

	while (n < s.n && http_chars_has(s.p[n], class))
		n++;
	return n;
}

static bool is_token(struct slice s)
{
	return s.n > 0 && span(s, HTTP_CHARS_TOKEN) == s.n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static enum http_error check_version(struct slice s)
{
	if (slice_eq(s, SLICE("HTTP/1.1")))
		return HTTP_OK;
	if (s.n == 8 && slice_starts(s, SLICE("HTTP/")) && is_digit(s.p[5]) &&
	    s.p[6] == '.' && is_digit(s.p[7]))
		return HTTP_BAD_VERSION;
	return HTTP_BAD_LINE;
}

static enum http_error read_request_line(struct http_head *head, struct slice line)
{
	struct slice method;
	enum http_error error;
	int i;

	if (!next_word(&line, &method) || !is_token(method) ||
	    !next_word(&line, &head->target) || head->target.n == 0)
		return HTTP_BAD_LINE;
	if ((error = check_version(line)))
		return error;
	for (i = 0; i < HTTP_N_METHODS; i++)
		if (slice_eq(method, slice_of(http_method_name((enum http_method)i))))
			break;
	if (i == HTTP_N_METHODS)
		return HTTP_UNKNOWN_METHOD;
	head->method = (enum http_method)i;
	return http_target_is_canonical(head->target) ? HTTP_OK : HTTP_BAD_TARGET;
}

static enum http_error read_status_line(struct http_head *head, struct slice line)
{
	struct slice version, code;
	uint64_t status;
	enum http_error error;

	if (!next_word(&line, &version))
		return HTTP_BAD_LINE;
	if ((error = check_version(version)))
		return error;
	/* What is left of the line is the phrase, often empty. */
	if (!next_word(&line, &code) || code.n != 3 ||
	    !slice_to_u64(code, 599, &status) || status < 100 ||
	    span(line, HTTP_CHARS_VALUE) != line.n)
		return HTTP_BAD_LINE;
	if (status == 101)
		return HTTP_UNWANTED_UPGRADE;
	head->status = (unsigned)status;
	return HTTP_OK;
}

static bool port_is_valid(struct slice port)
{
	uint64_t number;

	return slice_to_u64(port, 65535, &number) && port.p[0] != '0';
}

/* Name, IPv4 address or bracketed IPv6 address, and a port or none; in lower case. */
static bool host_is_valid(struct slice host)
{
	size_t n;

	if (host.p[0] == '[') {
		n = 1;
		while (n < host.n && strchr("0123456789abcdef:.", host.p[n]))
			n++;
		if (n < 4 || n == host.n || host.p[n] != ']')
			return false;
		n++;
	} else {
		n = span(host, HTTP_CHARS_HOST);
	}
	if (n == 0 || host.p[0] == '.' || host.p[0] == '-')
		return false;
	return n == host.n ||
	       (host.p[n] == ':' &&
		port_is_valid(slice_make(host.p + n + 1, host.n - n - 1)));
}

static enum http_error read_host(struct parse *parse, struct slice value)
{
	char *lower;

	if (value.n == 0 || value.n > HOST_BYTES)
		return HTTP_BAD_HOST;
	lower = arena_alloc(parse->arena, value.n);
	if (!lower)
		return HTTP_NO_MEMORY;
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	parse->head->host = slice_make(lower, value.n);
	return host_is_valid(parse->head->host) ? HTTP_OK : HTTP_BAD_HOST;
}

/* Digits alone; a leading zero could be read as octal. */
static enum http_error read_length(struct parse *parse, struct slice value)
{
	if (!slice_to_u64(value, INT64_MAX, &parse->head->content_length) ||
	    (value.n > 1 && value.p[0] == '0'))
		return HTTP_BAD_LENGTH;
	parse->head->framing = HTTP_LENGTH;
	return HTTP_OK;
}

static enum http_error read_coding(struct parse *parse, struct slice value)
{
	if (!slice_eq_nocase(value, SLICE("chunked")))
		return HTTP_BAD_CODING;
	parse->head->framing = HTTP_CHUNKED;
	return HTTP_OK;
}

static enum http_error read_connection(struct parse *parse, struct slice value)
{
	struct slice rest = value, option;

	if (value.n == 0)
		return HTTP_BAD_FIELD;
	while (slice_next(&rest, ',', &option)) {
		option = slice_trim(option);
		if (!is_token(option))
			return HTTP_BAD_FIELD;
		if (slice_eq_nocase(option, SLICE("close")))
			parse->head->keep_alive = false;
	}
	parse->connection = value;
	return HTTP_OK;
}

static enum http_error read_expect(struct parse *parse, struct slice value)
{
	if (!slice_eq_nocase(value, SLICE("100-continue")))
		return HTTP_BAD_EXPECT;
	parse->head->expects_continue = true;
	return HTTP_OK;
}

static enum http_error read_upgrade(struct parse *parse, struct slice value)
{
	(void)parse;
	(void)value;
	return HTTP_UNWANTED_UPGRADE;
}

/* Fields of framing and of this hop: they are read here and stay out of the list. */
static const struct known_field {
	struct slice name;
	/* NULL: the field is dropped, and may come twice. */
	enum http_error (*read)(struct parse *parse, struct slice value);
	enum http_error twice;
	bool requests_only; /* dropped in a response */
} known_fields[] = {
	[KNOWN_HOST] = { { "host", 4 }, read_host, HTTP_BAD_HOST, true },
	[KNOWN_LENGTH] = { { "content-length", 14 },
			   read_length,
			   HTTP_BAD_LENGTH,
			   false },
	[KNOWN_CODING] = { { "transfer-encoding", 17 },
			   read_coding,
			   HTTP_BAD_CODING,
			   false },
	[KNOWN_CONNECTION] = { { "connection", 10 },
			       read_connection,
			       HTTP_BAD_FIELD,
			       false },
	[KNOWN_EXPECT] = { { "expect", 6 }, read_expect, HTTP_BAD_EXPECT, true },
	[KNOWN_UPGRADE] = { { "upgrade", 7 }, read_upgrade, HTTP_BAD_FIELD, true },
	{ { "keep-alive", 10 }, NULL, HTTP_OK, false },
	{ { "proxy-connection", 16 }, NULL, HTTP_OK, false },
	{ { "te", 2 }, NULL, HTTP_OK, false },
	{ { "trailer", 7 }, NULL, HTTP_OK, false },
};
#define N_KNOWN_FIELDS (sizeof(known_fields) / sizeof(known_fields[0]))
/* Bit n: a known field has a name of n characters. Most fields end here. */
#define KNOWN_LENGTHS                                                             \
	(1u << 2 | 1u << 4 | 1u << 6 | 1u << 7 | 1u << 10 | 1u << 14 | 1u << 16 | \
	 1u << 17)

static const struct known_field *known_field_of(struct slice name)
{
	if (name.n > 17 || !(KNOWN_LENGTHS & 1u << name.n))
		return NULL;
	for (size_t i = 0; i < N_KNOWN_FIELDS; i++) {
		const struct known_field *known = &known_fields[i];

		if (known->name.n == name.n && slice_eq_nocase(known->name, name))
			return known;
	}
	return NULL;
}

static enum http_error read_field(struct parse *parse, struct slice line)
{
	const struct known_field *known;
	struct slice name, value;
	enum known bit;

	/* A fold starts with a space, which is no token. */
	name = slice_make(line.p, span(line, HTTP_CHARS_TOKEN));
	if (name.n == 0 || name.n == line.n || line.p[name.n] != ':')
		return HTTP_BAD_FIELD;
	value = slice_make(line.p + name.n + 1, line.n - name.n - 1);
	if (span(value, HTTP_CHARS_VALUE) != value.n)
		return HTTP_BAD_FIELD;
	value = slice_trim(value);
	known = known_field_of(name);
	if (!known) {
		parse->fields[parse->head->n_fields++] =
			(struct http_field){ name, value };
		return HTTP_OK;
	}
	if (!known->read || (known->requests_only && !parse->is_request))
		return HTTP_OK;
	bit = (enum known)(known - known_fields);
	if (has_seen(parse, bit))
		return known->twice;
	parse->seen |= 1u << bit;
	return known->read(parse, value);
}

static bool is_named_by(struct slice connection, struct slice name)
{
	struct slice option;

	while (slice_next(&connection, ',', &option))
		if (slice_eq_nocase(slice_trim(option), name))
			return true;
	return false;
}

static void drop_named_by_connection(struct parse *parse)
{
	struct http_head *head = parse->head;
	size_t n = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		if (!is_named_by(parse->connection, parse->fields[i].name))
			parse->fields[n++] = parse->fields[i];
	head->n_fields = n;
}

/* The fields up to the empty line, which ends the bytes. */
static enum http_error read_fields(struct parse *parse, struct slice rest,
				   const struct http_limits *limits)
{
	const size_t limit = limits->fields ? limits->fields : DEFAULT_FIELDS;
	struct slice line;
	enum http_error error;
	size_t n = 0;

	for (struct slice s = rest; s.n;) {
		const char *lf = memchr(s.p, '\n', s.n);

		if (!lf)
			break;
		s = slice_make(lf + 1, s.n - (size_t)(lf - s.p) - 1);
		if (++n > limit + 1)
			return HTTP_TOO_MANY_FIELDS;
	}
	parse->fields = arena_alloc(parse->arena, (n + 1) * sizeof(*parse->fields));
	if (!parse->fields)
		return HTTP_NO_MEMORY;
	parse->head->fields = parse->fields;
	for (;;) {
		if ((error = next_line(&rest, &line)))
			return error;
		if (line.n == 0)
			break;
		if ((error = read_field(parse, line)))
			return error;
	}
	if (rest.n > 0)
		return HTTP_BAD_LINE;
	if (has_seen(parse, KNOWN_LENGTH) && has_seen(parse, KNOWN_CODING))
		return HTTP_BAD_LENGTH;
	if (has_seen(parse, KNOWN_CONNECTION))
		drop_named_by_connection(parse);
	return HTTP_OK;
}

enum http_error http_request_parse(struct slice bytes, const struct http_limits *limits,
				   struct arena *arena, struct http_head *out)
{
	struct parse parse = { .arena = arena, .head = out, .is_request = true };
	struct slice line;
	enum http_error error;

	*out = (struct http_head){ .keep_alive = true };
	if ((error = next_line(&bytes, &line)) ||
	    (error = read_request_line(out, line)) ||
	    (error = read_fields(&parse, bytes, limits)))
		return error;
	if (!has_seen(&parse, KNOWN_HOST))
		return HTTP_BAD_HOST;
	if (out->framing == HTTP_NO_BODY)
		out->expects_continue = false;
	return HTTP_OK;
}

enum http_error http_response_parse(struct slice bytes,
				    const struct http_limits *limits,
				    enum http_method method, struct arena *arena,
				    struct http_head *out)
{
	struct parse parse = { .arena = arena, .head = out };
	struct slice line;
	enum http_error error;

	*out = (struct http_head){ .method = method, .keep_alive = true };
	if ((error = next_line(&bytes, &line)) ||
	    (error = read_status_line(out, line)) ||
	    (error = read_fields(&parse, bytes, limits)))
		return error;
	if (out->status < 200 || out->status == 204)
		return out->framing == HTTP_NO_BODY ? HTTP_OK : HTTP_BAD_LENGTH;
	if (method == HTTP_HEAD || out->status == 304) {
		out->framing = HTTP_NO_BODY;
		return HTTP_OK;
	}
	return out->framing == HTTP_NO_BODY ? HTTP_BAD_LENGTH : HTTP_OK;
}
