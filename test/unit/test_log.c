#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test/unit/test.h"

static int saved_stderr;
static char captured[65536];

/* stderr goes into a packet pipe: each read gives what one write wrote. */
static int capture_begin(void)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	return fds[0];
}

/* Returns how many writes there were; `captured` holds the last. */
static size_t capture_end(int fd)
{
	size_t writes = 0;
	ssize_t n;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	captured[0] = '\0';
	while ((n = read(fd, captured, sizeof(captured) - 1)) > 0) {
		captured[n] = '\0';
		writes++;
	}
	close(fd);
	return writes;
}

static const char *tail(const char *event)
{
	const char *p = strstr(captured, event);
	return p ? p + strlen(event) : "(no such event)";
}

static void writes_one_line_with_time_level_and_process(void)
{
	char head[64];

	log_open("provbox-test", LOG_LEVEL_INFO);
	int fd = capture_begin();
	log_info("session_end", log_str("reason", "idle_timeout"), log_num("ms", -5),
		 log_hex("sid", SLICE("\x01\xfe")));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	snprintf(head, sizeof(head), "Z INFO provbox-test[%d] ", (int)getpid());
	CU_ASSERT_EQUAL(captured[10], 'T');
	CU_ASSERT_PTR_EQUAL(strstr(captured, head), captured + 23);
	CU_ASSERT_STRING_EQUAL(tail("ev=session_end"),
			       " reason=idle_timeout ms=-5 sid=01fe\n");
}

static void an_event_may_stand_alone(void)
{
	int fd = capture_begin();
	log_warn("started");
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_STRING_EQUAL(tail("ev=started"), "\n");
}

