/*
 * Networks as configurations name them: "192.0.2.0/24", "2001:db8::/32".
 */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <sys/socket.h>

#include "base/slice.h"

struct network {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint8_t prefix[16];
	unsigned bits; /* of it that count */
};

/**
 * Read a numeric address and the length of its prefix, which is always written; what
 * lies beyond the prefix is zero ("192.0.2.1/24" is refused).
 * @return false when @p text is none
 */
bool network_parse(const char *text, struct network *out);
/** Whether @p address lies in it; an address of another family never does. */
bool network_has(const struct network *network, const struct sockaddr *address);

#endif
