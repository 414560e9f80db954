/*
 * The link against a bearerbox that is played here: a listener on loopback, in the
 * same loop.
 */
#include "smsc/boxlink.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/conn.h"
#include "base/listener.h"
#include "base/log.h"
#include "test/unit/test.h"

#define TIMEOUT_MS 5000

static struct loop *loop;
static struct listener *listener;
static int listen_fd;
static struct conn *peer;      /* the connection that bearerbox has of us */
static struct evbuffer *heard; /* by bearerbox, also of one that has gone */
static struct boxlink *link_of_ours;
static int n_up, n_down, n_messages;
static struct box_message last;
static char last_id[UUID_CHARS + 1];
static char address[32];

static void on_peer(struct conn *conn, enum conn_event event, void *arg)
{
	(void)arg;
	evbuffer_add_buffer(heard, conn_rx(conn));
	if (event == CONN_EOF || event == CONN_FAILED) {
		conn_free(conn);
		if (peer == conn)
			peer = NULL;
	}
	loop_stop(loop);
}

static void on_accept(struct listener *accepting, int fd, void *arg)
{
	static const struct conn_settings settings = { .write_timeout_ms = 1000 };
	(void)accepting;
	(void)arg;
	peer = conn_accept(loop, fd, &settings, on_peer, NULL);
}

static void on_up(void *arg)
{
	(void)arg;
	n_up++;
	loop_stop(loop);
}

static void on_down(void *arg)
{
	(void)arg;
	n_down++;
	loop_stop(loop);
}

static void on_message(void *arg, const struct box_message *message)
{
	(void)arg;
	n_messages++;
	last = *message;
	if (message->type == BOX_ACK)
		memcpy(last_id, message->ack.id.p, UUID_CHARS);
	loop_stop(loop);
}

static void on_timeout(void *arg)
{
	CU_FAIL("nothing happened in time");
	loop_stop(arg);
}

/* Run until the counter is at least n. */
static void run_until(const int *counter, int n)
{
	struct timer timer;
	timer_init(&timer, loop, on_timeout, loop);
	timer_start(&timer, TIMEOUT_MS);
	while (*counter < n && timer_is_pending(&timer))
		loop_run(loop);
	timer_cancel(&timer);
}

static void on_pause(void *arg)
{
	*(int *)arg = 1;
	loop_stop(loop);
}

static void run_for(int64_t ms)
{
	int is_over = 0;
	struct timer timer;
	timer_init(&timer, loop, on_pause, &is_over);
	timer_start(&timer, ms);
	while (!is_over)
		loop_run(loop);
}

static void listen_again(void)
{
	listen_fd = listener_open(address);
	CU_ASSERT_FATAL(listen_fd >= 0);
	listener = listener_new(loop, listen_fd, on_accept, NULL);
}

static void stop_listening(void)
{
	listener_free(listener);
	close(listen_fd);
}

static void begin(int64_t heartbeat_ms)
{
	struct sockaddr_in bound;
	socklen_t size = sizeof(bound);
	n_up = n_down = n_messages = 0;
	peer = NULL;
	heard = evbuffer_new();
	loop = loop_new();
	snprintf(address, sizeof(address), "127.0.0.1:0");
	listen_again();
	getsockname(listen_fd, (struct sockaddr *)&bound, &size);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(bound.sin_port));

	const struct boxlink_settings settings = { address, "box", heartbeat_ms, 1000,
						   200 };
	const struct boxlink_callbacks callbacks = { on_up, on_down, on_message, NULL };
	link_of_ours = boxlink_new(loop, &settings, &callbacks);
	run_until(&n_up, 1);
}

static void end(void)
{
	boxlink_free(link_of_ours);
	if (peer)
		conn_free(peer);
	evbuffer_free(heard);
	stop_listening();
	loop_free(loop);
}

/* What bearerbox has received, as hex. */
static const char *received(size_t n)
{
	static char hex[1024];
	uint8_t bytes[512];
	for (int i = 0; i < 50 && evbuffer_get_length(heard) < n; i++)
		run_for(10);
	ev_ssize_t got = evbuffer_remove(heard, bytes, sizeof(bytes));
	hex_encode(slice_make(bytes, got > 0 ? (size_t)got : 0), hex);
	return hex;
}

static void send_hex(const char *hex)
{
	uint8_t bytes[512];
	size_t n = strlen(hex) / 2;
	CU_ASSERT_FATAL(hex_decode(slice_of(hex), bytes, n));
	evbuffer_add(conn_tx(peer), bytes, n);
	conn_flush(peer);
}

#define ACK_HEX                                                                        \
	"000000340000000300000000000000070000002431313131313131312d323232322d33333333" \
	"2d"                                                                           \
	"343434342d353535353535353535353535"

