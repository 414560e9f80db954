#include "gateway/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"
#include "base/proxy.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session.h"

struct proxied {
	TAILQ_ENTRY(proxied) entry;
	struct airnet *airnet;
	struct sockaddr_storage peer; /* the proxy */
	struct event readable;
	struct timer deadline;
	int fd; /* -1: given away */
	struct gate_entry gate;
	uint8_t bytes[PROXY_HEADER_BYTES];
	size_t n;
};

static void proxied_free(struct proxied *proxied)
{
	struct airnet *airnet = proxied->airnet;

	event_del(&proxied->readable);
	timer_cancel(&proxied->deadline);
	if (proxied->fd >= 0)
		close(proxied->fd);
	gate_leave(&airnet->gate, &proxied->gate);
	TAILQ_REMOVE(&airnet->proxied, proxied, entry);
	free(proxied);
	airnet_session_gone(airnet);
}

static void log_refusal(const struct sockaddr_storage *peer, const char *reason,
			enum gateway_metric metric)
{
	char text[ADDRESS_CHARS + 1];

	address_format((const struct sockaddr *)peer, text);
	metrics_add(metric, 1);
	log_info("session_end", log_str("peer", text), log_str("reason", reason),
		 log_str("phase", "proxy"));
	log_flush(); /* before the peer sees the end */
}

static void refuse_peer(struct proxied *proxied, const char *reason,
			enum gateway_metric metric)
{
	log_refusal(&proxied->peer, reason, metric);
	proxied_free(proxied);
}

static void on_header(struct proxied *proxied, const struct proxy_header *header)
{
	metrics_add(header->is_local ? GATEWAY_PROXY_LOCAL : GATEWAY_PROXY_PASSED, 1);
	/* The session has its place, and is there before the worker is thought to have
	 * nothing left. */
	gate_leave(&proxied->airnet->gate, &proxied->gate);
	session_accept(proxied->airnet, proxied->fd, header);
	proxied->fd = -1;
	proxied_free(proxied);
}

/* As many bytes as the header is known to have: those of TLS stay in the socket. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct proxied *proxied = arg;
	struct proxy_header header;
	enum proxy_verdict verdict;
	size_t missing;

	(void)what;
	while ((verdict = proxy_read(slice_make(proxied->bytes, proxied->n), &header,
				     &missing)) == PROXY_MORE) {
		ssize_t n = recv(fd, proxied->bytes + proxied->n, missing, 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			break;
		proxied->n += (size_t)n;
	}
	if (verdict == PROXY_DONE)
		on_header(proxied, &header);
	else
		refuse_peer(proxied, "proxy_malformed", GATEWAY_PROXY_MALFORMED);
}

static void on_deadline(void *arg)
{
	refuse_peer(arg, "proxy_timeout", GATEWAY_PROXY_TIMEOUT);
}

static void on_displaced(void *arg)
{
	refuse_peer(arg, stranger_end_name(STRANGER_DISPLACED),
		    GATEWAY_STRANGER_ENDS + STRANGER_DISPLACED);
}

static bool is_listed(const struct airnet *airnet, const struct sockaddr_storage *peer)
{
	for (size_t i = 0; i < airnet->n_proxies; i++)
		if (network_has(&airnet->proxies[i], (const struct sockaddr *)peer))
			return true;
	return false;
}

void proxied_accept(struct airnet *airnet, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	struct proxied *proxied;

	/* Some health checks are over before they are accepted. */
	if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0) {
		log_debug("session_end", log_str("reason", "reset"),
			  log_str("phase", "proxy"));
		close(fd);
		return;
	}
	if (!is_listed(airnet, &peer)) {
		log_refusal(&peer, "proxy_forbidden", GATEWAY_PROXY_FORBIDDEN);
		close(fd);
		return;
	}
	proxied = calloc(1, sizeof(*proxied));
	BUG_ON(!proxied);
	proxied->airnet = airnet;
	proxied->peer = peer;
	proxied->fd = fd;
	event_assign(&proxied->readable, loop_base(airnet->loop), fd,
		     EV_READ | EV_PERSIST, on_readable, proxied);
	timer_init(&proxied->deadline, airnet->loop, on_deadline, proxied);
	timer_start(&proxied->deadline, airnet->config->handshake_timeout_ms);
	BUG_ON(event_add(&proxied->readable, NULL) != 0);
	TAILQ_INSERT_TAIL(&airnet->proxied, proxied, entry);
	gate_enter(&airnet->gate, &proxied->gate, on_displaced, proxied);
}

void proxied_cut_all(struct airnet *airnet)
{
	while (!TAILQ_EMPTY(&airnet->proxied))
		proxied_free(TAILQ_FIRST(&airnet->proxied));
}
