#include "base/conn_private.h"

#include <errno.h>
#include <openssl/err.h>

#include "base/log.h"

#define RECORD_BYTES 16384 /* the most that one TLS record carries */
#define SMALL_BYTES  4096  /* the first read of a turn; smaller pieces are merged */
#define TURN_BYTES   65536 /* read in one turn, then others come first */
#define MESSAGES_MAX 32    /* of TLS after the handshake; keys last for gigabytes */

/* ---- Writing ---- */

void conn_io_set_blocked(struct conn *conn, bool is_blocked)
{
	if (conn->is_write_blocked == is_blocked)
		return;
	conn->is_write_blocked = is_blocked;
	if (!is_blocked) {
		event_del(&conn->writable);
		return;
	}
	event_add(&conn->writable, NULL);
	conn->progress_ms = loop_now_ms(conn->loop);
	if (!timer_is_pending(&conn->deadline))
		timer_start(&conn->deadline, conn->write_timeout_ms);
}

/* The socket takes no more. What the peer said before, an alert or an early answer,
 * is worth more than our error: that is read first. */
static void break_writing(struct conn *conn)
{
	if (conn->state == CONN_CLOSING) {
		conn_free(conn);
		return;
	}
	conn->is_write_broken = true;
	conn_io_set_blocked(conn, false);
	evbuffer_drain(conn->tx, evbuffer_get_length(conn->tx));
	conn_next_turn(conn);
}

static ssize_t write_plain(struct conn *conn)
{
	int n = evbuffer_write(conn->tx, conn->fd);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? CONN_IO_BLOCKED : CONN_IO_BROKE;
}

static ssize_t write_tls(struct conn *conn)
{
	const size_t queued = evbuffer_get_length(conn->tx);
	size_t n = evbuffer_get_contiguous_space(conn->tx), written;
	const void *bytes;

	/* Small pieces go into one record: heads with their bodies, lines of chunks. A
	 * repeated write is never shorter than before, as OpenSSL demands. */
	if (n < SMALL_BYTES || n > RECORD_BYTES)
		n = queued < RECORD_BYTES ? queued : RECORD_BYTES;
	bytes = evbuffer_pullup(conn->tx, (ev_ssize_t)n);
	ERR_clear_error();
	if (bytes && SSL_write_ex(conn->ssl, bytes, n, &written) == 1) {
		evbuffer_drain(conn->tx, written);
		return (ssize_t)written;
	}
	switch (SSL_get_error(conn->ssl, 0)) {
	case SSL_ERROR_WANT_WRITE:
	case SSL_ERROR_WANT_READ: return CONN_IO_BLOCKED;
	default: return CONN_IO_BROKE;
	}
}

void conn_io_write(struct conn *conn)
{
	const uint64_t before = conn->tx_total;
	ssize_t n = 1;

	conn->is_write_due = false;
	log_flush();
	/* Here and not where bytes are added: whoever saw it full is told. */
	if (conn_is_full(conn))
		conn->is_writable_owed = true;
	while (n > 0 && evbuffer_get_length(conn->tx) > 0) {
		n = conn->ssl ? write_tls(conn) : write_plain(conn);
		if (n > 0)
			conn->tx_total += (uint64_t)n;
	}
	if (n == CONN_IO_BROKE) {
		break_writing(conn);
		return;
	}
	conn_io_set_blocked(conn, n == CONN_IO_BLOCKED);
	if (conn->is_write_blocked && conn->tx_total > before)
		conn->progress_ms = loop_now_ms(conn->loop);
	if (conn->is_writable_owed && evbuffer_get_length(conn->tx) < conn->tx_high / 2)
		conn_next_turn(conn);
	if (conn->state == CONN_CLOSING && n != CONN_IO_BLOCKED)
		conn_finish(conn);
}

/* ---- Reading ---- */

static bool may_read(const struct conn *conn)
{
	return conn->state == CONN_ESTABLISHED && !conn->is_paused && !conn->is_ended &&
	       evbuffer_get_length(conn->rx) < conn->rx_limit;
}

static ssize_t read_plain(struct conn *conn, void *bytes, size_t n)
{
	ssize_t got = recv(conn->fd, bytes, n, 0);

	if (got > 0)
		return got;
	if (got == 0)
		return CONN_IO_ENDED;
	if (errno == EAGAIN || errno == EINTR)
		return CONN_IO_BLOCKED;
	conn_note_errno(conn, errno);
	return CONN_IO_BROKE;
}

/* Messages, and records of them that OpenSSL refuses unread. What ends the reading
 * inside of SSL_read_ex() is that the peer seems to have ended. */
