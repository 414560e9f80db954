#include "contrib/handset/script.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/help.h"
#include "base/log.h"
#include "contrib/handset/cancel.h"

#define WAIT_SECONDS       30 /* where the line does not say */
#define WAIT_SECONDS_LIMIT 3600
#define LINE_BYTES         4096
#define COMMAND_COLUMN     22 /* of the help */

enum progress {
	PROGRESS_DONE,
	PROGRESS_WAIT,
	PROGRESS_NEVER, /* the handset has ended in another state */
	PROGRESS_BAD,   /* no such command, or not here */
};

struct script {
	struct handset *handset;
	int fd;
	struct event readable;
	struct timer step, deadline;
	struct evbuffer *input;
	char *line; /* the present command; NULL: none */
	bool is_at_end, has_failed;
};

/* ---- Commands ---- */

/* The next word of a line; empty at its end. */
static struct slice next_word(struct slice *rest)
{
	struct slice word = { NULL, 0 };

	while (rest->n > 0 && word.n == 0)
		slice_next(rest, ' ', &word);
	return word;
}

static enum progress do_key(struct script *script, struct slice rest)
{
	enum key key;

	if (!key_parse(next_word(&rest), &key))
		return PROGRESS_BAD;
	handset_press(script->handset, key);
	return PROGRESS_DONE;
}

static enum progress do_type(struct script *script, struct slice rest)
{
	enum form_field field;

	if (!form_field_parse(next_word(&rest), &field) ||
	    script->handset->screen != SCREEN_FORM ||
	    !handset_type(script->handset, field, slice_trim(rest)))
		return PROGRESS_BAD;
	return PROGRESS_DONE;
}

static enum progress do_cancel(struct script *script, struct slice rest)
{
	(void)rest;
	return cancel_request(script->handset) ? PROGRESS_DONE : PROGRESS_BAD;
}

static enum progress progress_of(bool is_so)
{
	return is_so ? PROGRESS_DONE : PROGRESS_WAIT;
}

static enum progress wait_state(struct script *script, struct slice rest)
{
	enum state state;

	if (!state_parse(next_word(&rest), &state))
		return PROGRESS_BAD;
	if (state_is_final(script->handset->state) && script->handset->state != state)
		return PROGRESS_NEVER;
	return progress_of(script->handset->state == state);
}

static enum progress wait_screen(struct script *script, struct slice rest)
{
	enum screen screen;

	if (!screen_parse(next_word(&rest), &screen))
		return PROGRESS_BAD;
	return progress_of(script->handset->screen == screen);
}

static enum progress wait_text(struct script *script, struct slice rest)
{
	return progress_of(view_contains(&script->handset->view, slice_trim(rest)));
}

static enum progress wait_messages(struct script *script, struct slice rest)
{
	uint64_t n;

	(void)script;
	if (!slice_to_u64(next_word(&rest), 1000, &n))
		return PROGRESS_BAD;
	return progress_of(messages_count() >= n);
}

static enum progress do_wait(struct script *script, struct slice rest)
{
	static const struct {
		const char *name;
		enum progress (*fn)(struct script *script, struct slice rest);
	} waits[] = {
		{ "state", wait_state },
		{ "screen", wait_screen },
		{ "text", wait_text },
		{ "messages", wait_messages },
	};
	struct slice what = next_word(&rest);

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (slice_eq(what, slice_of(waits[i].name)))
			return waits[i].fn(script, rest);
	return PROGRESS_BAD;
}

static const struct {
	const char *name;
	enum progress (*fn)(struct script *script, struct slice rest);
	const char *arguments, *help;
} commands[] = {
	{ "key", do_key, "NAME", "press a key: 0 to 9, UP, DOWN, OK, YES, SOFT1 ..." },
	{ "type", do_type, "FIELD TEXT", "into a field of the form" },
	{ "cancel", do_cancel, "", "take the request back, as the key Cancel does" },
	{ "wait", do_wait, "WHAT X [S]",
	  "until state, screen, text or messages are X, for S seconds" },
	{ "expect", do_wait, "WHAT X [S]", "the same, for what should be so soon" },
};
#define COMMANDS_N (sizeof(commands) / sizeof(commands[0]))

void script_print_help(FILE *out)
{
	for (size_t i = 0; i < COMMANDS_N; i++) {
		char left[40];
		snprintf(left, sizeof(left), "  %-7s %s", commands[i].name,
			 commands[i].arguments);
		help_row(out, COMMAND_COLUMN, left, commands[i].help);
	}
}

