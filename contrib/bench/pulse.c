#include "contrib/bench/pulse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/conn.h"
#include "base/listener.h"
#include "base/log.h"
#include "contrib/bench/part.h"

#define INTERVAL_US 2000

struct pulse {
	struct conn *conn;
	struct waits waits;
	int64_t sent_us; /* 0: nothing is on its way */
	int64_t next_us;
};

/* ---- This side ---- */

static void on_pulse(struct conn *conn, enum conn_event event, void *arg)
{
	struct pulse *pulse = arg;

	BUG_ON(event == CONN_EOF || event == CONN_FAILED);
	if (event != CONN_READABLE)
		return;
	evbuffer_drain(conn_rx(conn), evbuffer_get_length(conn_rx(conn)));
	conn_resume(conn);
	waits_add(&pulse->waits, waits_now_us() - pulse->sent_us);
	pulse->sent_us = 0;
}

struct pulse *pulse_new(struct loop *loop, uint64_t port)
{
	struct pulse *pulse = calloc(1, sizeof(*pulse));
	struct sockaddr_storage address;
	socklen_t size = part_address(port, &address);

	BUG_ON(!pulse);
	pulse->conn = conn_connect(loop, (struct sockaddr *)&address, size,
				   &(struct conn_settings){ 0 }, on_pulse, pulse);
	return pulse;
}

void pulse_tick(struct pulse *pulse, int64_t now_us)
{
	if (pulse->sent_us != 0 || now_us < pulse->next_us)
		return;
	pulse->sent_us = now_us;
	pulse->next_us = now_us + INTERVAL_US;
	BUG_ON(evbuffer_add(conn_tx(pulse->conn), "p", 1) != 0);
	conn_flush(pulse->conn);
}

struct waits *pulse_waits(struct pulse *pulse)
{
	return &pulse->waits;
}

/* ---- The other side ---- */

static void on_echo(struct conn *conn, enum conn_event event, void *arg)
{
	(void)arg;
	switch (event) {
	case CONN_READABLE:
		evbuffer_add_buffer(conn_tx(conn), conn_rx(conn));
		conn_flush(conn);
		conn_resume(conn);
		break;
	case CONN_EOF:
	case CONN_FAILED: conn_free(conn); break;
	case CONN_OPEN:
	case CONN_WRITABLE: break;
	}
}

static void on_accept(struct listener *listener, int fd, void *arg)
{
	(void)listener;
	BUG_ON(!conn_accept(arg, fd, &(struct conn_settings){ 0 }, on_echo, NULL));
}

static void on_term(void *arg)
{
	loop_stop(arg);
}

int echo_run(const struct settings *settings)
{
	static struct loop *loop; /* what is open ends with the process */
	const int fd = part_listen(settings->port);

	loop = loop_new();
	if (fd < 0)
		return EXIT_FAILURE;
	listener_new(loop, fd, on_accept, loop);
	loop_on_signal(loop, SIGTERM, on_term, loop);
	puts("ready");
	fflush(stdout);
	loop_run(loop);
	return EXIT_SUCCESS;
}
