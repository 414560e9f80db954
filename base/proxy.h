/*
 * The header with which a proxy begins a connection that it passes on: version 2 of the
 * PROXY protocol, the binary one. Bytes in, verdict out. Knows neither sockets nor who
 * may send such a header.
 */
#ifndef BASE_PROXY_H
#define BASE_PROXY_H

#include <sys/socket.h>

#include "base/slice.h"

#define PROXY_HEADER_BYTES 536 /* at most; what fits into any first TCP segment */

enum proxy_verdict {
	PROXY_MORE,      /* good as far as it goes */
	PROXY_DONE,      /* a whole header */
	PROXY_MALFORMED, /* none that we take, whatever may follow */
};

struct proxy_header {
	/* LOCAL: the proxy speaks for itself, as in its health checks. */
	bool is_local;
	/* Whose connection it is; AF_UNSPEC: not told, take that of the socket. An IPv4
	 * address that comes as an IPv6 one (::ffff:192.0.2.1) is AF_INET here. */
	struct sockaddr_storage source;
};

/**
 * Read a header from the bytes that have come so far.
 *
 * Takes the commands PROXY and LOCAL; TCP over IPv4, TCP over IPv6, and no protocol.
 * Further fields (TLV) are passed over; they must fill the length to the byte. What a
 * LOCAL header holds besides is not looked at.
 *
 * @param bytes  all from the first on; no more than what *missing asked for
 * @param out    set with PROXY_DONE
 * @param missing  set with PROXY_MORE: how many bytes to read now; not all of the
 *               header perhaps, and nothing of what follows it. With PROXY_DONE 0.
 * Cost: linear in the header; the wrong byte is seen when it comes.
 * Source: HAProxy, proxy-protocol.txt 2.2.
 */
enum proxy_verdict proxy_read(struct slice bytes, struct proxy_header *out,
			      size_t *missing);

#endif
