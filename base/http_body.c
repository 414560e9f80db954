#include "base/http.h"
#include "base/http_chars.h"

enum state {
	SIZE_FIRST, /* first digit of a chunk's size */
	SIZE,
	SIZE_LF,
	DATA, /* also the state of a body with a length */
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* a trailer's name, or the last empty line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	DONE,
};

#define SIZE_DIGITS   16
#define TRAILER_BYTES 4096

void http_body_init(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){ .framing = head->framing, .state = DONE };
	if (head->framing == HTTP_CHUNKED) {
		body->state = SIZE_FIRST;
	} else if (head->framing == HTTP_LENGTH && head->content_length > 0) {
		body->state = DATA;
		body->left = head->content_length;
	}
}

bool http_body_is_done(const struct http_body *body)
{
	return body->state == DONE;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static enum http_error expect(struct http_body *body, char c, char wanted, int next)
{
	if (c == wanted) {
		body->state = next;
		return HTTP_OK;
	}
	return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_CHUNK;
}

static enum http_error eat_size(struct http_body *body, char c)
{
	int digit = hex_digit(c);

	if (digit < 0 && body->state == SIZE)
		return expect(body, c, '\r', SIZE_LF);
	if (digit < 0)
		return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_CHUNK;
	/* A size that needs the top bits is no size, and 16 digits are enough for
	 * leading zeros too. */
	if (body->line_bytes++ == SIZE_DIGITS || body->left >> 59)
		return HTTP_BAD_CHUNK;
	body->left = body->left * 16 + (unsigned)digit;
	body->state = SIZE;
	return HTTP_OK;
}

static enum http_error eat_trailer(struct http_body *body, char c)
{
	if (body->line_bytes++ == TRAILER_BYTES)
		return HTTP_HEAD_TOO_LARGE;
	switch (body->state) {
	case TRAILER_FIRST:
		if (c == '\r')
			body->state = LAST_LF;
		else if (http_chars_has(c, HTTP_CHARS_TOKEN))
			body->state = TRAILER_NAME;
		else
			return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_FIELD;
		return HTTP_OK;
	case TRAILER_NAME:
		if (c == ':')
			body->state = TRAILER_VALUE;
		else if (!http_chars_has(c, HTTP_CHARS_TOKEN))
			return HTTP_BAD_FIELD;
		return HTTP_OK;
	default:
		if (http_chars_has(c, HTTP_CHARS_VALUE))
			return HTTP_OK;
		if (c == '\n')
			return HTTP_BARE_LF;
		body->state = TRAILER_LF;
		return c == '\r' ? HTTP_OK : HTTP_BAD_FIELD;
	}
}

/* One byte of what stands around the payload. */
static enum http_error eat_byte(struct http_body *body, char c)
{
	enum http_error error;

	switch (body->state) {
	case SIZE_FIRST:
	case SIZE: return eat_size(body, c);
	case SIZE_LF:
		error = expect(body, c, '\n', body->left ? DATA : TRAILER_FIRST);
		body->line_bytes = 0;
		return error;
	case DATA_CR: return expect(body, c, '\r', DATA_LF);
	case DATA_LF: return expect(body, c, '\n', SIZE_FIRST);
	case TRAILER_LF: return expect(body, c, '\n', TRAILER_FIRST);
	case LAST_LF: return expect(body, c, '\n', DONE);
	default: return eat_trailer(body, c);
	}
}

enum http_error http_body_feed(struct http_body *body, struct slice in, size_t *eaten,
			       struct slice *payload)
{
	size_t i = 0;

	*payload = slice_make(NULL, 0);
	*eaten = 0;
	for (; i < in.n && body->state != DATA && body->state != DONE; i++) {
		enum http_error error = eat_byte(body, in.p[i]);

		if (error)
			return error;
	}
	if (i < in.n && body->state == DATA) {
		size_t n = in.n - i;

		if (n > body->left)
			n = (size_t)body->left;
		*payload = slice_make(in.p + i, n);
		i += n;
		body->left -= n;
		if (body->left == 0)
			body->state = body->framing == HTTP_CHUNKED ? DATA_CR : DONE;
	}
	*eaten = i;
	return HTTP_OK;
}
