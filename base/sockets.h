/*
 * The listening sockets of a daemon, each opened once for an address and a worker slot
 * and handed from generation to generation, so that no connection that waits in one is
 * lost. A socket that no generation names any more is closed, but one that systemd has
 * opened for us, perhaps with rights that we lack.
 */
#ifndef BASE_SOCKETS_H
#define BASE_SOCKETS_H

#include <sys/types.h>

#include "base/slice.h"

struct socket_row;
struct socket_given;

struct sockets {
	struct socket_row *rows;
	size_t n;
	struct socket_given *given;
	size_t n_given;
};

/**
 * Take the descriptors @p first and following, @p n in all, which listen already: from
 * now on they are what sockets_get() gives for their addresses.
 * @return false after logging which one is no listening stream socket
 */
bool sockets_take(struct sockets *sockets, int first, size_t n)
	__attribute__((warn_unused_result));
/** Log each that was taken and that no address has asked for. */
void sockets_tell_unused(const struct sockets *sockets);
/** Close what was taken. */
void sockets_close_taken(struct sockets *sockets);

/**
 * The socket of @p address for worker @p slot: the one that there is, or a new one.
 * Of a socket file there is only one, for all slots; of an address that was taken there
 * are as many as were given, and slots share them.
 * @param user  0..31: who keeps it, until sockets_release()
 * @return borrowed, or -1 after logging why it cannot listen
 */
int sockets_get(struct sockets *sockets, const char *address, size_t slot,
		unsigned user) __attribute__((warn_unused_result));
/** As sockets_get(), of the admin listener, whose file then belongs to @p uid, @p gid.
 */
int sockets_get_admin(struct sockets *sockets, const char *address, uid_t uid,
		      gid_t gid, unsigned user) __attribute__((warn_unused_result));
/** How many slots an address has; 0: it is new. */
size_t sockets_count(const struct sockets *sockets, const char *address);
/** @p user keeps nothing any more: close what nobody keeps. */
void sockets_release(struct sockets *sockets, unsigned user);

#endif
