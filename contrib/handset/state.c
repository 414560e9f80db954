#include "contrib/handset/state.h"

#define E(event)     (1u << EVENT_##event)
#define S(state)     (1u << STATE_##state)
#define LIMIT(key)   offsetof(struct handset_config, key##_limit_ms)
#define NO_LIMIT     0 /* the title stands there */
#define ENDS         (E(LIMIT) | E(FAILED))
#define FINAL_STATES (S(DONE) | S(DECLINED) | S(REFUSED) | S(FAILED))
/* Where the server's view of a request can lead. */
#define REQUEST_STATES \
	(S(WAITING) | S(OFFERED) | S(FETCHING) | S(SETTLING) | FINAL_STATES)

static const struct {
	const char *name;
	unsigned events, moves;
	size_t limit; /* offset in the config */
} states[STATE_N] = {
	[STATE_OFF] = { "off", E(POWER_ON), S(CONNECTING), NO_LIMIT },
	[STATE_CONNECTING] = { "connecting", E(CONNECTED) | ENDS,
			       S(SESSION) | S(FAILED), LIMIT(connect) },
	[STATE_SESSION] = { "session", E(PROVEN) | ENDS, S(DEVICE) | S(FAILED),
			    LIMIT(connect) },
	[STATE_DEVICE] = { "device", E(DEVICE_READ) | ENDS,
			   S(CATALOGUE) | S(REQUESTING) | S(FAILED), LIMIT(connect) },
	[STATE_CATALOGUE] = { "catalogue", E(CATALOGUE_READ) | ENDS,
			      S(CHOOSING) | S(FAILED), LIMIT(connect) },
	[STATE_CHOOSING] = { "choosing", E(ORDERED) | E(FAILED),
			     S(REQUESTING) | S(FAILED), NO_LIMIT },
	[STATE_REQUESTING] = { "requesting", E(REQUEST_READ) | ENDS, REQUEST_STATES,
			       LIMIT(server) },
	[STATE_WAITING] = { "waiting", E(REQUEST_READ) | E(CANCEL) | ENDS,
			    REQUEST_STATES, LIMIT(server) },
	[STATE_OFFERED] = { "offered", E(REQUEST_READ) | E(TERMS) | E(CANCEL) | ENDS,
			    S(DECIDING) | S(FETCHING) | S(SETTLING) | FINAL_STATES,
			    LIMIT(terms) },
	[STATE_DECIDING] = { "deciding", E(REQUEST_READ) | E(ANSWER) | E(CANCEL) | ENDS,
			     S(ANSWERED) | S(FETCHING) | S(SETTLING) | FINAL_STATES,
			     LIMIT(terms) },
	[STATE_ANSWERED] = { "answered", E(REQUEST_READ) | E(CANCEL) | ENDS,
			     S(DECIDING) | S(FETCHING) | S(SETTLING) | FINAL_STATES,
			     LIMIT(server) },
	[STATE_FETCHING] = { "fetching", E(FETCHED) | E(ITEM_FAILED) | ENDS,
			     S(INSTALLING) | S(ASKING) | S(CONFIRMING) | S(FAILED),
			     LIMIT(transfer) },
	[STATE_INSTALLING] = { "installing", E(STAGED) | E(ITEM_FAILED) | ENDS,
			       S(TESTING) | S(ASKING) | S(CONFIRMING) | S(FAILED),
			       LIMIT(transfer) },
	[STATE_TESTING] = { "testing", E(TESTED) | E(ITEM_FAILED) | ENDS,
			    S(ASKING) | S(CONFIRMING) | S(FAILED), LIMIT(server) },
	[STATE_ASKING] = { "asking", E(AGAIN) | E(GIVEN_UP) | ENDS,
			   S(RETRANSMITTING) | S(CONFIRMING) | S(FAILED),
			   LIMIT(again) },
	[STATE_RETRANSMITTING] = { "retransmitting", E(REQUEST_READ) | ENDS,
				   S(FETCHING) | S(SETTLING) | FINAL_STATES,
				   LIMIT(server) },
	[STATE_CONFIRMING] = { "confirming", E(CONFIRMED) | ENDS,
			       S(FETCHING) | S(SETTLING) | FINAL_STATES,
			       LIMIT(server) },
	[STATE_SETTLING] = { "settling", E(REQUEST_READ) | E(CANCEL) | ENDS,
			     S(FETCHING) | FINAL_STATES, LIMIT(transfer) },
	[STATE_DONE] = { "done", 0, 0, NO_LIMIT },
	[STATE_DECLINED] = { "declined", 0, 0, NO_LIMIT },
	[STATE_REFUSED] = { "refused", 0, 0, NO_LIMIT },
	[STATE_FAILED] = { "failed", 0, 0, NO_LIMIT },
};

static const char *const events[EVENT_N] = {
	[EVENT_POWER_ON] = "power_on",
	[EVENT_CONNECTED] = "connected",
	[EVENT_PROVEN] = "proven",
	[EVENT_DEVICE_READ] = "device_read",
	[EVENT_CATALOGUE_READ] = "catalogue_read",
	[EVENT_ORDERED] = "ordered",
	[EVENT_REQUEST_READ] = "request_read",
	[EVENT_TERMS] = "terms",
	[EVENT_ANSWER] = "answer",
	[EVENT_FETCHED] = "fetched",
	[EVENT_STAGED] = "staged",
	[EVENT_TESTED] = "tested",
	[EVENT_ITEM_FAILED] = "item_failed",
	[EVENT_AGAIN] = "again",
	[EVENT_GIVEN_UP] = "given_up",
	[EVENT_CONFIRMED] = "confirmed",
	[EVENT_CANCEL] = "cancel",
	[EVENT_LIMIT] = "limit",
	[EVENT_FAILED] = "failed",
};

const char *state_name(enum state state)
{
	return states[state].name;
}

bool state_parse(struct slice name, enum state *out)
{
	for (int i = 0; i < STATE_N; i++)
		if (slice_eq(name, slice_of(states[i].name))) {
			*out = (enum state)i;
			return true;
		}
	return false;
}

const char *state_event_name(enum state_event event)
{
	return events[event];
}

bool state_accepts(enum state state, enum state_event event)
{
	return states[state].events & 1u << event;
}

bool state_may_move(enum state from, enum state to)
{
	return states[from].moves & 1u << to;
}

bool state_is_final(enum state state)
{
	return FINAL_STATES & 1u << state;
}

int64_t state_limit_ms(enum state state, const struct handset_config *config)
{
	size_t offset = states[state].limit;

	return offset == NO_LIMIT ? 0
				  : *(const int64_t *)((const char *)config + offset);
}
