#include "base/http.h"

#include <stdio.h>
#include <time.h>

#include "base/http_chars.h"
#include "base/log.h"

#define DATE_CHARS 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* What the writer says itself; a caller that says it too would smuggle. */
static const struct slice own_fields[] = {
	{ "host", 4 },
	{ "content-length", 14 },
	{ "transfer-encoding", 17 },
	{ "connection", 10 },
};

/* Where the next byte goes; room for all has been made before. */
struct pen {
	char *p;
};

static void put(struct pen *pen, struct slice s)
{
	if (s.n > 0)
		memcpy(pen->p, s.p, s.n);
	pen->p += s.n;
}

static void put_number(struct pen *pen, uint64_t number)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(pen, slice_make(digits + n, sizeof(digits) - n));
}

static void put_field(struct pen *pen, struct slice name, struct slice value)
{
	put(pen, name);
	put(pen, SLICE(": "));
	put(pen, value);
	put(pen, SLICE("\r\n"));
}

/* IMF-fixdate of now (RFC 9110, 5.6.7), made once a second. */
static struct slice date_now(void)
{
	static const char days[7][4] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
	};
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static char text[64];
	static time_t made;
	const time_t now = time(NULL);

	if (now != made) {
		struct tm tm;

		gmtime_r(&now, &tm);
		snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
			 days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
			 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		made = now;
	}
	return slice_make(text, DATE_CHARS);
}

static bool is_all(struct slice s, enum http_chars class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!http_chars_has(s.p[i], class))
			return false;
	return true;
}

static bool is_own(struct slice name)
{
	for (size_t i = 0; i < sizeof(own_fields) / sizeof(own_fields[0]); i++)
		if (slice_eq_nocase(name, own_fields[i]))
			return true;
	return false;
}

/* Abort on what would not be read back as it was meant. Returns the size of the fields
 * on the wire. */
static size_t check_fields(const struct http_head *head, bool *has_date)
{
	size_t size = 0;

	*has_date = false;
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct http_field *field = &head->fields[i];

		BUG_ON(field->name.n == 0 || !is_all(field->name, HTTP_CHARS_TOKEN));
		BUG_ON(!is_all(field->value, HTTP_CHARS_VALUE));
		BUG_ON(is_own(field->name));
		*has_date |= slice_eq_nocase(field->name, SLICE("date"));
		size += field->name.n + field->value.n + 4;
	}
	return size;
}

static void put_first_line(struct pen *pen, const struct http_head *head)
{
	if (head->status == 0) {
		put(pen, slice_of(http_method_name(head->method)));
		put(pen, SLICE(" "));
		put(pen, head->target);
		put(pen, SLICE(" HTTP/1.1\r\n"));
		put_field(pen, SLICE("Host"), head->host);
		return;
	}
	put(pen, SLICE("HTTP/1.1 "));
	put_number(pen, head->status);
	put(pen, SLICE(" "));
	put(pen, slice_of(http_status_phrase(head->status)));
	put(pen, SLICE("\r\n"));
}

/* Without a body these say so, or the other side could wait for one. */
static bool is_expected_to_have_body(const struct http_head *head)
{
	if (head->status == 0)
		return head->method == HTTP_POST || head->method == HTTP_PUT ||
		       head->method == HTTP_PATCH;
	return head->status >= 200 && head->status != 204 && head->status != 304 &&
	       head->method != HTTP_HEAD;
}

/* The answer to HEAD tells how long that to GET would be, where it is known. */
static bool is_length_of_another(const struct http_head *head)
{
	return head->status >= 200 && head->method == HTTP_HEAD &&
	       head->framing == HTTP_NO_BODY && head->content_length > 0;
}

static void put_framing(struct pen *pen, const struct http_head *head)
{
	if (head->framing == HTTP_LENGTH || is_length_of_another(head)) {
		put(pen, SLICE("Content-Length: "));
		put_number(pen, head->content_length);
		put(pen, SLICE("\r\n"));
	} else if (head->framing == HTTP_CHUNKED) {
		put(pen, SLICE("Transfer-Encoding: chunked\r\n"));
	} else if (is_expected_to_have_body(head)) {
		put(pen, SLICE("Content-Length: 0\r\n"));
	}
}

void http_write_head(struct evbuffer *out, const struct http_head *head)
{
	/* Lines around the fields: method or phrase, date, framing, connection. */
	const size_t rest = 256;
	struct evbuffer_iovec room;
	struct pen pen;
	bool has_date;
	size_t size;

	size = check_fields(head, &has_date) + head->target.n + head->host.n + rest;
	if (head->status == 0)
		BUG_ON(!http_target_is_canonical(head->target) ||
		       !is_all(head->host, HTTP_CHARS_VALUE));
	else
		BUG_ON(head->status < 100 || head->status > 599);
	BUG_ON(evbuffer_reserve_space(out, (ev_ssize_t)size, &room, 1) != 1);

	pen.p = room.iov_base;
	put_first_line(&pen, head);
	if (head->status >= 200 && !has_date)
		put_field(&pen, SLICE("Date"), date_now());
	for (size_t i = 0; i < head->n_fields; i++)
		put_field(&pen, head->fields[i].name, head->fields[i].value);
	put_framing(&pen, head);
	if (!head->keep_alive && (head->status == 0 || head->status >= 200))
		put(&pen, SLICE("Connection: close\r\n"));
	put(&pen, SLICE("\r\n"));

	room.iov_len = (size_t)(pen.p - (char *)room.iov_base);
	BUG_ON(room.iov_len > size || evbuffer_commit_space(out, &room, 1) != 0);
}

void http_write_chunk(struct evbuffer *out, struct evbuffer *data)
{
	const size_t n = evbuffer_get_length(data);
	char line[24];
	int length;

	if (n == 0)
		return;
	length = snprintf(line, sizeof(line), "%zx\r\n", n);
	BUG_ON(evbuffer_add(out, line, (size_t)length) != 0 ||
	       evbuffer_add_buffer(out, data) != 0 ||
	       evbuffer_add(out, "\r\n", 2) != 0);
}

void http_write_last_chunk(struct evbuffer *out)
{
	BUG_ON(evbuffer_add(out, "0\r\n\r\n", 5) != 0);
}
