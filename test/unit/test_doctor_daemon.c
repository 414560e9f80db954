/* What the doctor makes of daemons, which are scripts here that say what the test says.
 */
#include "provctl/doctor.h"

#include "test/unit/directory.h"
#include "test/unit/operator.h"

static struct directory directory;
static struct context context;
static struct doctor examined;
static char found[1024]; /* "verdict what [-> fix]", a line each */

void doctor_found(struct doctor *doctor, const char *name, enum verdict verdict,
		  const char *what, const char *fix)
{
	static const char *const words[VERDICT_N] = { "ok", "warn", "fail" };
	size_t n = strlen(found);

	CU_ASSERT_PTR_EQUAL(doctor, &examined);
	CU_ASSERT_STRING_EQUAL(name, "testd");
	snprintf(found + n, sizeof(found) - n, "%s %s%s%s\n", words[verdict], what,
		 fix ? " -> " : "", fix ? fix : "");
}

/* A site with one daemon; its program runs @p script, unless that is NULL. */
static void examine(const char *script)
{
	char text[1024];

	directory_open(&directory);
	if (script) {
		snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
		directory_write(&directory, "testd", text, 0700);
	}
	setenv("PATH", directory.path, 1);
	found[0] = '\0';
	context = (struct context){ .arena = arena_new(1U << 20) };
	examined = (struct doctor){
		.ctx = &context,
		.server = { .program = "testd", .path = "the.conf" },
		.smsc = { .program = "not here" }, /* on this machine */
		.gateway = { .program = "nor this" },
	};
	doctor_check_daemons(&examined);
}

static void end(void)
{
	arena_free(context.arena);
	directory_close(&directory);
}

/* Which it asks with the right words, and whose settings others look at. */
static void is_content_with_a_good_daemon(void)
{
	examine("[ \"$1 $2\" = '-c the.conf' ] || exit 9\n"
		"case $3 in -t) ;; --dump-config) echo 'a = 1' ;; *) exit 9 ;; esac");
	CU_ASSERT_STRING_EQUAL(found, "ok can run with it, and nothing ends soon\n");
	CU_ASSERT_TRUE(slice_eq(examined.server.dump, SLICE("a = 1\n")));
	CU_ASSERT_EQUAL(examined.smsc.dump.n, 0);
	end();
}

static void tells_what_ends(void)
{
	examine("[ $3 = -t ] || exit 0\n"
		"echo '2026 WARN ev=expiring file=b' >&2\n"
		"echo 'nothing of interest'\n"
		"echo '2026 ERROR ev=expired file=a' >&2");
	CU_ASSERT_STRING_EQUAL(
		found,
		"fail ev=expired file=a -> replace the file, then SIGHUP to the "
		"daemon\n"
		"warn ev=expiring file=b -> replace the file in time, then SIGHUP to "
		"the daemon\n"
		"ok can run with it\n");
	end();
}

/* Each line that it says is one; what ends is not told twice. */
static void tells_what_is_wrong(void)
{
	examine("[ $3 = -t ] || echo 'a = 1'\n"
		"echo 'the.conf:1: unknown key `a`' >&2\n"
		"echo 'x ev=expiring file=b' >&2\n"
		"echo\n"
		"echo 'the.conf:2: unknown key `b`' >&2\n"
		"exit 78");
	CU_ASSERT_STRING_EQUAL(
		found,
		"warn ev=expiring file=b -> replace the file in time, then SIGHUP to "
		"the daemon\n"
		"fail the.conf:1: unknown key `a` -> mend it, then testd -c the.conf "
		"-t\n"
		"fail the.conf:2: unknown key `b` -> mend it, then testd -c the.conf "
		"-t\n");
	CU_ASSERT_EQUAL(examined.server.dump.n, 0);
	end();
}

static void says_what_cannot_be_run(void)
{
	static const char *const scripts[] = { NULL, "kill -9 $$" };

	for (size_t i = 0; i < 2; i++) {
		examine(scripts[i]);
		CU_ASSERT_STRING_EQUAL(found, "fail cannot be run; is it installed? "
					      "-> put it into PATH\n");
		end();
	}
}

/* Settings that it does not print are none. */
static void takes_no_settings_from_a_failure(void)
{
	examine("[ $3 = -t ] || { echo 'a = 1'; exit 1; }");
	CU_ASSERT_EQUAL(examined.server.dump.n, 0);
	end();
}

/* A daemon that talks without end is heard for so long, and no longer. */
static void hears_so_much_and_no_more(void)
{
	examine("while echo 0123456789012345678901234567890; do :; done 2>&-");
	CU_ASSERT_PTR_NOT_NULL(strstr(found, "cannot be run"));
	end();
}

TEST_MAIN("doctor_daemon", TEST(is_content_with_a_good_daemon), TEST(tells_what_ends),
	  TEST(tells_what_is_wrong), TEST(says_what_cannot_be_run),
	  TEST(takes_no_settings_from_a_failure), TEST(hears_so_much_and_no_more))
