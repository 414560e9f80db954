/*
 * Socket addresses as text. conn_address() of base/conn.h is the inverse.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <sys/socket.h>

#define ADDRESS_CHARS 53 /* "[", IPv6 with IPv4 tail, "]:65535" */

/** Write "192.0.2.1:4711", "[2001:db8::1]:4711" or "unix", and a NUL. */
void address_format(const struct sockaddr *address, char out[ADDRESS_CHARS + 1]);

#endif
