#include "provctl/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOLD   "\033[1m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

static const struct {
	const char *word, *colour;
} words[] = {
	{ "ok", GREEN },         { "done", GREEN },      { "installed", GREEN },
	{ "active", GREEN },     { "applied", GREEN },   { "delivered", GREEN },
	{ "warn", YELLOW },      { "limited", YELLOW },  { "expired", YELLOW },
	{ "cancelled", YELLOW }, { "pending", YELLOW },  { "declined", YELLOW },
	{ "fail", RED },         { "failed", RED },      { "refused", RED },
	{ "dead", RED },         { "blocked", RED },     { "changed", RED },
	{ "conflict", RED },     { "unavailable", RED },
};

static bool is_on;

static bool is_set(const char *name)
{
	const char *value = getenv(name);
	return value && *value;
}

void paint_open(void)
{
	const char *terminal = getenv("TERM");

	is_on = isatty(STDOUT_FILENO) && !is_set("NO_COLOR") && terminal &&
		strcmp(terminal, "dumb") != 0;
}

const char *paint_heading(void)
{
	return is_on ? BOLD : "";
}

const char *paint_word(const char *word)
{
	for (size_t i = 0; is_on && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].colour;
	return "";
}

const char *paint_end(const char *begun)
{
	return *begun ? PLAIN : "";
}
