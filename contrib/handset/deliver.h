/*
 * Steps for one item: fetch, install, test, confirm (seed Fig 7B, 738 to 746).
 */
#ifndef CONTRIB_HANDSET_DELIVER_H
#define CONTRIB_HANDSET_DELIVER_H

#include "contrib/handset/handset.h"

#define DELIVER_RESIDENT_FORMAT "resident/%s/program"

/** Once, before power on. */
void deliver_init(struct handset *handset);

/* What to do on entering a state. */
void deliver_fetch(struct handset *handset);
void deliver_install(struct handset *handset);
void deliver_test(struct handset *handset);
void deliver_confirm(struct handset *handset);

#endif
