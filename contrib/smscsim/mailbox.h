/*
 * Messages kept for numbers that are out of coverage, bounded for each number and in
 * all. Knows no protocol.
 */
#ifndef CONTRIB_SMSCSIM_MAILBOX_H
#define CONTRIB_SMSCSIM_MAILBOX_H

#include "contrib/smscsim/message.h"

#define MAILBOX_MESSAGES     100
#define MAILBOX_MESSAGES_ALL 100000

struct mailboxes;

/** Empty. Never NULL; freed by mailboxes_free(). */
struct mailboxes *mailboxes_new(void);
/** Frees the messages too. */
void mailboxes_free(struct mailboxes *boxes);
/**
 * Keep a message for its number.
 * @param message  taken when true is returned
 * @return false when there is no room
 */
bool mailboxes_put(struct mailboxes *boxes, struct message *message);
/** Take the oldest message of a number; NULL when there is none. The caller frees it.
 */
struct message *mailboxes_take(struct mailboxes *boxes, const char *number);

#endif
