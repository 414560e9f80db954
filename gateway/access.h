/*
 * What a session has reached with one srv: the standing that its server told and the
 * grant that goes with each request. Knows no session, no HTTP; time is told to it.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include "auth/auth.h"

/** Zeroed: nothing is reached yet. */
struct access {
	bool is_granted;
	enum standing standing;
	char *grant; /* base64url; owned */
	int64_t granted_ms;
};

/** Keep what an authentication brought, in place of what there was. */
void access_set(struct access *access, const struct auth_information *information,
		int64_t now_ms);
/** Nothing is reached any more. */
void access_clear(struct access *access);
/** Whether its grant is good for a request now: there is one, and it has a minute left
 * before the server would call it expired. */
bool access_is_fresh(const struct access *access, int64_t now_ms);
/** @return why its standing may do nothing at all, or REASON_NONE */
enum auth_reason access_refusal(const struct access *access);

#endif
