/*
 * The provisioning request that has not ended: its id and the exact bytes that were
 * or will be sent. Written before the request leaves the handset, so that after a
 * power cut the same request goes on: the server knows it by its id and its bytes.
 */
#ifndef CONTRIB_HANDSET_JOURNAL_H
#define CONTRIB_HANDSET_JOURNAL_H

#include "base/codec.h"

struct journal {
	char id[UUID_CHARS + 1];
	char *body;      /* malloc'd JSON text */
	int64_t made_ms; /* wall clock */
};

/** Store. @return false with errno */
bool journal_write(const struct journal *journal) __attribute__((warn_unused_result));
/** @return false when no request is open; @p out->body is the caller's otherwise */
bool journal_read(struct journal *out);
/** The request has ended. The body, and with it the user's data, is gone. */
void journal_clear(void);

#endif
