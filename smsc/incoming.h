/*
 * What comes from bearerbox: acknowledgements, delivery reports, messages of handsets.
 * Each goes to the database first; only then it is acknowledged, so that nothing is
 * lost that was acknowledged. Texts are never logged.
 */
#ifndef SMSC_INCOMING_H
#define SMSC_INCOMING_H

#include "smsc/boxlink.h"
#include "smsc/notices.h"
#include "smsc/store.h"
#include "smsc/window.h"

struct incoming;

/** All borrowed, and must outlive the incoming; the link is set when it is made. */
struct incoming_parts {
	struct boxlink *link;
	struct window *window;
	struct store *store;
	struct notices *notices;
};

/** There is one for the life of the process. */
struct incoming *incoming_new(struct loop *loop, const struct incoming_parts *parts);
/** Handle one message of the link; boxlink_callbacks.on_message. */
void incoming_message(struct incoming *incoming, const struct box_message *message);
/**
 * Since when bearerbox keeps a message that was not acknowledged because the database
 * failed it; it brings such messages again on its next connection.
 * @return 0 when it keeps none that this connection brought
 */
int64_t incoming_kept_ms(const struct incoming *incoming);

#endif
