/*
 * Steps of the provisioning application on the wide band, from the first call to the
 * end of the request (seed Fig 7A).
 */
#ifndef CONTRIB_HANDSET_PROVISION_H
#define CONTRIB_HANDSET_PROVISION_H

#include "contrib/handset/handset.h"

/** Once, before power on. */
void provision_init(struct handset *handset);

/* What to do on entering a state. */
void provision_connect(struct handset *handset);
void provision_read_device(struct handset *handset);
void provision_read_catalogue(struct handset *handset);
void provision_request(struct handset *handset);
void provision_await(struct handset *handset);
void provision_await_terms(struct handset *handset);

/** The user is done choosing and typing: make the request and store it. */
void provision_order(struct handset *handset);
/** The server's view of the request has changed: go where it leads. */
void provision_follow(struct handset *handset);
/**
 * Read an answer that should be the request; on failure move to the end that fits.
 * @return false when the answer was none; the state has then changed
 */
bool provision_take_request(struct handset *handset,
			    const struct session_answer *answer);

#endif
