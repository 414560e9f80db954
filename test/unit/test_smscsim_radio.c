/*
 * Handsets on the radio side, line by line, over real sockets; the centre is played.
 */
#include "contrib/smscsim/radio.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "contrib/smscsim/centre.h"
#include "test/unit/directory.h"
#include "test/unit/test.h"

#define NUMBER "+447700900123"

static struct directory directory;
static struct loop *loop;
static struct radio *radio;
static char path[100];
static char heard[65536]; /* of one handset */
static unsigned n_reachable, n_originated;
static uint64_t last_handset;
static struct sms last;

/* ---- Played ---- */

void centre_set_radio(struct centre *centre, struct radio *its_radio)
{
	(void)centre, (void)its_radio;
}

void centre_reachable(struct centre *centre, const char *number)
{
	(void)centre;
	CU_ASSERT_STRING_EQUAL(number, NUMBER);
	n_reachable++;
}

void centre_originate(struct centre *centre, uint64_t handset, const struct sms *sms)
{
	(void)centre;
	n_originated++;
	last_handset = handset;
	last = *sms;
}

/* ---- A handset ---- */

static void work(void)
{
	for (int i = 0; i < 20; i++) {
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
		usleep(500);
	}
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)),
			      0);
	return fd;
}

/* Say it; what comes back within a moment. @return false when the line is dead */
static bool say(int fd, const char *text)
{
	size_t n = 0;
	bool is_alive = true;

	if (text[0])
		CU_ASSERT_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL),
				(ssize_t)strlen(text));
	for (int i = 0; i < 3 && is_alive; i++) {
		work();
		ssize_t got = recv(fd, heard + n, sizeof(heard) - 1 - n, 0);
		if (got > 0)
			n += (size_t)got;
		is_alive = got != 0;
	}
	heard[n] = '\0';
	return is_alive;
}

static int attached(void)
{
	int fd = dial();

	CU_ASSERT_TRUE(say(fd, "{\"attach\":\"" NUMBER "\"}\n"));
	CU_ASSERT_STRING_EQUAL(heard, "{\"attached\":\"" NUMBER "\"}\n");
	return fd;
}

