/*
 * One leased notice: its text in parts, which of them are to be sent, under which
 * UUIDs, and the box messages that carry them. No I/O.
 */
#ifndef SMSC_NOTICE_H
#define SMSC_NOTICE_H

#include <sys/queue.h>

#include "base/codec.h"
#include "base/db.h"
#include "base/seal.h"
#include "smsc/box.h"
#include "smsc/text.h"

struct notice {
	STAILQ_ENTRY(notice) link;
	struct arena *arena; /* of everything below */
	/* Why it cannot be sent, a reason code and a word for the log; NULL: it can.
	 * What cannot be opened now may be, when the keys are mended. */
	const char *problem, *why;
	bool is_hopeless;
	const char *id, *token;
	struct slice msisdn, sender;
	uint8_t reference;            /* of the concatenation */
	int64_t leased_s, validity_s; /* by the clock of the database; from then on */
	struct slice secret; /* its text, when it came sealed; wiped with the notice */
	struct text_parts text;
	size_t n_open;                /* parts that are to be sent */
	uint8_t open[TEXT_MAX_PARTS]; /* their numbers, from 1 */
	char uuid[TEXT_MAX_PARTS][UUID_CHARS + 1];
};

/**
 * Take a row of STATEMENT_LEASE.
 * @param keys  borrowed; open sealed texts; NULL: there are none
 * @return where its problem is set, nothing but that, id and token is filled
 */
struct notice *notice_new(const struct seal_keys *keys, const PGresult *result,
			  int row);
void notice_free(struct notice *notice);

/**
 * Make the box message of an open part.
 * @param index     0..n_open - 1
 * @param box_id    where reports go to
 * @param out       borrows from the notice
 */
void notice_message(struct notice *notice, size_t index, struct slice box_id,
		    struct box_message *out);

#endif
