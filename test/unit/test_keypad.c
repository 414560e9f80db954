#include "contrib/handset/keypad.h"

#include <pty.h>
#include <termios.h>

#include "base/log.h"
#include "test/unit/test.h"

static char heard[512]; /* keys in <>, text as it is, "<-" for an erased character */
static bool wants_text;

static void hear(const char *before, struct slice what, const char *after)
{
	size_t at = strlen(heard);

	snprintf(heard + at, sizeof(heard) - at, "%s%.*s%s", before, (int)what.n,
		 what.p, after);
}

static void on_key(void *arg, enum key key)
{
	(void)arg;
	hear("<", slice_of(key_name(key)), ">");
}

static void on_text(void *arg, struct slice character)
{
	(void)arg;
	hear("", character.n > 0 ? character : SLICE("<-"), "");
}

static bool is_text_wanted(void *arg)
{
	(void)arg;
	return wants_text;
}

static void on_end(void *arg)
{
	(void)arg;
	hear("", SLICE("(end)"), "");
}

/* What is heard of bytes that a keyboard sends at once. */
static const char *type(const char *bytes, bool as_text)
{
	static const struct keypad_owner owner = { on_key, on_text, is_text_wanted,
						   on_end, NULL };
	struct loop *loop = loop_new();
	struct termios before, during, after;
	int keyboard, terminal;

	heard[0] = '\0';
	wants_text = as_text;
	CU_ASSERT_EQUAL_FATAL(openpty(&keyboard, &terminal, NULL, NULL, NULL), 0);
	tcgetattr(terminal, &before);
	struct keypad *keypad = keypad_open(loop, terminal, &owner);
	CU_ASSERT_PTR_NOT_NULL_FATAL(keypad);
	tcgetattr(terminal, &during);
	CU_ASSERT_EQUAL(during.c_lflag & (ICANON | ECHO), 0);
	CU_ASSERT_EQUAL(write(keyboard, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	event_base_loop(loop_base(loop), EVLOOP_ONCE);
	keypad_close(keypad);
	tcgetattr(terminal, &after);
	CU_ASSERT_EQUAL(after.c_lflag, before.c_lflag);
	CU_ASSERT_EQUAL(after.c_iflag, before.c_iflag);
	close(terminal);
	close(keyboard);
	loop_free(loop);
	return heard;
}

static void a_keyboard_stands_for_the_keys(void)
{
	CU_ASSERT_STRING_EQUAL(type("0129", false), "<0><1><2><9>");
	CU_ASSERT_STRING_EQUAL(type("yn", false), "<YES><NO>");
	CU_ASSERT_STRING_EQUAL(type("kj\n\rm\tb[]", false),
			       "<UP><DOWN><OK><OK><MENU><MENU><BACK><SOFT1><SOFT2>");
	/* The longest sequence wins: an arrow is not BACK and two letters. */
	CU_ASSERT_STRING_EQUAL(type("\033[A\033[B\033\033OP\033OQ", false),
			       "<UP><DOWN><BACK><SOFT1><SOFT2>");
	CU_ASSERT_STRING_EQUAL(type("x?\x01\xc3\xa9", false), "");
}

static void letters_are_text_where_text_is_wanted(void)
{
	CU_ASSERT_STRING_EQUAL(type("yes 1[", true), "yes 1[");
	CU_ASSERT_STRING_EQUAL(type("\xc3\xa9\xe2\x82\xac", true),
			       "\xc3\xa9\xe2\x82\xac");
	CU_ASSERT_STRING_EQUAL(type("a\x7f\x08", true), "a<-<-");
	CU_ASSERT_STRING_EQUAL(type("a\033[A\r\tb", true), "a<UP><OK><MENU>b");
	CU_ASSERT_STRING_EQUAL(type("a\xff\xc3z\x01", true), "az");
}

static void ctrl_d_is_the_end(void)
{
	CU_ASSERT_STRING_EQUAL(type("a\x04", true), "(end)");
}

static void needs_a_terminal(void)
{
	static const struct keypad_owner owner = { on_key, on_text, is_text_wanted,
						   on_end, NULL };
	struct loop *loop = loop_new();
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	CU_ASSERT_PTR_NULL(keypad_open(loop, fds[0], &owner));
	keypad_close(NULL);
	close(fds[0]);
	close(fds[1]);
	loop_free(loop);
}

static void names_are_read_back(void)
{
	enum key key;

	for (int i = 0; i < KEY_N; i++) {
		key = KEY_N;
		CU_ASSERT_TRUE(key_parse(slice_of(key_name((enum key)i)), &key));
		CU_ASSERT_EQUAL(key, (enum key)i);
	}
	CU_ASSERT_TRUE(key_parse(SLICE("yes"), &key));
	CU_ASSERT_EQUAL(key, KEY_YES);
	CU_ASSERT_FALSE(key_parse(SLICE("YE"), &key));
	CU_ASSERT_FALSE(key_parse(SLICE(""), &key));
}

TEST_MAIN("keypad", TEST(a_keyboard_stands_for_the_keys),
	  TEST(letters_are_text_where_text_is_wanted), TEST(ctrl_d_is_the_end),
	  TEST(needs_a_terminal), TEST(names_are_read_back))
