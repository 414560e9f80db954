/*
 * Reasons in plain words, for the person who holds the handset, and the exit status
 * by which a script tells them apart. One row for each reason code that the handset
 * makes itself or can be told by gateway and server.
 */
#ifndef CONTRIB_HANDSET_WORDS_H
#define CONTRIB_HANDSET_WORDS_H

#include "base/slice.h"

/** How a run ended. */
enum outcome {
	OUTCOME_DONE,
	OUTCOME_FAILED,
	OUTCOME_USAGE,
	OUTCOME_DECLINED,
	OUTCOME_REFUSED,       /* the request was refused by the server */
	OUTCOME_NOT_INSTALLED, /* nothing could be installed */
	OUTCOME_EXPIRED,
	OUTCOME_DEVICE_UNKNOWN,
	OUTCOME_DEVICE_BLOCKED,
	OUTCOME_LIMITED,
	OUTCOME_NOT_AUTHENTICATED, /* gateway and device did not accept each other */
	OUTCOME_NOT_PROVEN,        /* the server did not prove that it is the server */
	OUTCOME_STOPPED,           /* by the user */
	OUTCOME_SCRIPT,            /* the script expected something else */
	OUTCOME_UNREACHABLE,
	OUTCOME_CONFIG,
	OUTCOME_N,
};

const char *outcome_name(enum outcome outcome);
/** Exit status of the process; different for each outcome. */
int outcome_exit_status(enum outcome outcome);

/** Has this reason a row of its own? */
bool words_know(struct slice reason);
/** One or two sentences. An unknown reason gets a general one. */
const char *words_sentence(struct slice reason);
enum outcome words_outcome(struct slice reason);
/** State of a request or item in plain words: "Waiting for your answer". */
const char *words_state(struct slice state);

#endif
