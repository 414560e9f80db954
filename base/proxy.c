#include "base/proxy.h"

#include <netinet/in.h>

#define FIXED_BYTES     16 /* signature, version and command, protocol, length */
#define COMMAND_AT      12
#define PROTOCOL_AT     13
#define LENGTH_AT       14
#define TLV_FIXED_BYTES 3

/* Version in the upper half, command in the lower. */
enum {
	VERSION_2_LOCAL = 0x20,
	VERSION_2_PROXY = 0x21,
};

static const uint8_t signature[COMMAND_AT] = "\r\n\r\n\0\r\nQUIT\n";

/* Of both ends: source address, destination address, source port, destination port. */
static const struct protocol {
	uint8_t code;
	sa_family_t family;
	size_t address_bytes;
} protocols[] = {
	{ 0x00, AF_UNSPEC, 0 },
	{ 0x11, AF_INET, 2 * (4 + 2) },
	{ 0x21, AF_INET6, 2 * (16 + 2) },
};

static const struct protocol *find_protocol(uint8_t code)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i].code == code)
			return &protocols[i];
	return NULL;
}

static size_t read_u16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* Whether the first @p n of the fixed bytes can begin a header. */
static bool begins_well(const uint8_t *bytes, size_t n)
{
	if (memcmp(bytes, signature, n < COMMAND_AT ? n : COMMAND_AT) != 0)
		return false;
	if (n > COMMAND_AT && bytes[COMMAND_AT] != VERSION_2_LOCAL &&
	    bytes[COMMAND_AT] != VERSION_2_PROXY)
		return false;
	return n <= PROTOCOL_AT || bytes[COMMAND_AT] == VERSION_2_LOCAL ||
	       find_protocol(bytes[PROTOCOL_AT]);
}

static bool length_is_good(const uint8_t *fixed)
{
	size_t length = read_u16(fixed + LENGTH_AT);

	if (length > PROXY_HEADER_BYTES - FIXED_BYTES)
		return false;
	return fixed[COMMAND_AT] == VERSION_2_LOCAL ||
	       length >= find_protocol(fixed[PROTOCOL_AT])->address_bytes;
}

/* Type, length of the value, value; to the end. */
static bool tlvs_are_good(const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t size = TLV_FIXED_BYTES;

		if (n >= TLV_FIXED_BYTES)
			size += read_u16(bytes + 1);
		if (size > n)
			return false;
		bytes += size;
		n -= size;
	}
	return true;
}

static void set_ip4(struct sockaddr_storage *out, const uint8_t *address,
		    const uint8_t *port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, address, sizeof(in->sin_addr));
	memcpy(&in->sin_port, port, sizeof(in->sin_port));
}

static void set_ip6(struct sockaddr_storage *out, const uint8_t *address,
		    const uint8_t *port)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, address, sizeof(in6->sin6_addr));
	memcpy(&in6->sin6_port, port, sizeof(in6->sin6_port));
	/* One host has one address, wherever the proxy took its connection. */
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memset(out, 0, sizeof(*out));
		set_ip4(out, address + 12, port);
	}
}

static void read_source(sa_family_t family, const uint8_t *block,
			struct sockaddr_storage *out)
{
	if (family == AF_INET)
		set_ip4(out, block, block + 8);
	else if (family == AF_INET6)
		set_ip6(out, block, block + 32);
}

static bool read_block(const uint8_t *header, size_t length, struct proxy_header *out)
{
	const struct protocol *protocol = find_protocol(header[PROTOCOL_AT]);
	const uint8_t *block = header + FIXED_BYTES;

	memset(out, 0, sizeof(*out));
	out->is_local = header[COMMAND_AT] == VERSION_2_LOCAL;
	if (out->is_local)
		return true;
	read_source(protocol->family, block, &out->source);
	return tlvs_are_good(block + protocol->address_bytes,
			     length - protocol->address_bytes);
}

enum proxy_verdict proxy_read(struct slice bytes, struct proxy_header *out,
			      size_t *missing)
{
	const uint8_t *header = (const uint8_t *)bytes.p;
	size_t length, whole;

	*missing = bytes.n < FIXED_BYTES ? FIXED_BYTES - bytes.n : 0;
	if (!begins_well(header, bytes.n))
		return PROXY_MALFORMED;
	if (*missing > 0)
		return PROXY_MORE;
	if (!length_is_good(header))
		return PROXY_MALFORMED;
	length = read_u16(header + LENGTH_AT);
	whole = FIXED_BYTES + length;
	if (bytes.n < whole) {
		*missing = whole - bytes.n;
		return PROXY_MORE;
	}
	return bytes.n == whole && read_block(header, length, out) ? PROXY_DONE
								   : PROXY_MALFORMED;
}
