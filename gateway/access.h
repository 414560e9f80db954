/*
 * What a session has reached with one srv: the standing that its server told and the
 * grant that goes with each request. Knows no session, no HTTP; time is told to it, and
 * the watch of control.h, for which an authentication holds.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include "auth/auth.h"

/** Zeroed: nothing is reached yet. */
struct access {
	bool is_asked; /* the server knows of the session, or soon will */
	bool is_granted;
	enum standing standing;
	char *grant; /* base64url; owned */
	int64_t granted_ms;
	uint64_t watch; /* when the server was asked; 0: holds for one request */
};

/** The server is being asked; what there was is gone. @param watch  of now */
void access_ask(struct access *access, uint64_t watch);
/** Keep what the server answered, for the watch in which it was asked: what was
 * changed between is not missed. */
void access_set(struct access *access, const struct auth_information *information,
		int64_t now_ms);
/** Nothing is reached any more. */
void access_clear(struct access *access);
/** Authenticate before the next request, even if the server is being asked just now. */
void access_forget(struct access *access);
/** Whether its grant is good for a request now: there is one, of this watch, and
 * it has a minute left before the server would call it expired. */
bool access_is_fresh(const struct access *access, uint64_t watch, int64_t now_ms);
/** @return why its standing may do nothing at all, or REASON_NONE */
enum auth_reason access_refusal(const struct access *access);

#endif
