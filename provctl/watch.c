#include "provctl/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "provctl/plain.h"

#define PERIOD_S   2
#define HOME_CLEAR "\033[H\033[J"

/* What one turn printed. */
struct turn {
	char *text;
	size_t n; /* bytes */
	enum result result;
};

static struct turn take_turn(struct context *ctx,
			     enum result (*run)(struct context *ctx))
{
	struct turn turn = { .text = NULL };
	FILE *screen = stdout, *memory = open_memstream(&turn.text, &turn.n);

	BUG_ON(!memory);
	arena_reset(ctx->arena);
	stdout = memory;
	turn.result = run(ctx);
	stdout = screen;
	BUG_ON(fclose(memory) != 0);
	return turn;
}

static struct winsize screen_size(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 3 ||
	    size.ws_col == 0)
		return (struct winsize){ .ws_row = 24, .ws_col = 80 };
	return size;
}

/* As much as a screen holds: lists have at their top what is newest. */
static void draw(const struct context *ctx, const char *text)
{
	struct winsize size = screen_size();
	time_t now = time(NULL);
	struct tm utc;
	char clock[16];
	struct slice rest = slice_of(text), line;
	int left = size.ws_row - 2; /* less the heading and where the cursor waits */

	strftime(clock, sizeof(clock), "%H:%M:%S", gmtime_r(&now, &utc));
	printf(HOME_CLEAR "provctl %s, %s UTC, every %d s; Ctrl-C ends it\n",
	       ctx->command->words, clock, PERIOD_S);
	while (slice_next(&rest, '\n', &line) && rest.p) {
		/* colours count as columns, so at times there is a line to spare */
		left -= 1 + (plain_width(line) - 1) / size.ws_col;
		if (left < 0)
			break;
		printf("%.*s\n", (int)line.n, line.p);
	}
}

static void show(const struct context *ctx, const struct turn *turn, const char *before)
{
	if (isatty(STDOUT_FILENO))
		draw(ctx, turn->text);
	else if (!before || strcmp(before, turn->text) != 0)
		fputs(turn->text, stdout);
}

enum result watch(struct context *ctx, enum result (*run)(struct context *ctx))
{
	struct turn turn = take_turn(ctx, run);
	bool goes_on = turn.n > 0;
	char *before = NULL;

	while (goes_on) {
		if (turn.n > 0)
			show(ctx, &turn, before);
		if (fflush(stdout) != 0)
			break; /* main() says so */
		free(before);
		before = turn.text;
		sleep(PERIOD_S);
		turn = take_turn(ctx, run);
		goes_on = turn.n > 0 || turn.result == RESULT_UNAVAILABLE;
	}
	free(before);
	free(turn.text);
	return turn.result;
}
