#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"

#define VALUE_BYTES 2048
/* A write of at most PIPE_BUF to a pipe is never mixed with another process's. */
#define LINE_BYTES PIPE_BUF

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "ERROR",
	[LOG_LEVEL_WARN] = "WARN",
	[LOG_LEVEL_INFO] = "INFO",
	[LOG_LEVEL_DEBUG] = "DEBUG",
};
#define N_LEVELS (sizeof(level_names) / sizeof(level_names[0]))

/* Not shown: `journalctl -p warning` goes by it. Source: sd-daemon(3). */
static const char *const journal_levels[] = {
	[LOG_LEVEL_ERROR] = "<3>",
	[LOG_LEVEL_WARN] = "<4>",
	[LOG_LEVEL_INFO] = "<6>",
	[LOG_LEVEL_DEBUG] = "<7>",
};

struct line {
	size_t n;
	char p[LINE_BYTES];
};

/* How to write without waiting for whoever reads. */
enum log_way {
	LOG_WAY_ASK,   /* whether there is room */
	LOG_WAY_SEND,  /* a socket, the journal's: it may be told not to wait */
	LOG_WAY_WRITE, /* never waits: a file, or a pipe opened by ourselves */
};

static struct {
	const char *program;
	enum log_level level;
	pid_t pid;
	bool is_journal;
	enum log_way way;
	uint64_t n_lost; /* lines since the last that was written */
	bool is_torn;    /* what was written last has no end */
	bool is_gathering;
	struct line gathered; /* whole lines; no more than is written at once */
	uint64_t *n_lost_of_all;
	char *error; /* the last one is left here, too */
	size_t error_size;
	bool is_demoting;
} sink = { .program = "provbox", .level = LOG_LEVEL_INFO };

/* JOURNAL_STREAM names the journal's socket as device:inode; it is inherited by
 * processes whose stderr goes elsewhere (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	struct slice rest = slice_of(getenv("JOURNAL_STREAM")), field;
	uint64_t device, inode;
	struct stat st;

	return slice_next(&rest, ':', &field) &&
	       slice_to_u64(field, UINT64_MAX, &device) &&
	       slice_to_u64(rest, UINT64_MAX, &inode) &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

/* Others write into the same pipe: between asking and writing they may take the room.
 * Opened once more, it can be told not to wait, and waits for the others as before. */
static bool open_pipe(void)
{
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false; /* a user that may not, or no reader */
	bool is_ours = dup2(fd, STDERR_FILENO) == STDERR_FILENO;
	close(fd);
	return is_ours;
}

static enum log_way way_of_stderr(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) != 0)
		return LOG_WAY_ASK;
	if (S_ISREG(st.st_mode) || (S_ISFIFO(st.st_mode) && open_pipe()))
		return LOG_WAY_WRITE;
	return S_ISSOCK(st.st_mode) ? LOG_WAY_SEND : LOG_WAY_ASK;
}

void log_open(const char *program, enum log_level level)
{
	sink.program = program;
	sink.level = level;
	sink.pid = getpid();
	sink.n_lost = 0; /* those of a parent are for it to tell */
	sink.is_torn = sink.is_gathering = false;
	sink.gathered.n = 0;
	sink.is_journal = stderr_is_journal();
	sink.way = way_of_stderr();
}

void log_complain(struct slice line)
{
	fprintf(stderr, "%s%.*s\n",
		stderr_is_journal() ? journal_levels[LOG_LEVEL_ERROR] : "", (int)line.n,
		line.p);
}

bool log_level_parse(struct slice name, enum log_level *out)
{
	for (size_t i = 0; i < N_LEVELS; i++)
		if (slice_eq_nocase(name, slice_of(level_names[i]))) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

bool log_is_enabled(enum log_level level)
{
	return level <= sink.level;
}

/* Append what fits; one byte stays free for the newline. */
static void put(struct line *line, struct slice s)
{
	size_t room = sizeof(line->p) - 1 - line->n;
	size_t n = s.n < room ? s.n : room;

	if (n > 0)
		memcpy(line->p + line->n, s.p, n);
	line->n += n;
}

/* A line for each request is many numbers and names: they are put without printf(). */
static void put_char(struct line *line, char c)
{
	put(line, (struct slice){ &c, 1 });
}

static void put_number(struct line *line, int64_t number)
{
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	char text[21];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		text[--at] = '-';
	put(line, slice_make(text + at, sizeof(text) - at));
}

static void put_byte(struct line *line, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	put_char(line, digits[byte >> 4]);
	put_char(line, digits[byte & 0xf]);
}

static bool is_graphic(char c)
{
	return c >= 0x20 && c < 0x7f;
}

static bool needs_quotes(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_graphic(s.p[i]) || s.p[i] == ' ' || s.p[i] == '"' ||
		    s.p[i] == '=' || s.p[i] == '\\')
			return true;
	return false;
}

static void put_quoted(struct line *line, struct slice s)
{
	put(line, SLICE("\""));
	for (size_t i = 0; i < s.n; i++) {
		if (!is_graphic(s.p[i])) {
			put(line, SLICE("\\x"));
			put_byte(line, (uint8_t)s.p[i]);
			continue;
		}
		if (s.p[i] == '"' || s.p[i] == '\\')
			put_char(line, '\\');
		put_char(line, s.p[i]);
	}
	put(line, SLICE("\""));
}

static void put_text(struct line *line, struct slice s)
{
	if (s.n == 0)
		put(line, SLICE("-"));
	else if (needs_quotes(s))
		put_quoted(line, s);
	else
		put(line, s);
}

static void put_hex(struct line *line, struct slice s)
{
	if (s.n == 0)
		put(line, SLICE("-"));
	for (size_t i = 0; i < s.n; i++)
		put_byte(line, (uint8_t)s.p[i]);
}

