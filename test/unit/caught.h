/*
 * What a unit test prints on stdout or stderr (the log), caught instead of shown.
 */
#ifndef TEST_UNIT_CAUGHT_H
#define TEST_UNIT_CAUGHT_H

#include "test/unit/test.h"

/** Between begin and end. */
struct caught {
	FILE *stream, *file;
	int fd; /* the stream's own */
};

static inline struct caught caught_begin(FILE *stream)
{
	fflush(stream);
	struct caught caught = { stream, tmpfile(), dup(fileno(stream)) };

	CU_ASSERT_PTR_NOT_NULL_FATAL(caught.file);
	dup2(fileno(caught.file), fileno(stream));
	return caught;
}

/** What was printed; good until the next call. */
static inline const char *caught_end(struct caught caught)
{
	static char text[1 << 16];

	fflush(caught.stream);
	dup2(caught.fd, fileno(caught.stream));
	close(caught.fd);
	rewind(caught.file);
	text[fread(text, 1, sizeof(text) - 1, caught.file)] = '\0';
	fclose(caught.file);
	return text;
}

/** How often it says something. */
static inline size_t caught_count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

#endif
