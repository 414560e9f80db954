/*
 * Socket addresses and their text.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_CHARS 53 /* "[", IPv6 with IPv4 tail, "]:65535" */

/** Write "192.0.2.1:4711", "[2001:db8::1]:4711" or "unix", and a NUL. */
void address_format(const struct sockaddr *address, char out[ADDRESS_CHARS + 1]);
/** Parse "ip:port", "[ip6]:port" or "unix:/path" without any look-up. @return false for
 * anything else */
bool address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size);

#endif
