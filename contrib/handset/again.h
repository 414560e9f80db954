/*
 * After an item failed: the user is asked whether to have it sent again, and that is
 * asked of the server (seed Fig 7B, 748 to 750).
 */
#ifndef CONTRIB_HANDSET_AGAIN_H
#define CONTRIB_HANDSET_AGAIN_H

#include "contrib/handset/handset.h"

/** Could it help to have the item sent again, which failed for this reason? */
bool again_may_help(const char *reason);
/** The user has decided. Ignored when nothing was asked. */
void again_decide(struct handset *handset, bool is_wanted);

/* What to do on entering a state. */
void again_request(struct handset *handset);

#endif
