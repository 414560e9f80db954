/*
 * HTTP/1.1 on the wire, strictly (RFC 9110, RFC 9112): one parser for requests and
 * responses, a decoder for bodies, a writer. Does no I/O, allocates from the arena
 * it is given, keeps no pointer after a call but into the caller's bytes. Whatever
 * two parties could read differently is refused. HTTP/1.1 only; no Upgrade, no
 * CONNECT, trailers are parsed and dropped. http.c has the tables, http_head.c reads
 * heads, http_body.c bodies, http_target.c targets, http_write.c writes.
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include <event2/buffer.h>

#include "base/arena.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_PATCH,
	HTTP_N_METHODS,
};
const char *http_method_name(enum http_method method);

enum http_framing {
	HTTP_NO_BODY,
	HTTP_LENGTH,
	HTTP_CHUNKED
};

/** One row of the table in http.c for each: name, status to answer, words. */
enum http_error {
	HTTP_OK,
	HTTP_BAD_LINE,    /* request or status line */
	HTTP_BAD_VERSION, /* not HTTP/1.1 */
	HTTP_UNKNOWN_METHOD,
	HTTP_BAD_TARGET,
	HTTP_TARGET_TOO_LONG, /* no end of the request line within the limit */
	HTTP_BAD_FIELD,       /* name, value, obs-fold, space before colon, NUL */
	HTTP_BARE_LF,
	HTTP_BAD_LENGTH, /* Content-Length: two, sign, overflow, leading zero, with
			    Transfer-Encoding; a response without any framing */
	HTTP_BAD_CODING, /* Transfer-Encoding other than one `chunked` */
	HTTP_BAD_CHUNK,
	HTTP_BAD_HOST,   /* none, two, malformed */
	HTTP_BAD_EXPECT, /* other than one 100-continue */
	HTTP_UNWANTED_UPGRADE,
	HTTP_HEAD_TOO_LARGE, /* head or trailers */
	HTTP_TOO_MANY_FIELDS,
	HTTP_NO_MEMORY, /* the arena is full */
	HTTP_N_ERRORS,
};
/** Lower_snake_case, for logs and problem documents: "bad_field". */
const char *http_error_name(enum http_error error);
/** Status a server answers it with: 400, 414, 417, 431, 501, 505; 200 for OK. */
unsigned http_error_status(enum http_error error);
/** One sentence for the `detail` of a problem document. */
const char *http_error_words(enum http_error error);

struct http_limits {
	size_t head_bytes; /* 0: 16 KiB */
	size_t fields;     /* 0: 100 */
};

struct http_field {
	struct slice name, value;
};

/** A head as read, or to be written. */
struct http_head {
	/* request; in a response that of the request it answers */
	enum http_method method;
	struct slice
		target;    /* origin-form, canonical, see http_target_is_canonical() */
	struct slice host; /* value of Host, lower case in the arena */
	/* response */
	unsigned status; /* 0 in requests */
	/* both */
	/* The end-to-end fields. Not here: Host, Content-Length and Transfer-Encoding,
	 * which are above and below, Expect, and what speaks of this hop alone:
	 * Connection and all fields it names, Keep-Alive, Proxy-Connection, TE,
	 * Trailer, Upgrade. A head as read may be written as it stands. */
	const struct http_field *fields;
	size_t n_fields;
	enum http_framing framing;
	uint64_t
		content_length; /* of HTTP_LENGTH; also as read without a body (HEAD) */
	bool keep_alive;
	bool expects_continue; /* request as read: waits for 100 before its body */
};

/** Progress of the search for the end of a head, over calls with ever more bytes. */
struct http_scan {
	size_t seen;
};
/**
 * Look for the empty line. Looks at each byte once.
 * @param scan   zeroed before the first call for a head
 * @param bytes  all bytes received of this head so far
 * @param size   set to the length of the head with its empty line
 * @return 1 found, 0 more bytes are needed, -1 with *error (bare LF, too large)
 */
