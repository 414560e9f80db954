#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/slice.h"

static bool parse_unix(struct slice path, struct sockaddr_storage *out, socklen_t *size)
{
	struct sockaddr_un *file = (struct sockaddr_un *)out;

	if (path.n == 0 || path.p[0] != '/' || path.n >= sizeof(file->sun_path))
		return false;
	file->sun_family = AF_UNIX;
	memcpy(file->sun_path, path.p, path.n);
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
	return true;
}

static bool parse_ip4(const char *host, uint16_t port, struct sockaddr_storage *out,
		      socklen_t *size)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	*size = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

static bool parse_ip6(const char *host, uint16_t port, struct sockaddr_storage *out,
		      socklen_t *size)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	*size = sizeof(*in6);
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1;
}

/* "ip:port" or "[ip6]:port" into its parts, brackets taken off. */
static bool split(const char *text, struct slice *host, uint64_t *port, bool *is_ip6)
{
	const char *colon = strrchr(text, ':');

	if (!colon || !slice_to_u64(slice_of(colon + 1), UINT16_MAX, port))
		return false;
	*host = slice_make(text, (size_t)(colon - text));
	*is_ip6 = host->n >= 2 && host->p[0] == '[' && host->p[host->n - 1] == ']';
	if (*is_ip6)
		*host = slice_make(host->p + 1, host->n - 2);
	return true;
}

bool address_parse(const char *text, struct sockaddr_storage *out, socklen_t *size)
{
	char copy[INET6_ADDRSTRLEN];
	struct slice host;
	uint64_t port;
	bool is_ip6;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(slice_of(text + 5), out, size);
	if (!split(text, &host, &port, &is_ip6) || host.n >= sizeof(copy))
		return false;
	memcpy(copy, host.p, host.n);
	copy[host.n] = '\0';
	return is_ip6 ? parse_ip6(copy, (uint16_t)port, out, size)
		      : parse_ip4(copy, (uint16_t)port, out, size);
}

void address_format(const struct sockaddr *address, char out[ADDRESS_CHARS + 1])
{
	char host[INET6_ADDRSTRLEN];

	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, ADDRESS_CHARS + 1, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, ADDRESS_CHARS + 1, "[%s]:%u", host,
			 ntohs(in6->sin6_port));
	} else {
		snprintf(out, ADDRESS_CHARS + 1, "unix");
	}
}
