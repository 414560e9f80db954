/*
 * The radio of the handset against a message centre that is played here: a socket in
 * the same loop, and lines of JSON (doc/smsc.md).
 */
#include "contrib/handset/radio.h"

#include <string.h>

#include "base/codec.h"
#include "base/conn.h"
#include "base/listener.h"
#include "test/unit/directory.h"

#define TIMEOUT_MS 10000
#define NUMBER     "+447700900001"
#define SERVICE    SLICE("+447700900123")

static struct loop *loop;
static struct directory directory;
static char address[600];
static int listen_fd;
static struct listener *listener;
static struct conn *centre; /* the connection that the centre has of us; NULL: none */
static int n_attached, n_lines;
static char line[1024]; /* the last one that the handset sent */
static struct radio *radio;

static int n_parts;
static char part_from[32], part_data[200], part_udh[2 * 140 + 1];
static unsigned part_dcs;
static int n_sent;
static char sent_error[64]; /* of the last; empty: none */

static void on_part(void *arg, const struct sms_part *part)
{
	(void)arg;
	n_parts++;
	part_dcs = part->dcs;
	snprintf(part_from, sizeof(part_from), "%.*s", (int)part->sender.n,
		 part->sender.p);
	snprintf(part_data, sizeof(part_data), "%.*s", (int)part->data.n, part->data.p);
	hex_encode(part->udh, part_udh);
}

static void on_sent(void *arg, const char *error)
{
	(void)arg;
	n_sent++;
	snprintf(sent_error, sizeof(sent_error), "%s", error ? error : "");
}

/* ---- The centre ---- */

static void centre_says(const char *text)
{
	evbuffer_add_printf(conn_tx(centre), "%s\n", text);
	conn_flush(centre);
}

static void on_centre(struct conn *conn, enum conn_event event, void *arg)
{
	char *text;

	(void)arg;
	if (event == CONN_EOF || event == CONN_FAILED) {
		conn_free(conn);
		centre = centre == conn ? NULL : centre;
		return;
	}
	if (event != CONN_READABLE)
		return;
	while ((text = evbuffer_readln(conn_rx(conn), NULL, EVBUFFER_EOL_LF))) {
		if (strcmp(text, "{\"attach\":\"" NUMBER "\"}") == 0)
			n_attached++;
		else
			n_lines++;
		snprintf(line, sizeof(line), "%s", text);
		free(text);
	}
	conn_resume(conn);
}

static void on_accept(struct listener *accepting, int fd, void *arg)
{
	static const struct conn_settings settings = { .write_timeout_ms = TIMEOUT_MS };

	(void)accepting;
	(void)arg;
	centre = conn_accept(loop, fd, &settings, on_centre, NULL);
}

static void open_centre(void)
{
	listen_fd = listener_open(address);
	CU_ASSERT_FATAL(listen_fd >= 0);
	listener = listener_new(loop, listen_fd, on_accept, NULL);
}

static void close_centre(void)
{
	if (centre)
		conn_free(centre);
	centre = NULL;
	listener_free(listener);
	close(listen_fd);
	unlink(directory.file);
}

/* ---- Time ---- */

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

static void wait_for(const int *count, int n)
{
	int64_t end_ms = loop_now_ms(loop) + TIMEOUT_MS;

	while (*count < n && loop_now_ms(loop) < end_ms) {
		turn();
		usleep(1000);
	}
	CU_ASSERT_EQUAL_FATAL(*count, n);
}

static void wait_attached(bool is_attached)
{
	int64_t end_ms = loop_now_ms(loop) + TIMEOUT_MS;

	while (radio_is_attached(radio) != is_attached && loop_now_ms(loop) < end_ms) {
		turn();
		usleep(1000);
	}
	CU_ASSERT_EQUAL_FATAL(radio_is_attached(radio), is_attached);
}

static void begin(void)
{
	struct radio_settings settings = { .number = NUMBER,
					   .retry_delay_ms = 10,
					   .on_part = on_part,
					   .on_sent = on_sent };

	n_attached = n_lines = n_parts = n_sent = 0;
	loop = loop_new();
	directory_open(&directory);
	settings.path = directory_file(&directory, "radio");
	snprintf(address, sizeof(address), "unix:%s", settings.path);
	open_centre();
	radio = radio_new(loop, &settings);
}

static void end(void)
{
	radio_free(radio);
	turn();
	close_centre();
	loop_free(loop);
	directory_close(&directory);
}

static void attach(void)
{
	begin();
	wait_for(&n_attached, 1);
	CU_ASSERT_FALSE(radio_is_attached(radio));
	centre_says("{\"attached\":\"" NUMBER "\"}");
	wait_attached(true);
}

/* ---- Tests ---- */

static void takes_parts(void)
{
	attach();
	centre_says("{\"part\":{\"from\":\"+447700900123\",\"dcs\":8,"
		    "\"udh\":\"050003410201\",\"data\":\"6869\"}}");
	wait_for(&n_parts, 1);
	CU_ASSERT_STRING_EQUAL(part_from, "+447700900123");
	CU_ASSERT_EQUAL(part_dcs, 8);
	CU_ASSERT_STRING_EQUAL(part_data, "hi");
	CU_ASSERT_STRING_EQUAL(part_udh, "050003410201");
	end();
}

