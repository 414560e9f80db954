/*
 * Terms by mail: a kind of effect. The message is brought to one server of the
 * operator, the submission server or relay, over TLS.
 */
#ifndef PROVISIONING_MAIL_H
#define PROVISIONING_MAIL_H

#include "provisioning/effect.h"

extern const struct effect_kind mail_kind;

/** What comes of a message by what the server last said. */
enum mail_verdict {
	MAIL_FAILED,  /* now; the same may be taken later */
	MAIL_REFUSED, /* its address would be refused each time */
};
/**
 * Read the reply to a message that was not taken. Only what speaks of the address is
 * final: 550, 551, 553, 556. The other 5yz may be a wrong password, a full disk, or a
 * server that is being set up, and the message is not to be lost for those.
 *
 * @param code  0: there was none
 * Source: RFC 5321, 4.2.2; RFC 7504, 5
 */
enum mail_verdict mail_judge(unsigned code);

#endif
