/*
 * One line of a control stream: a heartbeat, or a device whose grants are worth
 * nothing any more. Knows JSON, no connection. doc/landnet.md has the meaning.
 */
#ifndef GATEWAY_CONTROL_LINE_H
#define GATEWAY_CONTROL_LINE_H

#include "auth/auth.h"

/** Longest line, without its LF. */
#define CONTROL_LINE_BYTES 1024

struct control_line {
	bool is_heartbeat;            /* then the others are unset */
	char dev[AUTH_DEV_CHARS + 1]; /* "": all devices */
	int64_t epoch;                /* for the log */
	bool is_blocked;              /* sessions end; else they authenticate again */
};

/**
 * Read a line as strictly as any other body of the protocol: exactly the members of one
 * kind, each of its type, identifiers in their one form.
 *
 * @param text  borrowed; without its LF
 * @param why   on failure one clause for the log; holds nothing of @p text
 * @return false: the stream is not to be believed any more
 * Source: reference/security.md 4.0; doc/landnet.md, The control stream.
 */
bool control_line_decode(struct slice text, struct control_line *line, char *why,
			 size_t why_size);

#endif