static void says_who_it_is(void)
{
	begin(60000);
	CU_ASSERT(boxlink_is_up(link_of_ours));
	CU_ASSERT_EQUAL(boxlink_connection(link_of_ours), 1);
	CU_ASSERT_STRING_EQUAL(received(19), "0000000f000000010000000300000003626f78");
	end();
}

static void beats(void)
{
	begin(30);
	received(19);
	CU_ASSERT_STRING_EQUAL(received(12), "000000080000000000000000");
	CU_ASSERT_STRING_EQUAL(received(12), "000000080000000000000000");
	end();
}

static void passes_messages(void)
{
	begin(60000);
	send_hex(ACK_HEX);
	run_until(&n_messages, 1);
	CU_ASSERT_EQUAL(last.type, BOX_ACK);
	CU_ASSERT_STRING_EQUAL(last_id, "11111111-2222-3333-4444-555555555555");
	/* two at once, and one in pieces */
	send_hex(ACK_HEX ACK_HEX);
	run_until(&n_messages, 3);
	send_hex("000000340000");
	run_for(20);
	CU_ASSERT_EQUAL(n_messages, 3);
	send_hex(ACK_HEX + 12);
	run_until(&n_messages, 4);
	end();
}

static void holds_and_releases(void)
{
	begin(60000);
	boxlink_hold(link_of_ours);
	send_hex(ACK_HEX);
	run_for(30);
	CU_ASSERT_EQUAL(n_messages, 0);
	boxlink_release(link_of_ours);
	run_until(&n_messages, 1);
	end();
}

static void connects_again(void)
{
	begin(60000);
	conn_free(peer);
	peer = NULL;
	run_until(&n_down, 1);
	CU_ASSERT(!boxlink_is_up(link_of_ours));
	run_until(&n_up, 2);
	CU_ASSERT_EQUAL(boxlink_connection(link_of_ours), 2);
	CU_ASSERT_STRING_EQUAL(received(19), "0000000f000000010000000300000003626f78");
	end();
}

static void waits_for_a_bearerbox_that_is_away(void)
{
	begin(60000);
	stop_listening();
	conn_free(peer);
	peer = NULL;
	run_until(&n_down, 1);
	run_for(250);
	CU_ASSERT_EQUAL(n_up, 1);
	listen_again();
	run_until(&n_up, 2);
	CU_ASSERT_EQUAL(n_down, 1);
	end();
}

static void leaves_a_stream_that_makes_no_sense(void)
{
	begin(60000);
	send_hex("00000004000000ff");
	run_until(&n_down, 1);
	run_until(&n_up, 2);
	CU_ASSERT_EQUAL(n_messages, 0);
	end();
}

static void sends_only_while_up(void)
{
	struct box_message ack;
	begin(60000);
	box_init(&ack, BOX_ACK);
	CU_ASSERT(!boxlink_send(link_of_ours, &ack)); /* refused: no id */
	ack.ack.nack = 0;
	ack.ack.time = 7;
	ack.ack.id = SLICE("11111111-2222-3333-4444-555555555555");
	received(19);
	CU_ASSERT(boxlink_send(link_of_ours, &ack));
	CU_ASSERT_STRING_EQUAL(received(56), ACK_HEX);
	boxlink_reset(link_of_ours, "test");
	CU_ASSERT(!boxlink_is_up(link_of_ours));
	CU_ASSERT(!boxlink_send(link_of_ours, &ack));
	CU_ASSERT_EQUAL(n_down, 0); /* never from inside */
	run_until(&n_down, 1);
	run_until(&n_up, 2);
	end();
}

/* Acknowledgements that were not sent would have bearerbox bring its messages again. */
static void sends_what_was_written_before_it_goes(void)
{
	struct box_message ack;
	begin(60000);
	received(19);
	box_init(&ack, BOX_ACK);
	ack.ack.nack = 0;
	ack.ack.time = 7;
	ack.ack.id = SLICE("11111111-2222-3333-4444-555555555555");
	CU_ASSERT(boxlink_send(link_of_ours, &ack));
	boxlink_reset(link_of_ours, "test");
	CU_ASSERT_STRING_EQUAL(received(56), ACK_HEX);
	end();
}

TEST_MAIN("boxlink", TEST(says_who_it_is), TEST(beats), TEST(passes_messages),
	  TEST(holds_and_releases), TEST(connects_again),
	  TEST(waits_for_a_bearerbox_that_is_away),
	  TEST(leaves_a_stream_that_makes_no_sense), TEST(sends_only_while_up),
	  TEST(sends_what_was_written_before_it_goes))
