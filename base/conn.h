/*
 * A byte stream over TCP or a Unix socket, plain or TLS, driven by SSL_* directly
 * on a non-blocking socket. Received bytes gather in conn_rx() up to a limit, then
 * reading stops until the owner drained it and called conn_resume(); bytes to send
 * are put into conn_tx() and conn_flush()ed. Knows no protocol above TLS.
 */
#ifndef BASE_CONN_H
#define BASE_CONN_H

#include <event2/buffer.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/tls.h"

struct conn;

enum conn_event {
	CONN_OPEN,     /* connected; with TLS: handshake done and the peer checked */
	CONN_READABLE, /* conn_rx() grew */
	CONN_WRITABLE, /* conn_tx() fell below tx_low after having been above tx_high */
	CONN_EOF, /* the peer ended its side properly; conn_rx() may still hold bytes */
	CONN_FAILED, /* dead, see conn_failure(); the last event; the owner frees */
};

enum conn_failure {
	CONN_FAILURE_NONE,
	CONN_FAILURE_CONNECT,           /* refused, unreachable */
	CONN_FAILURE_RESET,             /* the peer aborted */
	CONN_FAILURE_TRUNCATED,         /* TLS stream cut without close_notify */
	CONN_FAILURE_TLS,               /* see conn_tls_failure() */
	CONN_FAILURE_HANDSHAKE_TIMEOUT, /* connecting and TLS handshake together */
	CONN_FAILURE_WRITE_TIMEOUT,     /* nothing of conn_tx() could be sent for
					   write_timeout_ms */
	CONN_FAILURE_SYSTEM,            /* ours: descriptors, memory */
	CONN_N_FAILURES,
};

struct conn_settings {
	struct tls_context *tls;      /* NULL: plain */
	const char *server_name;      /* client TLS: name to verify; copied */
	int64_t handshake_timeout_ms; /* 0: 10 s */
	int64_t write_timeout_ms;     /* 0: 30 s */
	size_t rx_limit;              /* bytes; reading stops at or above; 0: 64 KiB */
	size_t tx_high; /* bytes; conn_is_full() at or above; 0: 256 KiB; low is half */
};

/** Never called from inside a function of this header; after CONN_FAILED never again.
 */
typedef void conn_fn(struct conn *conn, enum conn_event event, void *arg);

/**
 * Take over a connected, non-blocking socket and act as server.
 * @param fd  taken, also on failure. TCP_NODELAY is set.
 * @return NULL when out of descriptors or memory
 */
struct conn *conn_accept(struct loop *loop, int fd,
			 const struct conn_settings *settings, conn_fn *fn, void *arg);
/** Connect to a numeric address. Never NULL: whatever fails comes as CONN_FAILED. */
struct conn *conn_connect(struct loop *loop, const struct sockaddr *address,
			  socklen_t address_size, const struct conn_settings *settings,
			  conn_fn *fn, void *arg);

/** Received bytes; borrowed, the owner drains it. */
struct evbuffer *conn_rx(struct conn *conn);
/** Read on after draining; also processes what TLS has already decrypted. */
void conn_resume(struct conn *conn);
/** Stop reading at all, until conn_resume(). */
void conn_pause(struct conn *conn);
/** Bytes to send; borrowed: put them in, then conn_flush(). */
struct evbuffer *conn_tx(struct conn *conn);
void conn_flush(struct conn *conn);
/** The same in the next turn of deferred work: what many connections have to say goes
 * out when all have been looked at, and their lines of the log together before it. */
void conn_flush_later(struct conn *conn);
/** @return true when the owner should wait for CONN_WRITABLE before adding more */
bool conn_is_full(const struct conn *conn);

/**
 * Send what is queued within the write deadline, then close_notify and close; frees
 * itself, no more events. The peer gets it all, even while it still sends (linger.h).
 */
void conn_close(struct conn *conn);
/** Abort: close the socket now; no more events. Memory goes next turn. */
void conn_free(struct conn *conn);

/** What CONN_FAILED came of; CONN_FAILURE_NONE before it. */
enum conn_failure conn_failure(const struct conn *conn);
/** The same for CONN_FAILURE_TLS. */
enum tls_failure conn_tls_failure(const struct conn *conn);
/** Whether it failed because the two sides do not accept each other: not when the
 * handshake was damaged, or a key of ours is away. */
bool conn_is_distrust(const struct conn *conn);
/** One lower_snake_case word for the log: "reset", "certificate_revoked". */
const char *conn_failure_name(const struct conn *conn);
/** Borrowed; NULL for plain connections. */
SSL *conn_ssl(struct conn *conn);
/** "192.0.2.1:4711", "[2001:db8::1]:4711" or "unix"; "" of one that was gone when it
 * was accepted; borrowed. */
const char *conn_peer(const struct conn *conn);
/** Have conn_peer() say another address from now on: that of whom a proxy speaks for.
 */
void conn_set_peer(struct conn *conn, const struct sockaddr *address);
/** Payload bytes (before TLS) since the start. */
uint64_t conn_rx_total(const struct conn *conn);
uint64_t conn_tx_total(const struct conn *conn);

#endif
