#include "contrib/handset/keypad.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"

static const struct {
	const char *name;
	const char *bytes; /* as a terminal sends it, also where text is wanted */
	char letter;       /* instead, where no text is wanted */
} keys[KEY_N] = {
	[KEY_0] = { "0", NULL, '0' },
	[KEY_1] = { "1", NULL, '1' },
	[KEY_2] = { "2", NULL, '2' },
	[KEY_3] = { "3", NULL, '3' },
	[KEY_4] = { "4", NULL, '4' },
	[KEY_5] = { "5", NULL, '5' },
	[KEY_6] = { "6", NULL, '6' },
	[KEY_7] = { "7", NULL, '7' },
	[KEY_8] = { "8", NULL, '8' },
	[KEY_9] = { "9", NULL, '9' },
	[KEY_UP] = { "UP", "\033[A", 'k' },
	[KEY_DOWN] = { "DOWN", "\033[B", 'j' },
	[KEY_OK] = { "OK", "\r", '\n' },
	[KEY_MENU] = { "MENU", "\t", 'm' },
	[KEY_BACK] = { "BACK", "\033", 'b' },
	[KEY_YES] = { "YES", NULL, 'y' },
	[KEY_NO] = { "NO", NULL, 'n' },
	[KEY_SOFT1] = { "SOFT1", "\033OP", '[' },
	[KEY_SOFT2] = { "SOFT2", "\033OQ", ']' },
};

#define ERASE     0x7f
#define BACKSPACE 0x08

struct keypad {
	int fd;
	struct termios before;
	struct keypad_owner owner;
	struct event readable;
};

const char *key_name(enum key key)
{
	return keys[key].name;
}

bool key_parse(struct slice name, enum key *out)
{
	for (int i = 0; i < KEY_N; i++)
		if (slice_eq_nocase(name, slice_of(keys[i].name))) {
			*out = (enum key)i;
			return true;
		}
	return false;
}

const char *keypad_help(void)
{
	return "arrows, Enter, digits; y: YES, n: NO; Tab or m: MENU; Esc or b: BACK;\n"
	       "F1 or [ and F2 or ]: the soft keys; Ctrl-D: off\n";
}

/* The longest sequence of bytes that is a key. */
static size_t match_bytes(struct slice input, enum key *key)
{
	size_t best = 0;

	for (int i = 0; i < KEY_N; i++) {
		struct slice bytes = slice_of(keys[i].bytes);

		if (bytes.n > best && slice_starts(input, bytes)) {
			best = bytes.n;
			*key = (enum key)i;
		}
	}
	return best;
}

static bool match_letter(char c, enum key *key)
{
	for (int i = 0; i < KEY_N; i++)
		if (keys[i].letter == c) {
			*key = (enum key)i;
			return true;
		}
	return false;
}

/* Take one key or character off the input. */
static void take(struct keypad *keypad, struct slice *input)
{
	const struct keypad_owner *owner = &keypad->owner;
	enum key key;
	size_t n = match_bytes(*input, &key);
	bool wants_text = owner->wants_text(owner->arg);
	uint32_t character;
	struct slice text = *input;

	if (n == 0 && !wants_text && match_letter(input->p[0], &key))
		n = 1;
	if (n > 0) {
		*input = slice_make(input->p + n, input->n - n);
		owner->on_key(owner->arg, key);
		return;
	}
	if (!utf8_next(input, &character)) {
		*input = slice_make(input->p + 1, input->n - 1);
		return;
	}
	text.n -= input->n;
	if (wants_text && (character == ERASE || character == BACKSPACE))
		owner->on_text(owner->arg, (struct slice){ NULL, 0 });
	else if (wants_text && character >= 0x20)
		owner->on_text(owner->arg, text);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct keypad *keypad = arg;
	char bytes[256];
	ssize_t n = read(fd, bytes, sizeof(bytes));
	struct slice input = slice_make(bytes, n > 0 ? (size_t)n : 0);

	(void)what;
	if (n <= 0 || memchr(bytes, 0x04, (size_t)n)) { /* Ctrl-D */
		event_del(&keypad->readable);
		keypad->owner.on_end(keypad->owner.arg);
		return;
	}
	while (input.n > 0)
		take(keypad, &input);
}

struct keypad *keypad_open(struct loop *loop, int fd, const struct keypad_owner *owner)
{
	struct keypad *keypad;
	struct termios raw;

	if (!isatty(fd))
		return NULL;
	keypad = calloc(1, sizeof(*keypad));
	BUG_ON(!keypad);
	keypad->fd = fd;
	keypad->owner = *owner;
	tcgetattr(fd, &keypad->before);
	raw = keypad->before;
	/* Signals stay: Ctrl-C ends the handset as it ends everything. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)ICRNL;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &raw);
	event_assign(&keypad->readable, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_readable, keypad);
	event_add(&keypad->readable, NULL);
	return keypad;
}

void keypad_close(struct keypad *keypad)
{
	if (!keypad)
		return;
	event_del(&keypad->readable);
	tcsetattr(keypad->fd, TCSANOW, &keypad->before);
	free(keypad);
}