static void put_masked(struct line *line, struct slice s)
{
	const size_t shown = 3;
	char text[VALUE_BYTES];

	memset(text, '*', s.n);
	if (s.n > shown)
		memcpy(text + s.n - shown, s.p + s.n - shown, shown);
	put_text(line, slice_make(text, s.n));
}

static void put_field(struct line *line, const struct log_field *field)
{
	struct slice text = field->text;
	bool is_cut = text.n > VALUE_BYTES;

	if (is_cut)
		text.n = VALUE_BYTES;
	put_char(line, ' ');
	put(line, slice_of(field->key));
	put_char(line, '=');
	switch (field->kind) {
	case LOG_KIND_TEXT: put_text(line, text); break;
	case LOG_KIND_NUMBER: put_number(line, field->number); break;
	case LOG_KIND_HEX: put_hex(line, text); break;
	case LOG_KIND_MASKED: put_masked(line, text); break;
	}
	if (is_cut)
		put(line, SLICE("..."));
}

void log_keep_error(char *out, size_t size)
{
	sink.error = out;
	sink.error_size = size;
}

void log_demote_errors(bool is_demoted)
{
	sink.is_demoting = is_demoted;
}

static void keep_error(struct slice text)
{
	if (!sink.error || sink.error_size == 0)
		return;
	if (text.n > sink.error_size - 1)
		text.n = sink.error_size - 1;
	memcpy(sink.error, text.p, text.n);
	sink.error[text.n] = '\0';
}

static bool has_room(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) != 0;
}

/* A reader of the log that has stopped, stops nobody else. */
static ssize_t write_some(struct slice text)
{
	if (sink.way == LOG_WAY_SEND)
		return send(STDERR_FILENO, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.way == LOG_WAY_ASK && !has_room()) {
		errno = EAGAIN;
		return -1;
	}
	return write(STDERR_FILENO, text.p, text.n);
}

static void put_origin(struct line *line, enum log_level level)
{
	line->n = 0;
	if (sink.is_journal) { /* which has the time itself */
		put(line, slice_of(journal_levels[level]));
	} else {
		char now[25];
		time_format(time_now_ms(), now);
		put(line, slice_of(now));
		put_char(line, ' ');
	}
	if (sink.pid == 0)
		sink.pid = getpid();
	put(line, slice_of(level_names[level]));
	put_char(line, ' ');
	put(line, slice_of(sink.program));
	put_char(line, '[');
	put_number(line, sink.pid);
	put(line, SLICE("] "));
}

/* With a full disk, nothing or a part may be all that can be written. Returns what is
 * left. */
static struct slice write_text(struct slice text)
{
	while (text.n > 0) {
		ssize_t n = write_some(text);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		sink.is_torn = text.p[n - 1] != '\n';
		text = slice_make(text.p + n, text.n - (size_t)n);
	}
	return text;
}

/* What is missing is told first, on a line of its own even behind half of one. */
static bool write_loss(void)
{
	struct line line;

	if (sink.n_lost == 0)
		return true;
	if (sink.is_torn && write_text(SLICE("\n")).n > 0)
		return false;
	put_origin(&line, LOG_LEVEL_WARN);
	put(&line, SLICE("ev=log_lost lines="));
	put_number(&line, (int64_t)sink.n_lost);
	put_char(&line, '\n');
	if (write_text(slice_make(line.p, line.n)).n > 0)
		return false;
	sink.n_lost = 0;
	return true;
}

static void write_lines(struct slice lines)
{
	if (write_loss())
		lines = write_text(lines);
	for (size_t i = 0; i < lines.n; i++) {
		if (lines.p[i] != '\n')
			continue;
		sink.n_lost++;
		if (sink.n_lost_of_all)
			__atomic_fetch_add(sink.n_lost_of_all, 1, __ATOMIC_RELAXED);
	}
}

void log_gather(void)
{
	sink.is_gathering = true;
}

void log_flush(void)
{
	int saved_errno = errno;

	if (sink.gathered.n == 0)
		return;
	write_lines(slice_make(sink.gathered.p, sink.gathered.n));
	sink.gathered.n = 0;
	errno = saved_errno;
}

/* What a person should see at once is not gathered, nor anything before it. */
static void end_line(struct line *line, enum log_level level)
{
	line->p[line->n++] = '\n';
	if (!sink.is_gathering || level <= LOG_LEVEL_WARN ||
	    sink.gathered.n + line->n > sizeof(sink.gathered.p))
		log_flush();
	if (sink.is_gathering && level > LOG_LEVEL_WARN) {
		memcpy(sink.gathered.p + sink.gathered.n, line->p, line->n);
		sink.gathered.n += line->n;
	} else {
		write_lines(slice_make(line->p, line->n));
	}
}

void log_count_lost(uint64_t *n_lost)
{
	sink.n_lost_of_all = n_lost;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
	       size_t n_fields)
{
	struct line line;
	int saved_errno = errno;
	enum log_level shown =
		level == LOG_LEVEL_ERROR && sink.is_demoting ? LOG_LEVEL_WARN : level;

	if (!log_is_enabled(level))
		return;
	put_origin(&line, shown);
	size_t start = line.n;
	put(&line, SLICE("ev="));
	put(&line, slice_of(event));
	for (size_t i = 0; i < n_fields; i++)
		put_field(&line, &fields[i]);
	if (level == LOG_LEVEL_ERROR)
		keep_error(slice_make(line.p + start, line.n - start));
	if (log_is_enabled(shown))
		end_line(&line, shown);
	errno = saved_errno;
}

_Noreturn void log_bug(const char *what, const char *file, int line)
{
	log_error("bug", log_str("what", what), log_str("file", file),
		  log_num("line", line));
	abort();
}
