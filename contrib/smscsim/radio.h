/*
 * The radio side: handsets on a Unix socket, each attached under one number, and the
 * lines of JSON that pass to and fro (doc/smsc.md). What messages mean is the
 * centre's.
 */
#ifndef CONTRIB_SMSCSIM_RADIO_H
#define CONTRIB_SMSCSIM_RADIO_H

#include "base/loop.h"
#include "contrib/smscsim/sms.h"

struct centre;
struct radio;

/**
 * Listen on a Unix socket; an old socket file at @p path is replaced.
 * @return NULL after logging why not
 */
struct radio *radio_open(struct loop *loop, const char *path, struct centre *centre);
void radio_close(struct radio *radio);

/** A handset is attached under this number, and reads. */
bool radio_can_deliver(struct radio *radio, const char *number);
/** @return true when the handset can be reached and the part is written to it */
bool radio_deliver(struct radio *radio, const struct sms *sms);
/** Tell a handset that its message was taken, under @p id. */
void radio_sent(struct radio *radio, uint64_t handset, uint64_t id);
/** Tell a handset that its message was not taken; @p error is a word of doc/smsc.md. */
void radio_not_sent(struct radio *radio, uint64_t handset, const char *error);

#endif