static void on_tls_message(int is_ours, int version, int type, const void *bytes,
			   size_t n, SSL *ssl, void *arg)
{
	struct conn *conn = arg;
	const uint8_t *first = bytes;

	(void)version;
	if (is_ours ||
	    (type != SSL3_RT_HANDSHAKE &&
	     (type != SSL3_RT_HEADER || n == 0 || *first != SSL3_RT_HANDSHAKE)))
		return;
	if (++conn->n_tls_messages > MESSAGES_MAX)
		SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void conn_io_limit_messages(struct conn *conn)
{
	SSL_set_msg_callback(conn->ssl, on_tls_message);
	SSL_set_msg_callback_arg(conn->ssl, conn);
}

static ssize_t read_tls(struct conn *conn, void *bytes, size_t n)
{
	size_t got;
	int error;

	ERR_clear_error();
	if (SSL_read_ex(conn->ssl, bytes, n, &got) == 1)
		return (ssize_t)got;
	error = SSL_get_error(conn->ssl, 0);
	switch (error) {
	case SSL_ERROR_WANT_READ: return CONN_IO_BLOCKED;
	case SSL_ERROR_WANT_WRITE:
		conn->is_read_waiting = true;
		conn_io_set_blocked(conn, true);
		return CONN_IO_BLOCKED;
	case SSL_ERROR_ZERO_RETURN:
		if (conn->n_tls_messages <= MESSAGES_MAX)
			return CONN_IO_ENDED;
		conn_note_ssl_failure(conn, SSL_ERROR_SSL, 0);
		return CONN_IO_BROKE;
	default: conn_note_ssl_failure(conn, error, errno); return CONN_IO_BROKE;
	}
}

static ssize_t read_bytes(struct conn *conn, void *bytes, size_t n)
{
	return conn->ssl ? read_tls(conn, bytes, n) : read_plain(conn, bytes, n);
}

/* The first read of a turn, often the only one, leaves no empty room behind in the
 * buffer of a connection that then is idle. */
static ssize_t read_small(struct conn *conn, size_t want)
{
	char bytes[SMALL_BYTES];
	ssize_t n = read_bytes(conn, bytes, want);

	if (n > 0)
		BUG_ON(evbuffer_add(conn->rx, bytes, (size_t)n) != 0);
	return n;
}

/* Straight into the buffer. */
static ssize_t read_large(struct conn *conn, size_t want)
{
	struct evbuffer_iovec space;
	ssize_t n;

	BUG_ON(evbuffer_reserve_space(conn->rx, (ev_ssize_t)want, &space, 1) != 1);
	n = read_bytes(conn, space.iov_base, want);
	space.iov_len = n > 0 ? (size_t)n : 0;
	BUG_ON(evbuffer_commit_space(conn->rx, &space, 1) != 0);
	return n;
}

bool conn_io_holds_bytes(const struct conn *conn)
{
	return conn->ssl && SSL_has_pending(conn->ssl);
}

void conn_io_read(struct conn *conn)
{
	size_t got = 0;
	ssize_t n = 1;

	conn->is_read_due = conn->is_read_waiting = false;
	while (n > 0 && got < TURN_BYTES && may_read(conn)) {
		const size_t most = got < SMALL_BYTES ? SMALL_BYTES : RECORD_BYTES;
		const size_t room = conn->rx_limit - evbuffer_get_length(conn->rx);
		const size_t want = room < most ? room : most;

		n = got < SMALL_BYTES ? read_small(conn, want) : read_large(conn, want);
		if (n > 0)
			got += (size_t)n;
		/* Less than there was room for: that was all. If the socket has got
		 * more meanwhile, it shows that, unless this is its last turn. */
		if (n > 0 && (size_t)n < want && !conn->is_write_broken &&
		    !conn_io_holds_bytes(conn))
			n = CONN_IO_BLOCKED;
	}
	conn->rx_total += got;
	if (got > 0)
		conn->fn(conn, CONN_READABLE, conn->arg);
	if (conn->state != CONN_ESTABLISHED)
		return;
	if (n == CONN_IO_BROKE) {
		conn_break(conn);
	} else if (n == CONN_IO_ENDED) {
		conn->is_ended = true;
		event_del(&conn->readable);
		conn->fn(conn, CONN_EOF, conn->arg);
	} else if (!may_read(conn)) {
		event_del(&conn->readable); /* until conn_resume() */
	} else if (n != CONN_IO_BLOCKED) {
		conn->is_read_due = true;
		conn_next_turn(conn);
	}
}

/* ---- The owner's side ---- */

bool conn_is_full(const struct conn *conn)
{
	return evbuffer_get_length(conn->tx) >= conn->tx_high;
}

void conn_flush(struct conn *conn)
{
	if (conn->state == CONN_ESTABLISHED && !conn->is_write_blocked &&
	    !conn->is_write_broken)
		conn_io_write(conn);
}

void conn_flush_later(struct conn *conn)
{
	if (evbuffer_get_length(conn->tx) == 0)
		return;
	conn->is_write_due = true;
	conn_next_turn(conn);
}

void conn_resume(struct conn *conn)
{
	conn->is_paused = false;
	if (!may_read(conn) || event_pending(&conn->readable, EV_READ, NULL))
		return;
	event_add(&conn->readable, NULL);
	/* TLS may hold bytes that the socket no longer shows. */
	conn->is_read_due = true;
	conn_next_turn(conn);
}

void conn_pause(struct conn *conn)
{
	conn->is_paused = true;
	if (conn->state == CONN_ESTABLISHED)
		event_del(&conn->readable);
}
