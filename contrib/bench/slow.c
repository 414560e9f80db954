/*
 * Peers that are as slow as they can, many of one kind. Strangers have a bare socket;
 * devices a TLS session, each with a certificate of its own. Every peer stays until the
 * other side ends it.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/conn.h"
#include "base/log.h"
#include "contrib/bench/devices.h"
#include "contrib/bench/part.h"
#include "contrib/bench/waits.h"

#define TICK_MS     5
#define DRIP_MS     300 /* between two bytes */
#define PATIENCE_MS 600000
#define SECOND_US   1000000
#define TEXT_MAX    2048
#define BODY_SENT   50 /* of twice as many that are announced */

struct peer;

struct kind {
	const char *name;
	bool is_device;
	void (*begin)(struct peer *peer);
};

struct crowd {
	const struct settings *settings;
	const struct kind *kind;
	struct loop *loop;
	struct tls_context *tls;
	struct devices devices;
	struct sockaddr_storage address;
	socklen_t address_size;
	struct peer *peers;
	struct timer tick, end;
	uint64_t n_begun, n_over;
	int64_t begin_us;
	char text[TEXT_MAX]; /* what is dripped: a ClientHello, or a head */
	size_t text_n;
};

struct peer {
	struct crowd *crowd;
	struct conn *conn;     /* device */
	int fd;                /* stranger */
	struct event readable; /* stranger */
	struct timer drip;
	size_t n_dripped;
};

/* ---- What each kind does ---- */

static void peer_send(struct peer *peer, const void *bytes, size_t n)
{
	if (!peer->crowd->kind->is_device) {
		/* Whoever has ended it is seen by reading. */
		(void)!send(peer->fd, bytes, n, MSG_NOSIGNAL);
		return;
	}
	BUG_ON(evbuffer_add(conn_tx(peer->conn), bytes, n) != 0);
	conn_flush(peer->conn);
}

static void begin_silent(struct peer *peer)
{
	(void)peer;
}

static void begin_half_closed(struct peer *peer)
{
	BUG_ON(shutdown(peer->fd, SHUT_WR) != 0);
}

static void drip(void *arg)
{
	struct peer *peer = arg;
	const struct crowd *crowd = peer->crowd;

	if (peer->n_dripped == crowd->text_n)
		return;
	peer_send(peer, crowd->text + peer->n_dripped++, 1);
	timer_start(&peer->drip, DRIP_MS);
}

static void begin_drip(struct peer *peer)
{
	drip(peer);
}

static void begin_body(struct peer *peer)
{
	static const char half[BODY_SENT];
	char head[TEXT_MAX];
	int n = snprintf(head, sizeof(head),
			 "PUT /v1/requests/slow HTTP/1.1\r\nHost: %s\r\n"
			 "Content-Length: %d\r\n\r\n",
			 peer->crowd->settings->srv, 2 * BODY_SENT);

	peer_send(peer, head, (size_t)n);
	peer_send(peer, half, sizeof(half));
}

/* Asks for more than all buffers between hold, and takes nothing. */
static void begin_reader(struct peer *peer)
{
	conn_pause(peer->conn);
	peer_send(peer, peer->crowd->text, peer->crowd->text_n);
}

static const struct kind kinds[] = {
	{ "silent", false, begin_silent },
	{ "dripping_hello", false, begin_drip },
	{ "half_closed", false, begin_half_closed },
	{ "slow_head", true, begin_drip },
	{ "slow_body", true, begin_body },
	{ "slow_reader", true, begin_reader },
};

/* ---- One peer ---- */

static void peer_over(struct peer *peer)
{
	struct crowd *crowd = peer->crowd;

	timer_cancel(&peer->drip);
	if (++crowd->n_over == crowd->settings->count)
		loop_stop(crowd->loop);
}

