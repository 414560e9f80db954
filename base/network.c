#include "base/network.h"

#include <arpa/inet.h>

static bool parse_prefix(struct slice text, struct network *out)
{
	char copy[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	memset(out, 0, sizeof(*out));
	out->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	return inet_pton(out->family, copy, out->prefix) == 1;
}

static bool bit_is_set(const uint8_t *bytes, unsigned bit)
{
	return bytes[bit / 8] & 0x80 >> bit % 8;
}

bool network_parse(const char *text, struct network *out)
{
	const char *slash = strchr(text, '/');
	unsigned max;
	uint64_t bits;

	if (!slash || !parse_prefix(slice_make(text, (size_t)(slash - text)), out))
		return false;
	max = out->family == AF_INET ? 32 : 128;
	if (!slice_to_u64(slice_of(slash + 1), max, &bits))
		return false;
	out->bits = (unsigned)bits;
	for (unsigned bit = out->bits; bit < max; bit++)
		if (bit_is_set(out->prefix, bit))
			return false;
	return true;
}

bool network_has(const struct network *network, const struct sockaddr *address)
{
	const void *bytes;
	const unsigned whole = network->bits / 8, rest = network->bits % 8;

	if (address->sa_family != network->family)
		return false;
	bytes = network->family == AF_INET
			? (const void *)&((const struct sockaddr_in *)address)->sin_addr
			: &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (memcmp(bytes, network->prefix, whole) != 0)
		return false;
	return rest == 0 ||
	       (((const uint8_t *)bytes)[whole] ^ network->prefix[whole]) >>
			       (8 - rest) ==
		       0;
}