/* Who asks whether there is room may find that another has taken it meanwhile. */
static void a_pipe_is_told_not_to_wait(void)
{
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	log_open("provbox-test", LOG_LEVEL_INFO);
	const int own = fcntl(STDERR_FILENO, F_GETFL), flags = fcntl(fds[1], F_GETFL);
	log_info("x");
	CU_ASSERT_EQUAL(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	CU_ASSERT_EQUAL(capture_end(fds[0]), 1);
	CU_ASSERT_STRING_EQUAL(tail("ev=x"), "\n");
	CU_ASSERT_EQUAL(own & O_NONBLOCK, O_NONBLOCK);
	CU_ASSERT_EQUAL(flags & O_NONBLOCK, 0); /* of those who gave it to us */
	close(fds[1]);
	log_open("provbox-test", LOG_LEVEL_INFO);
}

static void quotes_what_could_forge_a_line(void)
{
	static const struct {
		struct slice value;
		const char *text;
	} rows[] = {
		{ SLICE("plain-value/1.0:x"), "plain-value/1.0:x" },
		{ SLICE(""), "-" },
		{ SLICE("two words"), "\"two words\"" },
		{ SLICE("a=b"), "\"a=b\"" },
		{ SLICE("say \"x\""), "\"say \\\"x\\\"\"" },
		{ SLICE("back\\slash"), "\"back\\\\slash\"" },
		{ SLICE("x\nERROR ev=fake"), "\"x\\x0aERROR ev=fake\"" },
		{ SLICE("\x1b[31m\x7f"), "\"\\x1b[31m\\x7f\"" },
		{ SLICE("nul\0end"), "\"nul\\x00end\"" },
		{ SLICE("caf\xc3\xa9"), "\"caf\\xc3\\xa9\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[128];
		int fd = capture_begin();
		log_info("x", log_slice("v", rows[i].value), log_num("after", 1));
		CU_ASSERT_EQUAL(capture_end(fd), 1);
		snprintf(expected, sizeof(expected), " v=%s after=1\n", rows[i].text);
		CU_ASSERT_STRING_EQUAL(tail("ev=x"), expected);
	}
}

static void masks_all_but_three_characters(void)
{
	int fd = capture_begin();
	log_info("x", log_masked("number", SLICE("+447700900123")),
		 log_masked("short", SLICE("abc")), log_masked("none", SLICE("")),
		 log_masked("odd", SLICE("secret \"\n")));
	capture_end(fd);
	CU_ASSERT_STRING_EQUAL(tail("ev=x"), " number=**********123 short=*** none=-"
					     " odd=\"****** \\\"\\x0a\"\n");
}

static void long_values_are_cut(void)
{
	static char value[100000];
	char *cut;

	memset(value, 'a', sizeof(value));
	int fd = capture_begin();
	log_info("x", log_slice("v", slice_make(value, sizeof(value))),
		 log_num("after", 1));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	cut = strstr(captured, "... after=1\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(cut);
	CU_ASSERT_EQUAL(cut - strstr(captured, "v=a"), 2 + 2048);

	/* A line always ends, in one write, whatever its fields hold. */
	memset(value, '\n', sizeof(value));
	fd = capture_begin();
	log_info("x", log_slice("v", slice_make(value, sizeof(value))),
		 log_masked("m", slice_make(value, sizeof(value))),
		 log_hex("h", slice_make(value, sizeof(value))));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_PTR_EQUAL(strchr(captured, '\n'), captured + strlen(captured) - 1);
}

static void levels_hold_back(void)
{
	enum log_level level = LOG_LEVEL_ERROR;

	CU_ASSERT_TRUE(log_level_parse(SLICE("warn"), &level));
	CU_ASSERT_EQUAL(level, LOG_LEVEL_WARN);
	CU_ASSERT_FALSE(log_level_parse(SLICE("warning"), &level));
	log_open("provbox", level);
	int fd = capture_begin();
	log_info("hidden");
	log_debug("hidden");
	CU_ASSERT_EQUAL(capture_end(fd), 0);
	fd = capture_begin();
	log_warn("shown");
	log_error("shown");
	CU_ASSERT_EQUAL(capture_end(fd), 2);
	CU_ASSERT_FALSE(log_is_enabled(LOG_LEVEL_INFO));
	CU_ASSERT_TRUE(log_is_enabled(LOG_LEVEL_WARN));
	log_open("provbox", LOG_LEVEL_INFO);
}

static void a_journal_has_the_time_itself_and_is_told_the_level(void)
{
	char name[64];
	struct stat st;

	int fd = capture_begin();
	fstat(STDERR_FILENO, &st);
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	log_open("provbox-test", LOG_LEVEL_INFO);
	log_info("x");
	log_error("y");
	CU_ASSERT(capture_end(fd) > 0);
	CU_ASSERT_PTR_EQUAL(strstr(captured, "<6>INFO provbox-test["), captured);
	CU_ASSERT_PTR_NOT_NULL(strstr(captured, "\n<3>ERROR provbox-test["));
	fd = capture_begin();
	fstat(STDERR_FILENO, &st);
	snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", name, 1);
	log_complain(SLICE("a.conf:1: no"));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_STRING_EQUAL(captured, "<3>a.conf:1: no\n");

	/* The variable is inherited; this stderr is another. */
	for (int i = 0; i < 2; i++) {
		fd = capture_begin();
		fstat(STDERR_FILENO, &st);
		snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev + (i == 0),
			 (uintmax_t)st.st_ino + (i == 1));
		setenv("JOURNAL_STREAM", name, 1);
		log_open("provbox-test", LOG_LEVEL_INFO);
		log_info("x");
		CU_ASSERT_EQUAL(capture_end(fd), 1);
		CU_ASSERT_EQUAL(captured[10], 'T');
	}
	unsetenv("JOURNAL_STREAM");
	fd = capture_begin();
	log_complain(SLICE("a.conf:1: no"));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_STRING_EQUAL(captured, "a.conf:1: no\n");
	log_open("provbox-test", LOG_LEVEL_INFO);
}

static void gathers_lines_that_are_no_trouble(void)
{
	char text[1000];
	int fd;

	log_open("provbox-test", LOG_LEVEL_INFO);
	log_gather();
	fd = capture_begin();
	log_info("one");
	log_info("two");
	CU_ASSERT_EQUAL(read(fd, captured, sizeof(captured)), -1);
	log_flush();
	log_flush();
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(captured, "ev=one\n"));
	CU_ASSERT_STRING_EQUAL(tail("ev=two"), "\n");

	fd = capture_begin();
	log_info("before");
	log_warn("trouble");
	CU_ASSERT(read(fd, captured, sizeof(captured)) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(captured, "ev=before\n"));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT_STRING_EQUAL(tail("ev=trouble"), "\n");

	/* What is written at once is not mixed with lines of others. */
	memset(text, 'x', sizeof(text));
	fd = capture_begin();
	for (int i = 0; i < 4; i++)
		log_info("long", log_slice("x", slice_make(text, sizeof(text))));
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	CU_ASSERT(strlen(captured) <= PIPE_BUF);
	fd = capture_begin();
	log_flush();
	CU_ASSERT_EQUAL(capture_end(fd), 1);
	log_open("provbox-test", LOG_LEVEL_INFO);
}

static void a_bug_is_logged_and_aborts(void)
{
	int status;

	int fd = capture_begin();
	pid_t pid = fork();
	if (pid == 0) {
		BUG_ON(1 + 1 == 2);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	capture_end(fd);
	CU_ASSERT_PTR_NOT_NULL(strstr(captured, "ERROR"));
	CU_ASSERT_PTR_NOT_NULL(strstr(captured, "ev=bug what=\"1 + 1 == 2\" file="));
}

/* Open the log with or without a file to spare. */
static void open_log(bool has_file)
{
	struct rlimit files, few;

	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &files), 0);
	few = files;
	few.rlim_cur = has_file ? files.rlim_cur : 3;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	log_open("provbox-test", LOG_LEVEL_INFO);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* The pipe has a slot for each packet. */
static void stop_reading(bool can_open)
{
	char bytes[8192];
	int fds[2];
	size_t n_lines = 0;

	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 4096);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	open_log(can_open);
	/* Where it was not opened again a write would wait, as any program's. */
	CU_ASSERT_EQUAL(fcntl(STDERR_FILENO, F_SETFL,
			      can_open ? O_DIRECT | O_NONBLOCK : O_DIRECT),
			0);
	unsigned left_s = alarm(10);
	for (int i = 0; i < 200; i++)
		log_info("flood", log_num("i", i));
	alarm(left_s);
	while (read(fds[0], bytes, sizeof(bytes)) > 0)
		n_lines++;
	CU_ASSERT(n_lines > 0 && n_lines < 200);
	fcntl(STDERR_FILENO, F_SETPIPE_SZ, 65536);
	log_info("again");
	CU_ASSERT(read(fds[0], captured, sizeof(captured)) > 0);
	CU_ASSERT_EQUAL(strtoul(tail("ev=log_lost lines="), NULL, 10), 200 - n_lines);
	CU_ASSERT_EQUAL(capture_end(fds[0]), 1);
	CU_ASSERT_STRING_EQUAL(tail("ev=again"), "\n");
}

