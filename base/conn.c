#include "base/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/conn_private.h"
#include "base/linger.h"
#include "base/log.h"

#define HANDSHAKE_TIMEOUT_MS 10000
#define WRITE_TIMEOUT_MS     30000
#define RX_LIMIT             65536
#define TX_HIGH              262144
#define UNSENT_BYTES         131072

static void on_turn(void *arg);

void conn_next_turn(struct conn *conn)
{
	if (conn->is_turn_due)
		return;
	conn->is_turn_due = true;
	loop_defer(conn->loop, on_turn, conn);
}

/* ---- Failures ---- */

static void note_failure(struct conn *conn, enum conn_failure failure,
			 enum tls_failure tls_failure)
{
	conn->failure = failure;
	conn->tls_failure = tls_failure;
}

void conn_note_errno(struct conn *conn, int error)
{
	bool is_ours = error == EMFILE || error == ENFILE || error == ENOMEM ||
		       error == ENOBUFS;

	note_failure(conn, is_ours ? CONN_FAILURE_SYSTEM : CONN_FAILURE_RESET,
		     TLS_FAILURE_NONE);
}

void conn_note_ssl_failure(struct conn *conn, int ssl_error, int error)
{
	const unsigned long first = ERR_peek_error();
	const bool is_cut = ERR_GET_LIB(first) == ERR_LIB_SSL &&
			    ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING;

	if (ssl_error == SSL_ERROR_SYSCALL && error != 0)
		conn_note_errno(conn, error);
	else if (ssl_error == SSL_ERROR_SYSCALL || is_cut)
		note_failure(conn, CONN_FAILURE_TRUNCATED, TLS_FAILURE_NONE);
	else
		note_failure(conn, CONN_FAILURE_TLS, tls_failure_of(conn->ssl));
	ERR_clear_error();
}

/* Let go of the socket; it lingers where the peer has still to read from it. */
static void release_socket(struct conn *conn, bool is_lingering)
{
	if (conn->fd < 0)
		return;
	log_flush(); /* the peer may see the end */
	event_del(&conn->readable);
	event_del(&conn->writable);
	timer_cancel(&conn->deadline);
	if (is_lingering && !conn->is_ended)
		linger_start(conn->loop, conn->fd);
	else
		close(conn->fd);
	conn->fd = -1;
	if (conn->state == CONN_CLOSING)
		loop_release(conn->loop);
}

void conn_break(struct conn *conn)
{
	/* An alert of ours must not be lost to a reset. */
	release_socket(conn, conn->failure == CONN_FAILURE_TLS);
	conn->state = CONN_BROKEN;
	conn_next_turn(conn);
}

static void fail(struct conn *conn, enum conn_failure failure)
{
	note_failure(conn, failure, TLS_FAILURE_NONE);
	conn_break(conn);
}

/* ---- Beginnings ---- */

static void opened(struct conn *conn)
{
	conn->state = CONN_ESTABLISHED;
	timer_cancel(&conn->deadline);
	conn_io_set_blocked(conn, false);
	conn->fn(conn, CONN_OPEN, conn->arg);
	if (conn->state == CONN_ESTABLISHED)
		conn_flush(conn);
	/* The first bytes often come with the end of the handshake. */
	if (conn->state == CONN_ESTABLISHED && conn_io_holds_bytes(conn))
		conn_io_read(conn);
}

static void shaken(struct conn *conn)
{
	enum tls_failure failure = tls_check_peer(conn->ssl);

	if (failure == TLS_FAILURE_NONE) {
		conn_io_limit_messages(conn);
		opened(conn);
		return;
	}
	ERR_clear_error();
	(void)SSL_shutdown(conn->ssl);
	note_failure(conn, CONN_FAILURE_TLS, failure);
	conn_break(conn);
}

static void shake(struct conn *conn)
{
	int result, error;

	ERR_clear_error();
	result = SSL_do_handshake(conn->ssl);
	if (result == 1) {
		shaken(conn);
		return;
	}
	error = SSL_get_error(conn->ssl, result);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		conn_io_set_blocked(conn, error == SSL_ERROR_WANT_WRITE);
		return;
	}
	conn_note_ssl_failure(conn, error, errno);
	conn_break(conn);
}

static void connected(struct conn *conn)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
		fail(conn, CONN_FAILURE_CONNECT);
		return;
	}
	conn_io_set_blocked(conn, false);
	event_add(&conn->readable, NULL);
	if (!conn->ssl) {
		opened(conn);
		return;
	}
	conn->state = CONN_SHAKING;
	shake(conn);
}