/* Each is passed over, and the part after it is taken. */
static void passes_malformed_parts_over(void)
{
	static const char *const bad[] = {
		"{\"part\":{\"from\":\"1\",\"dcs\":0,\"udh\":\"\",\"data\":\"6\"}}",
		"{\"part\":{\"from\":\"1\",\"dcs\":0,\"udh\":\"\",\"data\":\"6x\"}}",
		"{\"part\":{\"from\":\"1\",\"dcs\":256,\"udh\":\"\",\"data\":\"61\"}}",
		"{\"part\":{\"from\":\"\",\"dcs\":0,\"udh\":\"\",\"data\":\"61\"}}",
		"{\"part\":{\"dcs\":0,\"udh\":\"\",\"data\":\"61\"}}",
		"{\"part\":7}",
		"{\"par",
		"[]",
		"",
	};

	attach();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		centre_says(bad[i]);
	centre_says("{\"part\":{\"from\":\"2\",\"dcs\":0,\"udh\":\"\",\"data\":"
		    "\"6f6b\"}}");
	wait_for(&n_parts, 1);
	CU_ASSERT_STRING_EQUAL(part_from, "2");
	CU_ASSERT_STRING_EQUAL(part_data, "ok");
	CU_ASSERT(radio_is_attached(radio));
	end();
}

static void sends_what_fits_into_one_part(void)
{
	char text[161];

	attach();
	CU_ASSERT(radio_send(radio, SERVICE, SLICE("YES 4711")));
	wait_for(&n_lines, 1);
	CU_ASSERT_STRING_EQUAL(line, "{\"send\":{\"to\":\"+447700900123\",\"dcs\":0,"
				     "\"udh\":\"\",\"data\":\"5945532034373131\"}}");
	/* One at a time. */
	CU_ASSERT_FALSE(radio_send(radio, SERVICE, SLICE("NO 4711")));
	CU_ASSERT_EQUAL(n_sent, 0);
	centre_says("{\"sent\":{\"id\":\"1\"}}");
	wait_for(&n_sent, 1);
	CU_ASSERT_STRING_EQUAL(sent_error, "");
	memset(text, 'x', sizeof(text));
	CU_ASSERT_FALSE(radio_send(radio, SERVICE, slice_make(text, 161)));
	CU_ASSERT_FALSE(radio_send(radio, SERVICE, SLICE("\xff")));
	CU_ASSERT(radio_send(radio, SERVICE, slice_make(text, 160)));
	end();
}

/* What the alphabet of GSM has no letter for goes out in UCS-2. */
static void sends_other_letters_in_ucs2(void)
{
	attach();
	CU_ASSERT(radio_send(radio, SERVICE, SLICE("Да")));
	wait_for(&n_lines, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"dcs\":8"));
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"data\":\"04140430\""));
	end();
}

static void tells_why_it_was_not_sent(void)
{
	attach();
	/* An error that is about nothing of ours is no answer. */
	centre_says("{\"error\":\"bad_line\"}");
	turn();
	CU_ASSERT(radio_send(radio, SERVICE, SLICE("YES 4711")));
	wait_for(&n_lines, 1);
	CU_ASSERT_EQUAL(n_sent, 0);
	centre_says("{\"error\":\"no_client\"}");
	wait_for(&n_sent, 1);
	CU_ASSERT_STRING_EQUAL(sent_error, "no_client");
	end();
}

static void keeps_a_message_until_there_is_coverage(void)
{
	begin();
	CU_ASSERT(radio_send(radio, SERVICE, SLICE("YES 4711")));
	wait_for(&n_attached, 1);
	turn();
	CU_ASSERT_EQUAL(n_lines, 0);
	centre_says("{\"attached\":\"" NUMBER "\"}");
	wait_for(&n_lines, 1);
	end();
}

/* It may have arrived, so it is not sent again by itself; the user is told. */
static void sends_nothing_twice(void)
{
	attach();
	CU_ASSERT(radio_send(radio, SERVICE, SLICE("YES 4711")));
	wait_for(&n_lines, 1);
	conn_free(centre);
	centre = NULL;
	wait_for(&n_sent, 1);
	CU_ASSERT_STRING_EQUAL(sent_error, "no_coverage");
	CU_ASSERT_FALSE(radio_is_attached(radio));
	wait_for(&n_attached, 2);
	centre_says("{\"attached\":\"" NUMBER "\"}");
	wait_attached(true);
	turn();
	CU_ASSERT_EQUAL(n_lines, 1);
	end();
}

static void attaches_when_the_centre_comes_back(void)
{
	attach();
	close_centre();
	wait_attached(false);
	for (int i = 0; i < 5; i++) {
		turn();
		usleep(10000);
	}
	open_centre();
	wait_for(&n_attached, 2);
	end();
}

static void leaves_a_centre_that_ends_no_line(void)
{
	attach();
	for (int i = 0; i < 5000; i++)
		evbuffer_add(conn_tx(centre), " ", 1);
	conn_flush(centre);
	wait_attached(false);
	wait_for(&n_attached, 2);
	end();
}

TEST_MAIN("handset_radio", TEST(takes_parts), TEST(passes_malformed_parts_over),
	  TEST(sends_what_fits_into_one_part), TEST(sends_other_letters_in_ucs2),
	  TEST(tells_why_it_was_not_sent),
	  TEST(keeps_a_message_until_there_is_coverage), TEST(sends_nothing_twice),
	  TEST(attaches_when_the_centre_comes_back),
	  TEST(leaves_a_centre_that_ends_no_line))