static void a_reader_that_stopped_stops_nobody(void)
{
	stop_reading(true);
	stop_reading(false);
	log_open("provbox-test", LOG_LEVEL_INFO);
}

/* What the socket took last may be half a line, which gets an end before all else. */
static void a_journal_that_stopped_stops_nobody(void)
{
	int fds[2];
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	log_open("provbox-test", LOG_LEVEL_INFO);
	unsigned left_s = alarm(10);
	for (int i = 0; i < 20000; i++)
		log_info("flood", log_num("i", i));
	alarm(left_s);
	while ((n = recv(fds[0], captured, sizeof(captured), MSG_DONTWAIT)) > 0)
		;
	log_info("again");
	n = recv(fds[0], captured, sizeof(captured) - 1, MSG_DONTWAIT);
	CU_ASSERT_FATAL(n > 0);
	captured[n] = '\0';
	unsigned long n_lost = strtoul(tail("ev=log_lost lines="), NULL, 10);
	CU_ASSERT(n_lost > 0 && n_lost < 20000);
	CU_ASSERT_STRING_EQUAL(tail("ev=again"), "\n");
	/* A reader that is gone is no signal either. */
	close(fds[0]);
	log_info("nobody");
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	log_open("provbox-test", LOG_LEVEL_INFO);
}

/* How large files may become, by which a disk is full. */
static void make_room(rlim_t bytes)
{
	struct rlimit room;

	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &room), 0);
	room.rlim_cur = bytes;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &room), 0);
}

/* Half a line fits, then nothing, then all again. */
static void a_full_disk_is_told_when_there_is_room(void)
{
	char path[] = "/tmp/provbox-log-XXXXXX";
	uint64_t n_lost = 0;
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0 && unlink(path) == 0);
	signal(SIGXFSZ, SIG_IGN);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	log_open("provbox-test", LOG_LEVEL_INFO);
	log_count_lost(&n_lost);
	make_room(30);
	for (int i = 0; i < 5; i++)
		log_info("lost");
	make_room(RLIM_INFINITY);
	log_info("again");
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	CU_ASSERT_EQUAL(n_lost, 5);
	ssize_t n = pread(fd, captured, sizeof(captured) - 1, 0);
	CU_ASSERT_FATAL(n > 30);
	captured[n] = '\0';
	CU_ASSERT_EQUAL(captured[30], '\n');
	CU_ASSERT_PTR_NULL(strstr(captured, "ev=lost"));
	CU_ASSERT_EQUAL(strncmp(tail("ev=log_lost"), " lines=5\n", 9), 0);
	CU_ASSERT_STRING_EQUAL(tail("ev=again"), "\n");
	log_count_lost(NULL);
	close(fd);
	log_open("provbox-test", LOG_LEVEL_INFO);
}

TEST_MAIN("log", TEST(writes_one_line_with_time_level_and_process),
	  TEST(an_event_may_stand_alone), TEST(a_pipe_is_told_not_to_wait),
	  TEST(quotes_what_could_forge_a_line), TEST(masks_all_but_three_characters),
	  TEST(long_values_are_cut), TEST(levels_hold_back),
	  TEST(a_journal_has_the_time_itself_and_is_told_the_level),
	  TEST(a_reader_that_stopped_stops_nobody),
	  TEST(a_journal_that_stopped_stops_nobody),
	  TEST(a_full_disk_is_told_when_there_is_room),
	  TEST(gathers_lines_that_are_no_trouble), TEST(a_bug_is_logged_and_aborts))
