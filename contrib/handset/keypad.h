/*
 * The keys of the handset (seed Fig 2: MENU, BACK, numbers, up and down, two soft
 * keys; and the YES and NO of a telephone), and how a terminal's keyboard stands for
 * them. Knows no screens.
 */
#ifndef CONTRIB_HANDSET_KEYPAD_H
#define CONTRIB_HANDSET_KEYPAD_H

#include "base/loop.h"

enum key {
	KEY_0,
	KEY_1,
	KEY_2,
	KEY_3,
	KEY_4,
	KEY_5,
	KEY_6,
	KEY_7,
	KEY_8,
	KEY_9,
	KEY_UP,
	KEY_DOWN,
	KEY_OK,
	KEY_MENU,
	KEY_BACK,
	KEY_YES,
	KEY_NO,
	KEY_SOFT1,
	KEY_SOFT2,
	KEY_N,
};

const char *key_name(enum key key);
bool key_parse(struct slice name, enum key *out);

struct keypad;

struct keypad_owner {
	void (*on_key)(void *arg, enum key key);
	/* A character typed where text is wanted; empty: erase the last. */
	void (*on_text)(void *arg, struct slice character);
	/* Whether text is wanted: then letters and digits are text, not keys. */
	bool (*wants_text)(void *arg);
	/* The keyboard is gone. */
	void (*on_end)(void *arg);
	void *arg;
};

/**
 * Read keys from a terminal, without echo, until keypad_close().
 *
 * @param owner  copied
 * @return NULL when @p fd is no terminal
 */
struct keypad *keypad_open(struct loop *loop, int fd, const struct keypad_owner *owner);
/** Gives the terminal back as it was. */
void keypad_close(struct keypad *keypad);
/** Two lines that say which keyboard keys stand for which. */
const char *keypad_help(void);

#endif