static void on_conn(struct conn *conn, enum conn_event event, void *arg)
{
	struct peer *peer = arg;

	switch (event) {
	case CONN_OPEN: peer->crowd->kind->begin(peer); break;
	case CONN_READABLE: /* 408, or 503: it does not listen */
		evbuffer_drain(conn_rx(conn), evbuffer_get_length(conn_rx(conn)));
		conn_resume(conn);
		break;
	case CONN_EOF:
	case CONN_FAILED:
		peer_over(peer);
		conn_free(conn);
		break;
	case CONN_WRITABLE: break;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	char bytes[TEXT_MAX];

	(void)what;
	if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		return;
	event_del(&peer->readable);
	close(fd);
	peer_over(peer);
}

static void begin_stranger(struct peer *peer)
{
	struct crowd *crowd = peer->crowd;

	/* Loopback, and a long queue there: connecting does not wait. */
	peer->fd = socket(crowd->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	BUG_ON(peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&crowd->address,
				       crowd->address_size) != 0);
	event_assign(&peer->readable, loop_base(crowd->loop), peer->fd,
		     EV_READ | EV_PERSIST, on_readable, peer);
	event_add(&peer->readable, NULL);
	crowd->kind->begin(peer);
}

static void begin_device(struct peer *peer, const struct device_certificate *device)
{
	struct crowd *crowd = peer->crowd;
	const struct conn_settings settings = { .tls = crowd->tls,
						.server_name = crowd->settings->name,
						.handshake_timeout_ms = PATIENCE_MS,
						.write_timeout_ms = PATIENCE_MS };

	peer->conn = conn_connect(crowd->loop, (struct sockaddr *)&crowd->address,
				  crowd->address_size, &settings, on_conn, peer);
	BUG_ON(!device_use(device, conn_ssl(peer->conn)));
}

/* ---- All ---- */

static void on_tick(void *arg)
{
	struct crowd *crowd = arg;
	const int64_t since_us = waits_now_us() - crowd->begin_us;
	const uint64_t due = (uint64_t)since_us * crowd->settings->rate / SECOND_US;

	while (crowd->n_begun < due && crowd->n_begun < crowd->settings->count) {
		struct peer *peer = &crowd->peers[crowd->n_begun];

		peer->crowd = crowd;
		timer_init(&peer->drip, crowd->loop, drip, peer);
		if (crowd->kind->is_device)
			begin_device(peer, &crowd->devices.items[crowd->n_begun]);
		else
			begin_stranger(peer);
		crowd->n_begun++;
	}
	if (crowd->n_begun < crowd->settings->count)
		timer_start(&crowd->tick, TICK_MS);
}

static void on_end(void *arg)
{
	loop_stop(((struct crowd *)arg)->loop);
}

/* A device drips a head; a stranger what a client would begin with. */
static void write_text(struct crowd *crowd)
{
	const struct settings *settings = crowd->settings;
	SSL *ssl;
	BIO *sent;
	int n;

	if (crowd->kind->is_device) {
		n = snprintf(crowd->text, TEXT_MAX,
			     "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", settings->target,
			     settings->srv);
	} else {
		ssl = tls_new(crowd->tls, settings->name);
		sent = BIO_new(BIO_s_mem());
		BUG_ON(!ssl || !sent);
		SSL_set_bio(ssl, BIO_new(BIO_s_mem()), sent);
		(void)SSL_do_handshake(ssl);
		n = BIO_read(sent, crowd->text, TEXT_MAX);
		SSL_free(ssl);
	}
	BUG_ON(n <= 0 || n >= TEXT_MAX);
	crowd->text_n = (size_t)n;
}

static const struct kind *find_kind(const struct settings *settings)
{
	for (size_t i = 0; settings->mode && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, settings->mode))
			return &kinds[i];
	return NULL;
}

int slow_run(const struct settings *settings)
{
	static struct crowd crowd; /* who is still there ends with the process */

	crowd.settings = settings;
	crowd.kind = find_kind(settings);
	crowd.loop = loop_new();
	if (!crowd.kind || (crowd.kind->is_device &&
			    !devices_make(&crowd.devices, settings->count,
					  settings->issuer, settings->issuer_key)))
		return EXIT_FAILURE;
	crowd.tls = part_tls(settings, TLS_CLIENT);
	crowd.address_size = part_address(settings->port, &crowd.address);
	crowd.peers = calloc(settings->count, sizeof(*crowd.peers));
	BUG_ON(!crowd.peers);
	write_text(&crowd);
	timer_init(&crowd.tick, crowd.loop, on_tick, &crowd);
	timer_init(&crowd.end, crowd.loop, on_end, &crowd);
	if (!part_is_told_to_go())
		return EXIT_FAILURE;
	crowd.begin_us = waits_now_us();
	timer_start(&crowd.tick, 0);
	timer_start(&crowd.end, (int64_t)settings->seconds * 1000);
	loop_run(crowd.loop);
	printf("{\"begun\": %llu, \"ended\": %llu, \"seconds\": %.3f}\n",
	       (unsigned long long)crowd.n_begun, (unsigned long long)crowd.n_over,
	       (double)(waits_now_us() - crowd.begin_us) / SECOND_US);
	return EXIT_SUCCESS;
}
