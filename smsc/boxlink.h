/*
 * The connection to bearerbox: connects, says who we are, beats, connects again with
 * a back-off, and passes whole messages both ways. Knows frames, not what they mean.
 */
#ifndef SMSC_BOXLINK_H
#define SMSC_BOXLINK_H

#include "base/loop.h"
#include "smsc/box.h"

struct boxlink;

struct boxlink_settings {
	const char *address; /* of bearerbox's smsbox-port; borrowed, as box_id */
	const char *box_id;
	int64_t heartbeat_ms;
	int64_t connect_timeout_ms; /* also: nothing could be written for so long */
	int64_t reconnect_max_ms;
};

/** All are called from the loop, never from inside a function of this header. */
struct boxlink_callbacks {
	void (*on_up)(void *arg);
	void (*on_down)(void *arg);
	/* @p message is borrowed for the call. */
	void (*on_message)(void *arg, const struct box_message *message);
	void *arg;
};

/** Make the link and begin to connect. */
struct boxlink *boxlink_new(struct loop *loop, const struct boxlink_settings *settings,
			    const struct boxlink_callbacks *callbacks);
void boxlink_free(struct boxlink *link);

/** Whether messages can be sent now. */
bool boxlink_is_up(const struct boxlink *link);
/** The number of its connection, from 1: work begun on one must not go out on the next.
 */
uint64_t boxlink_connection(const struct boxlink *link);
/**
 * Send one message, in one write with what else is sent in this turn of the loop.
 * @return false when the link is down, or box_write() refuses the message
 */
bool boxlink_send(struct boxlink *link, const struct box_message *message)
	__attribute__((warn_unused_result));
/** Is there as much unsent as should be? */
bool boxlink_is_full(const struct boxlink *link);
/** End this connection and make a new one; on_down() comes. @p why for the log. */
void boxlink_reset(struct boxlink *link, const char *why);
/** Stop and go on reading: the owner has more than it can store. */
void boxlink_hold(struct boxlink *link);
void boxlink_release(struct boxlink *link);

#endif
