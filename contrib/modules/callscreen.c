/*
 * callscreen: a sample feature for a handset, delivered as a software module. Decides
 * whether a call may ring, from rules of the form `allow|reject PREFIX`; the longest
 * prefix of the caller's number wins, and without one the call rings.
 *
 *	callscreen --version
 *	callscreen --self-test
 *	callscreen CALLER RULE PREFIX [RULE PREFIX...]
 *
 * Ends with 0 when the call may ring, 1 when it is rejected, 2 for a wrong command
 * line. It stands alone, as what is delivered to a device does.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef CALLSCREEN_VERSION
#define CALLSCREEN_VERSION "1.0.0"
#endif

enum {
	RINGS,
	REJECTED,
	WRONG_USAGE
};

/* `+` and digits. */
static bool is_number(const char *text)
{
	size_t n = text[0] == '+' ? 1 : 0;

	return text[n] != '\0' && text[n + strspn(text + n, "0123456789")] == '\0';
}

/* @return RINGS, REJECTED or WRONG_USAGE */
static int screen(const char *caller, char *const *rules, int n)
{
	size_t longest = 0;
	int decision = RINGS;

	if (!is_number(caller) || n % 2 != 0)
		return WRONG_USAGE;
	for (int i = 0; i < n; i += 2) {
		bool is_reject = strcmp(rules[i], "reject") == 0;
		size_t length = strlen(rules[i + 1]);

		if ((!is_reject && strcmp(rules[i], "allow") != 0) ||
		    !is_number(rules[i + 1]))
			return WRONG_USAGE;
		if (strncmp(caller, rules[i + 1], length) == 0 && length > longest) {
			longest = length;
			decision = is_reject ? REJECTED : RINGS;
		}
	}
	return decision;
}

static int self_test(void)
{
	static const struct {
		const char *caller;
		char *rules[4];
		int n, expected;
	} cases[] = {
		{ "+447700900001", { NULL }, 0, RINGS },
		{ "+447700900001", { "reject", "+447700" }, 2, REJECTED },
		{ "+447700900001",
		  { "reject", "+447700", "allow", "+4477009" },
		  4,
		  RINGS },
		{ "+447700900001",
		  { "allow", "+4477009", "reject", "+447700" },
		  4,
		  RINGS },
		{ "+447700900001", { "reject", "+4478" }, 2, RINGS },
		{ "withheld", { NULL }, 0, WRONG_USAGE },
		{ "+447700900001", { "maybe", "+44" }, 2, WRONG_USAGE },
		{ "+447700900001", { "reject" }, 1, WRONG_USAGE },
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = screen(cases[i].caller, cases[i].rules, cases[i].n);

		if (got != cases[i].expected) {
			printf("case %zu: %d, not %d\n", i, got, cases[i].expected);
			failed++;
		}
	}
	if (failed == 0)
		printf("ok\n");
	return failed > 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("callscreen %s\n", CALLSCREEN_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
		return self_test();
	if (argc < 2) {
		fprintf(stderr, "usage: callscreen CALLER [allow|reject PREFIX]...\n");
		return WRONG_USAGE;
	}
	return screen(argv[1], argv + 2, argc - 2);
}