static void begin(void)
{
	directory_open(&directory);
	snprintf(path, sizeof(path), "%.80s", directory_file(&directory, "radio"));
	loop = loop_new();
	radio = radio_open(loop, path, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(radio);
	n_reachable = n_originated = 0;
}

static void end(void)
{
	radio_close(radio);
	work();
	loop_free(loop);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	directory_close(&directory);
}

static struct sms part(void)
{
	struct sms sms = { .from = "2020", .to = NUMBER, .n = 2 };

	memcpy(sms.bytes, "Hi", 2);
	return sms;
}

/* ---- Tests ---- */

static void reaches_a_handset_that_is_attached(void)
{
	struct sms sms = part();

	begin();
	int fd = dial();
	work();
	CU_ASSERT_FALSE(radio_can_deliver(radio, NUMBER));
	CU_ASSERT_FALSE(radio_deliver(radio, &sms));
	close(fd);
	fd = attached();
	CU_ASSERT_EQUAL(n_reachable, 1);
	CU_ASSERT_TRUE(radio_can_deliver(radio, NUMBER));
	CU_ASSERT_FALSE(radio_can_deliver(radio, "+447700900124"));
	CU_ASSERT_TRUE(radio_deliver(radio, &sms));
	CU_ASSERT_TRUE(say(fd, ""));
	CU_ASSERT_PTR_NOT_NULL(strstr(heard, "\"from\":\"2020\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(heard, "\"data\":\"4869\""));
	close(fd);
	work();
	CU_ASSERT_FALSE(radio_can_deliver(radio, NUMBER));
	end();
}

static void gives_a_number_to_who_came_last(void)
{
	struct sms sms = part();

	begin();
	int first = attached(), second = attached();
	CU_ASSERT_FALSE(say(first, ""));
	CU_ASSERT_STRING_EQUAL(heard, "{\"error\":\"number_replaced\"}\n");
	CU_ASSERT_TRUE(radio_deliver(radio, &sms));
	CU_ASSERT_TRUE(say(second, ""));
	CU_ASSERT_PTR_NOT_NULL(strstr(heard, "4869"));
	close(first);
	close(second);
	end();
}

static void takes_one_message_at_a_time(void)
{
	begin();
	int fd = attached();
	CU_ASSERT_TRUE(say(fd, "{\"send\":{\"to\":\"2020\",\"dcs\":0,\"udh\":\"\","
			       "\"data\":\"594553\"}}\n"
			       "{\"send\":{\"to\":\"2021\",\"dcs\":0,\"udh\":\"\","
			       "\"data\":\"4e4f\"}}\n"));
	CU_ASSERT_EQUAL(n_originated, 1);
	CU_ASSERT_STRING_EQUAL(last.from, NUMBER);
	CU_ASSERT(last.n == 3 && memcmp(last.bytes, "YES", 3) == 0);
	radio_sent(radio, last_handset, 4711);
	CU_ASSERT_TRUE(say(fd, ""));
	CU_ASSERT_STRING_EQUAL(heard, "{\"sent\":{\"id\":\"4711\"}}\n");
	CU_ASSERT_EQUAL(n_originated, 2);
	radio_not_sent(radio, last_handset, "queue_full");
	CU_ASSERT_TRUE(say(fd, ""));
	CU_ASSERT_STRING_EQUAL(heard, "{\"error\":\"queue_full\"}\n");
	/* The answer for a handset that has gone meanwhile goes nowhere. */
	close(fd);
	work();
	radio_sent(radio, last_handset, 4712);
	end();
}

static const struct {
	const char *line, *error;
	bool goes_on;
} wrong[] = {
	{ "garbage\n", "bad_line", false },
	{ "{}\n", "bad_line", false },
	{ "{\"attach\":\"" NUMBER "\",\"send\":{}}\n", "bad_line", false },
	{ "{\"attach\":\"12ab\"}\n", "bad_number", false },
	{ "{\"send\":{\"to\":\"2020\",\"dcs\":0,\"udh\":\"\",\"data\":\"59\"}}\n",
	  "not_attached", true },
};

static void says_what_is_wrong_with_a_line(void)
{
	char expected[64];

	begin();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int fd = dial();

		CU_ASSERT_EQUAL(say(fd, wrong[i].line), wrong[i].goes_on);
		snprintf(expected, sizeof(expected), "{\"error\":\"%s\"}\n",
			 wrong[i].error);
		CU_ASSERT_STRING_EQUAL(heard, expected);
		close(fd);
	}
	int fd = attached();
	CU_ASSERT_TRUE(say(fd, "{\"send\":{\"to\":\"2020\",\"dcs\":0,\"udh\":\"\","
			       "\"data\":\"5\"}}\n"));
	CU_ASSERT_STRING_EQUAL(heard, "{\"error\":\"bad_data\"}\n");
	CU_ASSERT_FALSE(say(fd, "{\"attach\":\"" NUMBER "\"}\n"));
	CU_ASSERT_STRING_EQUAL(heard, "{\"error\":\"already_attached\"}\n");
	CU_ASSERT_EQUAL(n_originated, 0);
	close(fd);
	end();
}

static void bounds_a_line(void)
{
	static char much[4200];

	begin();
	int fd = dial();
	memset(much, 'x', sizeof(much) - 1);
	CU_ASSERT_FALSE(say(fd, much));
	CU_ASSERT_STRING_EQUAL(heard, "{\"error\":\"bad_line\"}\n");
	close(fd);
	end();
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(reaches_a_handset_that_is_attached),
		TEST(gives_a_number_to_who_came_last),
		TEST(takes_one_message_at_a_time),
		TEST(says_what_is_wrong_with_a_line),
		TEST(bounds_a_line),
	};

	log_open("test_smscsim_radio", LOG_LEVEL_ERROR);
	return test_main("smscsim_radio", cases, sizeof(cases) / sizeof(cases[0]));
}
