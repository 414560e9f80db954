/*
 * Who runs the program, for events that tell who looked at data of a person. It is the
 * user of the system, for whoever may be an operator at all could claim to be anybody.
 */
#ifndef PROVCTL_WHO_H
#define PROVCTL_WHO_H

#include "base/arena.h"

/**
 * The name of the user; of one who became root by sudo, the one before: "ada (root)".
 *
 * @param arena  borrowed; the text lives in it
 * @return never NULL; "uid 1001" for a user without a name
 */
const char *who_runs(struct arena *arena);
/** As who_runs(), for any user. @param sudo_user  borrowed; of the environment, or NULL
 */
const char *who_is(struct arena *arena, unsigned int uid, const char *sudo_user);

#endif