/* ---- Ends ---- */

static void free_memory(void *arg)
{
	struct conn *conn = arg;

	SSL_free(conn->ssl);
	evbuffer_free(conn->rx);
	evbuffer_free(conn->tx);
	free(conn);
}

void conn_free(struct conn *conn)
{
	BUG_ON(conn->state == CONN_FREED);
	release_socket(conn, false);
	conn->state = CONN_FREED;
	loop_defer(conn->loop, free_memory, conn);
}

void conn_finish(struct conn *conn)
{
	int result = 1;

	ERR_clear_error();
	if (conn->ssl)
		result = SSL_shutdown(conn->ssl);
	if (result < 0 && SSL_get_error(conn->ssl, result) == SSL_ERROR_WANT_WRITE) {
		conn_io_set_blocked(conn, true); /* and comes again */
		return;
	}
	ERR_clear_error();
	release_socket(conn, true);
	conn_free(conn);
}

void conn_close(struct conn *conn)
{
	if (conn->state != CONN_ESTABLISHED || conn->is_write_broken) {
		conn_free(conn);
		return;
	}
	conn->state = CONN_CLOSING;
	loop_hold(conn->loop);
	event_del(&conn->readable);
	if (!conn->is_write_blocked)
		conn_io_write(conn);
}

/* ---- Events ---- */

static void tell_writable(struct conn *conn)
{
	if (!conn->is_writable_owed ||
	    evbuffer_get_length(conn->tx) >= conn->tx_high / 2)
		return;
	conn->is_writable_owed = false;
	conn->fn(conn, CONN_WRITABLE, conn->arg);
}

static void on_turn(void *arg)
{
	struct conn *conn = arg;

	conn->is_turn_due = false;
	switch (conn->state) {
	case CONN_OPENING: opened(conn); break;
	case CONN_ESTABLISHED:
		if (conn->is_write_due)
			conn_flush(conn);
		if (!conn->is_write_broken)
			tell_writable(conn);
		if (conn->state == CONN_ESTABLISHED &&
		    (conn->is_read_due || conn->is_write_broken))
			conn_io_read(conn);
		if (conn->state == CONN_ESTABLISHED && conn->is_write_broken)
			fail(conn, CONN_FAILURE_RESET);
		break;
	case CONN_BROKEN:
		conn->state = CONN_DEAD;
		conn->fn(conn, CONN_FAILED, conn->arg);
		break;
	default: break;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == CONN_SHAKING)
		shake(conn);
	else if (conn->state == CONN_ESTABLISHED)
		conn_io_read(conn);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	switch (conn->state) {
	case CONN_CONNECTING: connected(conn); break;
	case CONN_SHAKING: shake(conn); break;
	case CONN_CLOSING: conn_io_write(conn); break;
	case CONN_ESTABLISHED:
		conn_io_write(conn);
		if (conn->is_read_waiting)
			conn_io_read(conn);
		break;
	default: break;
	}
}

static void on_deadline(void *arg)
{
	struct conn *conn = arg;
	int64_t idle_ms;

	if (conn->state == CONN_CONNECTING || conn->state == CONN_SHAKING) {
		fail(conn, CONN_FAILURE_HANDSHAKE_TIMEOUT);
		return;
	}
	if (!conn->is_write_blocked)
		return;
	idle_ms = loop_now_ms(conn->loop) - conn->progress_ms;
	if (idle_ms < conn->write_timeout_ms)
		timer_start(&conn->deadline, conn->write_timeout_ms - idle_ms);
	else if (conn->state == CONN_CLOSING)
		conn_free(conn);
	else
		fail(conn, CONN_FAILURE_WRITE_TIMEOUT);
}

/* ---- Making ---- */

