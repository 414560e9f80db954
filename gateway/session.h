/*
 * An airnet session: one connection of one device, from handshake to end. Learns who
 * the device is, makes a transaction of each request, and tells why it ended.
 */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "base/address.h"
#include "base/proxy.h"
#include "gateway/access.h"
#include "gateway/airnet.h"
#include "gateway/presence.h"

struct transaction;

struct session {
	TAILQ_ENTRY(session) entry;
	struct presence_entry by_device;
	struct airnet *airnet;
	struct link *link;
	struct auth_claims claims;                     /* gw, sid, dev, cred, binding */
	char sid[BASE64URL_CHARS(AUTH_SID_BYTES) + 1]; /* as the server logs it */
	char via[ADDRESS_CHARS + 1];                   /* the proxy between; "": none */
	bool is_local;                                 /* the proxy's own connection */
	bool is_verified;                /* the device's certificate and identifier */
	enum auth_reason refusal;        /* why every request is refused */
	enum auth_reason end;            /* why the session is ending */
	struct access *accesses;         /* one for each route */
	struct transaction *transaction; /* the present one, or NULL */
	struct route *route;             /* of the last request, or NULL */
	bool is_admitted;                /* to be authenticated, once */
	struct gate_entry gate;
	size_t seat; /* among those of its credential */
	int64_t start_ms;
	uint64_t n_requests;
};

/**
 * Make a session of an accepted socket.
 * @param fd    taken
 * @param told  borrowed; what a proxy said of it, or NULL: there is none
 */
void session_accept(struct airnet *airnet, int fd, const struct proxy_header *told);
/** End it after the answer that follows; which says so. */
void session_end_with(struct session *session, enum auth_reason reason);
/**
 * What a server granted to a device, or to all devices, is worth nothing any more.
 *
 * Each of its sessions authenticates with that server before its next forward. Where
 * the device is blocked, those that speak with this server end: what is in the middle
 * of an answer, too, since an answer may take as long as a handset likes.
 * One that is just authenticating ends with what comes of that.
 * @return how many sessions
 * Cost: O(sessions of the device); where all are meant, O(sessions).
 */
size_t session_revoke_all(struct airnet *airnet, const struct route *route,
			  const struct control_line *line);
/** End those whose credential has newer sessions enough. */
void session_end_called(struct airnet *airnet);
/** End every session: idle ones now, others after their answer, new ones after their
 * first. @return how many there are; who is still in the handshake is none */
size_t session_drain_all(struct airnet *airnet);
/** Abort what is still there, strangers in their handshake, too. @return how many
 * requests that cut */
size_t session_cut_all(struct airnet *airnet);

#endif
