/*
 * An airnet session: one connection of one device, from handshake to end. Decides for
 * each request: authenticate, forward, answer, refuse. Forwards only for a device and a
 * server that both were authenticated.
 */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "gateway/airnet.h"

/** Make a session of an accepted socket. @param fd taken */
void session_accept(struct airnet *airnet, int fd);
/** End every session: idle ones now, others after their answer. */
void session_drain_all(struct airnet *airnet);
/** Abort what is still there. @return how many sessions that were */
size_t session_cut_all(struct airnet *airnet);

#endif