static void set_socket_options(int fd)
{
	const int on = 1, unsent_bytes = UNSENT_BYTES;

	/* All fail on Unix sockets, where none is needed. The kernel holds back little
	 * that it cannot send: megabytes for each slow reader otherwise, which drain in
	 * bursts that look like no progress. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes,
			 sizeof(unsent_bytes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct conn *conn_new(struct loop *loop, int fd,
			     const struct conn_settings *settings, conn_fn *fn,
			     void *arg)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	BUG_ON(!conn);
	*conn = (struct conn){
		.loop = loop,
		.fn = fn,
		.arg = arg,
		.fd = fd,
		.rx = evbuffer_new(),
		.tx = evbuffer_new(),
		.write_timeout_ms = settings->write_timeout_ms > 0
					    ? settings->write_timeout_ms
					    : WRITE_TIMEOUT_MS,
		.rx_limit = settings->rx_limit > 0 ? settings->rx_limit : RX_LIMIT,
		.tx_high = settings->tx_high > 0 ? settings->tx_high : TX_HIGH,
	};
	BUG_ON(!conn->rx || !conn->tx);
	timer_init(&conn->deadline, loop, on_deadline, conn);
	if (fd >= 0) {
		event_assign(&conn->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
			     on_readable, conn);
		event_assign(&conn->writable, loop_base(loop), fd,
			     EV_WRITE | EV_PERSIST, on_writable, conn);
		set_socket_options(fd);
	}
	return conn;
}

static bool start_tls(struct conn *conn, const struct conn_settings *settings)
{
	if (!settings->tls)
		return true;
	conn->ssl = tls_new(settings->tls, settings->server_name);
	return conn->ssl && SSL_set_fd(conn->ssl, conn->fd) == 1;
}

static void start_handshake_deadline(struct conn *conn,
				     const struct conn_settings *settings)
{
	timer_start(&conn->deadline, settings->handshake_timeout_ms > 0
					     ? settings->handshake_timeout_ms
					     : HANDSHAKE_TIMEOUT_MS);
}

struct conn *conn_accept(struct loop *loop, int fd,
			 const struct conn_settings *settings, conn_fn *fn, void *arg)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	struct conn *conn = conn_new(loop, fd, settings, fn, arg);

	if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0)
		address_format((struct sockaddr *)&peer, conn->peer);
	if (!start_tls(conn, settings) || event_add(&conn->readable, NULL) != 0) {
		conn_free(conn);
		return NULL;
	}
	if (conn->ssl) {
		conn->state = CONN_SHAKING;
		start_handshake_deadline(conn, settings);
	} else {
		conn->state = CONN_OPENING;
		conn_next_turn(conn);
	}
	return conn;
}

struct conn *conn_connect(struct loop *loop, const struct sockaddr *address,
			  socklen_t address_size, const struct conn_settings *settings,
			  conn_fn *fn, void *arg)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);
	struct conn *conn = conn_new(loop, fd, settings, fn, arg);

	address_format(address, conn->peer);
	conn->state = CONN_CONNECTING;
	if (fd < 0 || !start_tls(conn, settings)) {
		fail(conn, CONN_FAILURE_SYSTEM);
	} else if (connect(fd, address, address_size) != 0 && errno != EINPROGRESS) {
		fail(conn, CONN_FAILURE_CONNECT);
	} else {
		/* Writable at once where connect() did not wait. */
		start_handshake_deadline(conn, settings);
		conn_io_set_blocked(conn, true);
	}
	return conn;
}

/* ---- Looking ---- */

static const char *const failure_names[CONN_N_FAILURES] = {
	[CONN_FAILURE_NONE] = "none",
	[CONN_FAILURE_CONNECT] = "connect_failed",
	[CONN_FAILURE_RESET] = "reset",
	[CONN_FAILURE_TRUNCATED] = "truncated",
	[CONN_FAILURE_HANDSHAKE_TIMEOUT] = "handshake_timeout",
	[CONN_FAILURE_WRITE_TIMEOUT] = "write_timeout",
	[CONN_FAILURE_SYSTEM] = "system",
};

const char *conn_failure_name(const struct conn *conn)
{
	return conn->failure == CONN_FAILURE_TLS ? tls_failure_name(conn->tls_failure)
						 : failure_names[conn->failure];
}

enum conn_failure conn_failure(const struct conn *conn)
{
	return conn->failure;
}

enum tls_failure conn_tls_failure(const struct conn *conn)
{
	return conn->tls_failure;
}

bool conn_is_distrust(const struct conn *conn)
{
	return conn->failure == CONN_FAILURE_TLS &&
	       conn->tls_failure != TLS_FAILURE_PROTOCOL &&
	       conn->tls_failure != TLS_FAILURE_KEY;
}

struct evbuffer *conn_rx(struct conn *conn)
{
	return conn->rx;
}

struct evbuffer *conn_tx(struct conn *conn)
{
	return conn->tx;
}

SSL *conn_ssl(struct conn *conn)
{
	return conn->ssl;
}

const char *conn_peer(const struct conn *conn)
{
	return conn->peer;
}

void conn_set_peer(struct conn *conn, const struct sockaddr *address)
{
	address_format(address, conn->peer);
}

uint64_t conn_rx_total(const struct conn *conn)
{
	return conn->rx_total;
}

uint64_t conn_tx_total(const struct conn *conn)
{
	return conn->tx_total;
}
