/*
 * States of the provisioning application, as data: which events a state accepts, to
 * which states it may go, and how long it may last. Knows nothing of how things are
 * done.
 */
#ifndef CONTRIB_HANDSET_STATE_H
#define CONTRIB_HANDSET_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "contrib/handset/handset_config.h"

enum state {
	STATE_OFF,
	STATE_CONNECTING, /* to the gateway */
	STATE_SESSION,    /* waiting for the server's proof; nothing personal yet */
	STATE_DEVICE,     /* reading what the server knows of this device */
	STATE_CATALOGUE,
	STATE_CHOOSING,   /* the user chooses and types */
	STATE_REQUESTING, /* the request goes out */
	STATE_WAITING,    /* the server verifies */
	STATE_OFFERED,    /* terms were pushed; they are not here yet */
	STATE_DECIDING,   /* the user reads the terms */
	STATE_ANSWERED,   /* YES or NO is on its way */
	STATE_FETCHING,
	STATE_INSTALLING,
	STATE_TESTING,
	STATE_ASKING,         /* it failed; the user says whether to have it again */
	STATE_RETRANSMITTING, /* that goes out */
	STATE_CONFIRMING,     /* the result of one item goes out */
	STATE_SETTLING, /* it is the server's turn: how it ended, or more to fetch */
	STATE_DONE,
	STATE_DECLINED,
	STATE_REFUSED,
	STATE_FAILED,
	STATE_N,
};

enum state_event {
	EVENT_POWER_ON,
	EVENT_CONNECTED,
	EVENT_PROVEN,
	EVENT_DEVICE_READ,
	EVENT_CATALOGUE_READ,
	EVENT_ORDERED,      /* the user has sent the form */
	EVENT_REQUEST_READ, /* the server's view of the request has come */
	EVENT_TERMS,        /* the terms are here */
	EVENT_ANSWER,       /* the user said yes or no */
	EVENT_FETCHED,
	EVENT_STAGED,
	EVENT_TESTED,
	EVENT_ITEM_FAILED,
	EVENT_AGAIN,    /* the user wants the item sent again */
	EVENT_GIVEN_UP, /* or not */
	EVENT_CONFIRMED,
	EVENT_CANCEL, /* the user takes the request back */
	EVENT_LIMIT,  /* the state lasted too long */
	EVENT_FAILED, /* it cannot go on */
	EVENT_N,
};

const char *state_name(enum state state);
bool state_parse(struct slice name, enum state *out);
const char *state_event_name(enum state_event event);
/** Whether an event means something in a state; what does not is passed over. */
bool state_accepts(enum state state, enum state_event event);
/** Whether the table has the move; another one is our bug. */
bool state_may_move(enum state from, enum state to);
/** Has the provisioning ended in this state? */
bool state_is_final(enum state state);
/** How long the state may last; 0: for ever. */
int64_t state_limit_ms(enum state state, const struct handset_config *config);

#endif
