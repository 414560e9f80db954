/*
 * The connection to bearerbox: connects, says who we are, beats, connects again with
 * a back-off, and passes whole messages both ways. Knows frames, not what they mean.
 */
#ifndef SMSC_LINK_H
#define SMSC_LINK_H

#include "base/loop.h"
#include "smsc/box.h"

struct link;

struct link_settings {
	const char *address; /* of bearerbox's smsbox-port; borrowed, as box_id */
	const char *box_id;
	int64_t heartbeat_ms;
	int64_t connect_timeout_ms; /* also: nothing could be written for so long */
	int64_t reconnect_max_ms;
};

/** All are called from the loop, never from inside a function of this header. */
struct link_callbacks {
	void (*on_up)(void *arg);
	void (*on_down)(void *arg);
	/* @p message is borrowed for the call. */
	void (*on_message)(void *arg, const struct box_message *message);
	void *arg;
};

/** Make the link and begin to connect. */
struct link *link_new(struct loop *loop, const struct link_settings *settings,
		      const struct link_callbacks *callbacks);
void link_free(struct link *link);

bool link_is_up(const struct link *link);
/** Counts connections: work begun on one must not go out on the next. */
uint64_t link_generation(const struct link *link);
/**
 * Send one message.
 * @return false when the link is down, or box_write() refuses the message
 */
bool link_send(struct link *link, const struct box_message *message)
	__attribute__((warn_unused_result));
/** Is there as much unsent as should be? */
bool link_is_full(const struct link *link);
/** End this connection and make a new one; on_down() comes. @p why for the log. */
void link_reset(struct link *link, const char *why);
/** Stop and go on reading: the owner has more than it can store. */
void link_hold(struct link *link);
void link_release(struct link *link);

#endif
