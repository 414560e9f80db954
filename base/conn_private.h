/*
 * The inside of a connection, shared by conn.c (its life) and conn_io.c (its bytes).
 */
#ifndef BASE_CONN_PRIVATE_H
#define BASE_CONN_PRIVATE_H

#include "base/address.h"
#include "base/conn.h"

enum conn_state {
	CONN_CONNECTING,
	CONN_SHAKING,     /* TLS handshake */
	CONN_OPENING,     /* open, to be told in the next turn */
	CONN_ESTABLISHED, /* told */
	CONN_CLOSING,     /* the owner has let go; what is queued still goes out */
	CONN_BROKEN,      /* failed, to be told in the next turn */
	CONN_DEAD,        /* told */
	CONN_FREED,
};

struct conn {
	struct loop *loop;
	conn_fn *fn;
	void *arg;
	enum conn_state state;
	enum conn_failure failure;
	enum tls_failure tls_failure;
	int fd;   /* -1: let go */
	SSL *ssl; /* NULL: plain */
	struct event readable, writable;
	/* The handshake's deadline, then that of writing. It is started when it is not
	 * running, and looks at progress_ms when it fires. */
	struct timer deadline;
	int64_t progress_ms; /* when something could be written last */
	int64_t write_timeout_ms;
	struct evbuffer *rx, *tx;
	size_t rx_limit, tx_high;
	uint64_t rx_total, tx_total;
	unsigned n_tls_messages; /* of the peer, since the handshake */
	bool is_paused;          /* by the owner */
	bool is_ended;           /* the peer has ended its side */
	bool is_write_due;       /* in the next turn */
	bool is_read_due;     /* in the next turn: there may be more than epoll shows */
	bool is_read_waiting; /* for the socket to take what TLS has to say first */
	bool is_write_blocked; /* waits for the socket */
	bool is_write_broken;  /* the socket takes no more; there may be more to read */
	bool is_writable_owed; /* CONN_WRITABLE */
	bool is_turn_due;
	char peer[ADDRESS_CHARS + 1];
};

/** What an attempt to move bytes came to, where it moved none. */
enum {
	CONN_IO_BLOCKED = 0,
	CONN_IO_ENDED = -1,
	CONN_IO_BROKE = -2,
};

/** Do what is due in a turn of its own. */
void conn_next_turn(struct conn *conn);
/** Note why the connection fails, without acting on it: SSL_get_error() gave @p
 * ssl_error, with errno as it was. */
void conn_note_ssl_failure(struct conn *conn, int ssl_error, int error);
/** Note why after a system call gave @p error. */
void conn_note_errno(struct conn *conn, int error);
/** Let go of the socket and tell the owner in the next turn. */
void conn_break(struct conn *conn);
/** Everything queued is out: end our side. */
void conn_finish(struct conn *conn);

/** The handshake is done: from now on a peer that talks of TLS itself without end, key
 * updates or attempts to renegotiate, fails with TLS_FAILURE_PROTOCOL. OpenSSL would go
 * on with them inside of one read, as long as they come, and nobody else would be
 * served. */
void conn_io_limit_messages(struct conn *conn);
void conn_io_set_blocked(struct conn *conn, bool is_blocked);
/** Write what the socket takes. Calls nobody. */
void conn_io_write(struct conn *conn);
/** Whether TLS holds bytes, read from the socket already, that the socket therefore no
 * longer shows. */
bool conn_io_holds_bytes(const struct conn *conn);
/** Read what there is, within the limits of the buffer and of a turn; tell the owner,
 * who may free. */
void conn_io_read(struct conn *conn);

#endif
