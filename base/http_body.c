#include "base/http.h"

#include "base/codec.h"
#include "base/http_chars.h"

#define SIZE_DIGITS   16
#define TRAILER_BYTES 4096

void http_body_init(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){ .framing = head->framing, .state = HTTP_BODY_DONE };
	if (head->framing == HTTP_CHUNKED) {
		body->state = HTTP_BODY_SIZE_FIRST;
	} else if (head->framing == HTTP_LENGTH && head->content_length > 0) {
		body->state = HTTP_BODY_DATA;
		body->left = head->content_length;
	}
}

bool http_body_is_done(const struct http_body *body)
{
	return body->state == HTTP_BODY_DONE;
}

static enum http_error expect(struct http_body *body, char c, char wanted,
			      enum http_body_state next)
{
	if (c == wanted) {
		body->state = next;
		return HTTP_OK;
	}
	return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_CHUNK;
}

static enum http_error eat_size(struct http_body *body, char c)
{
	int digit = hex_digit_value(c);

	if (digit < 0 && body->state == HTTP_BODY_SIZE)
		return expect(body, c, '\r', HTTP_BODY_SIZE_LF);
	if (digit < 0)
		return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_CHUNK;
	/* A size that needs the top bits is no size, and 16 digits are enough for
	 * leading zeros too. */
	if (body->line_bytes++ == SIZE_DIGITS || body->left >> 59)
		return HTTP_BAD_CHUNK;
	body->left = body->left * 16 + (unsigned)digit;
	body->state = HTTP_BODY_SIZE;
	return HTTP_OK;
}

static enum http_error eat_trailer(struct http_body *body, char c)
{
	if (body->line_bytes++ == TRAILER_BYTES)
		return HTTP_HEAD_TOO_LARGE;
	switch (body->state) {
	case HTTP_BODY_TRAILER_FIRST:
		if (c == '\r')
			body->state = HTTP_BODY_LAST_LF;
		else if (http_chars_has(c, HTTP_CHARS_TOKEN))
			body->state = HTTP_BODY_TRAILER_NAME;
		else
			return c == '\n' ? HTTP_BARE_LF : HTTP_BAD_FIELD;
		return HTTP_OK;
	case HTTP_BODY_TRAILER_NAME:
		if (c == ':')
			body->state = HTTP_BODY_TRAILER_VALUE;
		else if (!http_chars_has(c, HTTP_CHARS_TOKEN))
			return HTTP_BAD_FIELD;
		return HTTP_OK;
	default:
		if (http_chars_has(c, HTTP_CHARS_VALUE))
			return HTTP_OK;
		if (c == '\n')
			return HTTP_BARE_LF;
		body->state = HTTP_BODY_TRAILER_LF;
		return c == '\r' ? HTTP_OK : HTTP_BAD_FIELD;
	}
}

/* One byte of what stands around the payload. */
static enum http_error eat_byte(struct http_body *body, char c)
{
	enum http_error error;

	switch (body->state) {
	case HTTP_BODY_SIZE_FIRST:
	case HTTP_BODY_SIZE: return eat_size(body, c);
	case HTTP_BODY_SIZE_LF:
		error = expect(body, c, '\n',
			       body->left ? HTTP_BODY_DATA : HTTP_BODY_TRAILER_FIRST);
		body->line_bytes = 0;
		return error;
	case HTTP_BODY_DATA_CR: return expect(body, c, '\r', HTTP_BODY_DATA_LF);
	case HTTP_BODY_DATA_LF: return expect(body, c, '\n', HTTP_BODY_SIZE_FIRST);
	case HTTP_BODY_TRAILER_LF:
		return expect(body, c, '\n', HTTP_BODY_TRAILER_FIRST);
	case HTTP_BODY_LAST_LF: return expect(body, c, '\n', HTTP_BODY_DONE);
	default: return eat_trailer(body, c);
	}
}

enum http_error http_body_feed(struct http_body *body, struct slice in, size_t *eaten,
			       struct slice *payload)
{
	size_t i = 0;

	*payload = slice_make(NULL, 0);
	*eaten = 0;
	for (;
	     i < in.n && body->state != HTTP_BODY_DATA && body->state != HTTP_BODY_DONE;
	     i++) {
		enum http_error error = eat_byte(body, in.p[i]);

		if (error)
			return error;
	}
	if (i < in.n && body->state == HTTP_BODY_DATA) {
		size_t n = in.n - i;

		if (n > body->left)
			n = (size_t)body->left;
		*payload = slice_make(in.p + i, n);
		i += n;
		body->left -= n;
		if (body->left == 0)
			body->state = body->framing == HTTP_CHUNKED ? HTTP_BODY_DATA_CR
								    : HTTP_BODY_DONE;
	}
	*eaten = i;
	return HTTP_OK;
}