int http_scan(struct http_scan *scan, struct slice bytes,
	      const struct http_limits *limits, size_t *size, enum http_error *error);

/**
 * Parse a whole request head, as measured by http_scan(). Slices of @p out point into
 * @p bytes or the arena.
 * Cost: two passes over the bytes, one allocation for the fields and one for Host.
 * Source: RFC 9112, 2 to 7, and stricter where it leaves a choice.
 */
enum http_error http_request_parse(struct slice bytes, const struct http_limits *limits,
				   struct arena *arena, struct http_head *out);
/**
 * Parse a whole response head to a request of @p method. HEAD, 1xx, 204 and 304
 * have no body; a response without framing is refused (no read-until-close).
 */
enum http_error http_response_parse(struct slice bytes,
				    const struct http_limits *limits,
				    enum http_method method, struct arena *arena,
				    struct http_head *out);
/** The only field of that name (any case); NULL when none or several. */
const struct http_field *http_field(const struct http_head *head, const char *name);
/** How often a field name occurs. */
size_t http_field_count(const struct http_head *head, const char *name);

/**
 * One spelling for one resource: starts with `/`, no empty or dot segments (`/` alone
 * is the root), no `;` parameters, no fragment, percent escapes of two upper-case hex
 * digits only where they are needed, none for `/ \ . ; %` or controls, no backslash or
 * bytes over 0x7e. Escapes of bytes over 0x7f spell UTF-8, and no C1 control. The query
 * (after `?`) allows the same characters and `/ ? ;`, and escapes of its delimiters.
 * Source: RFC 3986, 3.3 and 3.4.
 */
bool http_target_is_canonical(struct slice target);
/** Split at `?`; query is {NULL,0} when there is none. */
void http_target_split(struct slice target, struct slice *path, struct slice *query);

enum http_body_state {
	HTTP_BODY_SIZE_FIRST, /* first digit of a chunk's size */
	HTTP_BODY_SIZE,
	HTTP_BODY_SIZE_LF,
	HTTP_BODY_DATA, /* also the state of a body with a length */
	HTTP_BODY_DATA_CR,
	HTTP_BODY_DATA_LF,
	HTTP_BODY_TRAILER_FIRST, /* a trailer's name, or the last empty line */
	HTTP_BODY_TRAILER_NAME,
	HTTP_BODY_TRAILER_VALUE,
	HTTP_BODY_TRAILER_LF,
	HTTP_BODY_LAST_LF,
	HTTP_BODY_DONE,
};

/** Decoder of one body, push style. */
struct http_body {
	enum http_framing framing;
	enum http_body_state state;
	uint64_t left;
	unsigned line_bytes; /* of the chunk line or trailers so far */
};
void http_body_init(struct http_body *body, const struct http_head *head);
/**
 * Eat bytes. The outcome does not depend on how the bytes are cut into calls. Chunk
 * extensions are refused.
 * @param in       what arrived; may be empty
 * @param eaten    how many bytes of @p in belong to the body and are done with
 * @param payload  the next run of body bytes, inside @p in; may be empty
 * @return HTTP_OK or the error. Call again while *eaten > 0 and bytes are left.
 * Source: RFC 9112, 6 and 7.1.
 */
enum http_error http_body_feed(struct http_body *body, struct slice in, size_t *eaten,
			       struct slice *payload);
bool http_body_is_done(const struct http_body *body);

/**
 * Append a head. Adds the framing fields itself (Content-Length,
 * Transfer-Encoding), Host for requests, Connection: close unless keep_alive, and
 * Date for responses that have none. A CR, LF or NUL in any part is our bug and
 * aborts, as does a field that this function writes itself.
 */
void http_write_head(struct evbuffer *out, const struct http_head *head);
/** Append one chunk, taking the bytes out of @p data without copying; nothing when it
 * is empty. */
void http_write_chunk(struct evbuffer *out, struct evbuffer *data);
void http_write_last_chunk(struct evbuffer *out);
/** "Not Found" and the like; "" for unknown codes. */
const char *http_status_phrase(unsigned status);

#endif
