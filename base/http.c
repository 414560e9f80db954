#include "base/http.h"
#include "base/http_chars.h"
#include "base/log.h"

#define TOKEN      HTTP_CHARS_TOKEN
#define VALUE      HTTP_CHARS_VALUE
#define SEGMENT    HTTP_CHARS_SEGMENT
#define QUERY      HTTP_CHARS_QUERY
#define NO_ESCAPE  HTTP_CHARS_NO_ESCAPE
#define HOST       HTTP_CHARS_HOST
#define UNRESERVED HTTP_CHARS_UNRESERVED
#define URI        (SEGMENT | QUERY)

/* Ranges in designators are an extension that gcc and clang share. */
const uint8_t http_chars[256] = {
	[0x00 ... 0x08] = NO_ESCAPE,
	['\t'] = VALUE | NO_ESCAPE,
	[0x0a ... 0x1f] = NO_ESCAPE,
	[' '] = VALUE,
	['!'] = TOKEN | VALUE | URI,
	['"'] = VALUE,
	['#'] = TOKEN | VALUE,
	['$'] = TOKEN | VALUE | URI,
	['%'] = TOKEN | VALUE | NO_ESCAPE,
	['&'] = TOKEN | VALUE | URI,
	['\''] = TOKEN | VALUE | URI,
	['('] = VALUE | URI,
	[')'] = VALUE | URI,
	['*'] = TOKEN | VALUE | URI,
	['+'] = TOKEN | VALUE | URI,
	[','] = VALUE | URI,
	['-'] = TOKEN | VALUE | URI | HOST | UNRESERVED,
	['.'] = TOKEN | VALUE | URI | HOST | UNRESERVED | NO_ESCAPE,
	['/'] = VALUE | QUERY | NO_ESCAPE,
	['0' ... '9'] = TOKEN | VALUE | URI | HOST | UNRESERVED,
	[':'] = VALUE | URI,
	[';'] = VALUE | QUERY,
	['<'] = VALUE,
	['='] = VALUE | URI,
	['>'] = VALUE,
	['?'] = VALUE | QUERY,
	['@'] = VALUE | URI,
	['A' ... 'Z'] = TOKEN | VALUE | URI | UNRESERVED,
	['['] = VALUE,
	['\\'] = VALUE | NO_ESCAPE,
	[']'] = VALUE,
	['^'] = TOKEN | VALUE,
	['_'] = TOKEN | VALUE | URI | UNRESERVED,
	['`'] = TOKEN | VALUE,
	['a' ... 'z'] = TOKEN | VALUE | URI | HOST | UNRESERVED,
	['{'] = VALUE,
	['|'] = TOKEN | VALUE,
	['}'] = VALUE,
	['~'] = TOKEN | VALUE | URI | UNRESERVED,
	[0x7f] = NO_ESCAPE,
	[0x80 ... 0xff] = VALUE,
};

static const char *const methods[HTTP_N_METHODS] = {
	[HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",     [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
	[HTTP_PATCH] = "PATCH",
};

static const struct {
	const char *name;
	unsigned status;
	const char *words;
} errors[HTTP_N_ERRORS] = {
	[HTTP_OK] = { "ok", 200, "Well formed." },
	[HTTP_BAD_LINE] = { "bad_line", 400,
			    "The first line is not METHOD SP TARGET SP VERSION." },
	[HTTP_BAD_VERSION] = { "bad_version", 505, "Only HTTP/1.1 is spoken here." },
	[HTTP_UNKNOWN_METHOD] = { "unknown_method", 501,
				  "The method is not implemented." },
	[HTTP_BAD_TARGET] = { "bad_target", 400,
			      "The target is not a canonical absolute path." },
	[HTTP_TARGET_TOO_LONG] = { "target_too_long", 414, "The target is too long." },
	[HTTP_BAD_FIELD] = { "bad_field", 400, "A header field is malformed." },
	[HTTP_BARE_LF] = { "bare_lf", 400, "A line does not end with CR LF." },
	[HTTP_BAD_LENGTH] = { "bad_length", 400,
			      "The length of the message is not stated once and "
			      "well." },
	[HTTP_BAD_CODING] = { "bad_coding", 501,
			      "The only transfer coding is `chunked`, once." },
	[HTTP_BAD_CHUNK] = { "bad_chunk", 400, "The chunked body is malformed." },
	[HTTP_BAD_HOST] = { "bad_host", 400,
			    "Exactly one well-formed Host is needed." },
	[HTTP_BAD_EXPECT] = { "bad_expect", 417,
			      "The only expectation is 100-continue, once." },
	[HTTP_UNWANTED_UPGRADE] = { "unwanted_upgrade", 501,
				    "The protocol cannot be changed." },
	[HTTP_HEAD_TOO_LARGE] = { "head_too_large", 431, "The head is too large." },
	[HTTP_TOO_MANY_FIELDS] = { "too_many_fields", 431,
				   "There are too many header fields." },
	[HTTP_NO_MEMORY] = { "no_memory", 431,
			     "The head needs more memory than a request may have." },
};

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 100, "Continue" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};

const char *http_method_name(enum http_method method)
{
	BUG_ON(method >= HTTP_N_METHODS);
	return methods[method];
}

const char *http_error_name(enum http_error error)
{
	return errors[error].name;
}

unsigned http_error_status(enum http_error error)
{
	return errors[error].status;
}

const char *http_error_words(enum http_error error)
{
	return errors[error].words;
}

const char *http_status_phrase(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "";
}

const struct http_field *http_field(const struct http_head *head, const char *name)
{
	const struct slice wanted = slice_of(name);
	const struct http_field *found = NULL;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (!slice_eq_nocase(head->fields[i].name, wanted))
			continue;
		if (found)
			return NULL;
		found = &head->fields[i];
	}
	return found;
}

size_t http_field_count(const struct http_head *head, const char *name)
{
	const struct slice wanted = slice_of(name);
	size_t n = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		n += slice_eq_nocase(head->fields[i].name, wanted);
	return n;
}
