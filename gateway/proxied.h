/*
 * Connections that come through a proxy, until the header is read with which each of
 * them begins. It is mandatory where a proxy is expected, and nowhere else is it looked
 * for. What it tells serves logs and limits; who the device is, TLS says.
 */
#ifndef GATEWAY_PROXIED_H
#define GATEWAY_PROXIED_H

#include "gateway/airnet.h"

/**
 * Read the header of an accepted socket and make a session of it.
 *
 * Who is not of a listed network, or sends anything else, or not all of it in time, is
 * logged, counted and closed without an answer.
 * @param fd  taken; nothing has been read from it
 */
void proxied_accept(struct airnet *airnet, int fd);
/** Close those that are left. */
void proxied_cut_all(struct airnet *airnet);

#endif
