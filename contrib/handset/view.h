/*
 * What is on the display: a title, lines of text of which some can be chosen, a marker
 * ">" on the one that would be, and the words of two soft keys (seed Fig 2). Draws
 * itself as text. Knows no screens and nothing of what its lines mean.
 */
#ifndef CONTRIB_HANDSET_VIEW_H
#define CONTRIB_HANDSET_VIEW_H

#include <stdio.h>

#include "base/slice.h"

#define VIEW_COLUMNS    34 /* of text */
#define VIEW_ROWS       10
#define VIEW_LINES      320
#define VIEW_LINE_BYTES (4 * VIEW_COLUMNS + 1)

struct view_line {
	char text[VIEW_LINE_BYTES];
	int choice; /* index of the choice that begins here; -1: none */
};

struct view {
	const char *title;
	const char *soft1, *soft2; /* words of the soft keys; NULL: without function */
	struct view_line lines[VIEW_LINES];
	int n;
	int choices;
	int marker; /* choice with the marker; stays over rebuilding */
	int top;    /* first line on the display */
};

/** Empty it, but keep marker and scroll position. */
void view_begin(struct view *view, const char *title);
/**
 * Add text, broken into lines at spaces and newlines; control characters become dots,
 * so that nothing from outside can reach the terminal.
 */
void view_add(struct view *view, const char *text);
void view_addf(struct view *view, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** Add a line that can be chosen, with its number. @return its index from 0 */
int view_add_choice(struct view *view, const char *text);
/** Lines and marker are complete: keep both on the display. */
void view_end(struct view *view);
/** Move the marker, or scroll where nothing can be chosen. */
void view_move(struct view *view, int by);
void view_draw(const struct view *view, FILE *out);
/** Whether the text occurs on the display or above or below it. */
bool view_contains(const struct view *view, struct slice text);

#endif
