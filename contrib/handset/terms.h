/*
 * Terms and conditions: how they reach the user, and how the user's answer reaches the
 * server (seed Fig 7B, 732 to 736); by short message, or over the wide band.
 */
#ifndef CONTRIB_HANDSET_TERMS_H
#define CONTRIB_HANDSET_TERMS_H

#include "contrib/handset/handset.h"

/** Once, before power on. */
void terms_init(struct handset *handset);
/** Look for the terms of the offer among the received messages. */
void terms_find(struct handset *handset);
/** Fetch the terms over the wide band. */
void terms_read(struct handset *handset);
/**
 * Send the user's answer the way by which the terms came. Messages can be lost, and
 * one can overtake the operator's own news that the terms were sent: while the offer
 * stays open, the same answer is sent again a few times.
 *
 * @param is_online  over the wide band in any case
 */
void terms_answer(struct handset *handset, bool is_accepted, bool is_online);
/** The answer by short message has left, or could not (@p error). */
void terms_answer_sent(struct handset *handset, const char *error);

#endif
