/*
 * The user takes the request back, as long as nothing of it is being delivered. Whether
 * it is early enough the server says.
 */
#ifndef CONTRIB_HANDSET_CANCEL_H
#define CONTRIB_HANDSET_CANCEL_H

#include "contrib/handset/handset.h"

/** Is there a request that may still be taken back, as far as the handset knows? */
bool cancel_is_possible(const struct handset *handset);
/**
 * Ask the server to cancel the request; asked for twice it is sent once.
 *
 * The run ends when the server has done it. When it is too late the user is told why,
 * and the request goes on.
 * @return false when there is nothing to cancel
 */
bool cancel_request(struct handset *handset);

#endif
