/*
 * Notices on their way out: due ones are leased from the database, cut into parts,
 * recorded part by part, and only then written to bearerbox, as many as the window
 * allows. Leasing also tells the database that this link is there, so that it keeps
 * its numbers. Knows nothing of reports; a notice that got no acknowledgement is found
 * in the database again.
 */
#ifndef SMSC_NOTICES_H
#define SMSC_NOTICES_H

#include "base/db.h"
#include "base/seal.h"
#include "smsc/boxlink.h"
#include "smsc/smsc_config.h"
#include "smsc/store.h"
#include "smsc/window.h"

struct notices;

/** All borrowed, and must outlive the notices. */
struct notices_parts {
	const struct smsc_config *config;
	const char *name;             /* of this link, in the database */
	const struct seal_keys *keys; /* open sealed texts; NULL: none */
	struct db *db;
	struct boxlink *link;
	struct window *window;
	struct store *store;
};

/** Does nothing until notices_link_up(). There is one for the life of the process. */
struct notices *notices_new(struct loop *loop, const struct notices_parts *parts);

/**
 * bearerbox is there. First everything that was under way is let come to rest, then
 * what was never acknowledged is made due again and what is unreported counted in the
 * window, then leasing begins.
 */
void notices_link_up(struct notices *notices);
/** bearerbox is gone: what is leased and not sent is forgotten here. */
void notices_link_down(struct notices *notices);
/** There is room in the window, or something was stored. */
void notices_advance(struct notices *notices);
/** New work is likely: look for it soon. */
void notices_expect(struct notices *notices);
/** Lease no more. */
void notices_stop(struct notices *notices);
/** Nothing is leased, recorded or being asked for. */
bool notices_are_idle(const struct notices *notices);

#endif