static enum progress do_command(struct script *script, struct slice line)
{
	struct slice name = next_word(&line);

	if (name.n == 0 || name.p[0] == '#')
		return PROGRESS_DONE;
	for (size_t i = 0; i < COMMANDS_N; i++)
		if (slice_eq(name, slice_of(commands[i].name)))
			return commands[i].fn(script, line);
	return PROGRESS_BAD;
}

/* ---- Going through the lines ---- */

static void fail(struct script *script, const char *why)
{
	const struct handset *handset = script->handset;

	log_warn("script_failed", log_str("line", script->line), log_str("why", why),
		 log_str("state", state_name(handset->state)),
		 log_str("screen", screen_name(handset->screen)));
	script->has_failed = true;
	handset_power_off(script->handset);
}

static void on_deadline(void *arg)
{
	fail(arg, "timeout");
}

/* A number at the end of the line, after a name, is a time in seconds. What text says
 * of numbers is text. */
static int64_t patience_ms(const char *line)
{
	uint64_t seconds = WAIT_SECONDS;
	struct slice rest = slice_of(line), what, last;

	next_word(&rest);
	what = next_word(&rest);
	next_word(&rest);
	last = next_word(&rest);
	if (slice_eq(what, SLICE("text")) || next_word(&rest).n > 0 ||
	    !slice_to_u64(last, WAIT_SECONDS_LIMIT, &seconds))
		seconds = WAIT_SECONDS;
	return (int64_t)seconds * 1000;
}

static bool take_line(struct script *script)
{
	script->line = evbuffer_readln(script->input, NULL, EVBUFFER_EOL_ANY);
	if (script->line)
		timer_start(&script->deadline, patience_ms(script->line));
	return script->line != NULL;
}

static void drop_line(struct script *script)
{
	timer_cancel(&script->deadline);
	free(script->line);
	script->line = NULL;
}

static bool is_over(const struct script *script)
{
	enum state state = script->handset->state;

	return script->is_at_end && !script->line &&
	       (state_is_final(state) || state == STATE_CHOOSING);
}

/* One command each turn, so that what it does has happened before the next. */
static void step(void *arg)
{
	struct script *script = arg;
	enum progress progress;

	if (script->has_failed || (!script->line && !take_line(script))) {
		if (is_over(script))
			handset_power_off(script->handset);
		return;
	}
	progress = do_command(script, slice_trim(slice_of(script->line)));
	if (progress == PROGRESS_BAD)
		fail(script, "bad_command");
	if (progress == PROGRESS_NEVER)
		fail(script, "ended_otherwise");
	if (progress != PROGRESS_DONE)
		return;
	drop_line(script);
	timer_start(&script->step, 0);
}

void script_poke(struct script *script)
{
	if (!timer_is_pending(&script->step))
		timer_start(&script->step, 0);
}

static bool read_some(struct script *script)
{
	int n = evbuffer_read(script->input, script->fd, LINE_BYTES);

	if (n <= 0)
		script->is_at_end = true;
	/* The last line may lack its newline. */
	if (n <= 0 && evbuffer_get_length(script->input) > 0)
		evbuffer_add(script->input, "\n", 1);
	return n > 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct script *script = arg;

	(void)fd;
	(void)what;
	if (!read_some(script))
		event_del(&script->readable);
	script_poke(script);
}

struct script *script_new(struct loop *loop, struct handset *handset, int fd)
{
	struct script *script = calloc(1, sizeof(*script));
	struct stat status;

	BUG_ON(!script);
	*script = (struct script){ .handset = handset,
				   .fd = fd,
				   .input = evbuffer_new() };
	timer_init(&script->step, loop, step, script);
	timer_init(&script->deadline, loop, on_deadline, script);
	event_assign(&script->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_readable, script);
	/* A plain file cannot be watched, and need not be. */
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
		while (read_some(script))
			;
	} else {
		event_add(&script->readable, NULL);
	}
	return script;
}

void script_free(struct script *script)
{
	if (!script)
		return;
	event_del(&script->readable);
	timer_cancel(&script->step);
	timer_cancel(&script->deadline);
	evbuffer_free(script->input);
	free(script->line);
	close(script->fd);
	free(script);
}

bool script_has_failed(const struct script *script)
{
	return script && script->has_failed;
}
