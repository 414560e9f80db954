#include "base/help.h"

#include <string.h>

#include "base/slice.h"

void help_row(FILE *out, int column, const char *left, const char *text)
{
	struct slice rest = slice_of(text), word;
	int at = fprintf(out, "%s", left);
	bool is_first = true;

	if (column > 0 && at >= column) {
		fputc('\n', out);
		at = 0;
	}
	while (slice_next(&rest, ' ', &word)) {
		if (!is_first && at + 1 + (int)word.n > HELP_COLUMNS) {
			fputc('\n', out);
			at = 0;
			is_first = true;
		}
		if (at < column)
			at += fprintf(out, "%*s", column - at, "");
		at += fprintf(out, "%s%.*s", is_first ? "" : " ", (int)word.n, word.p);
		is_first = false;
	}
	fputc('\n', out);
}
