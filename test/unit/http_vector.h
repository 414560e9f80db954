/*
 * The table of HTTP messages, test/vectors/http.txt, which describes itself. The file
 * is found by test_source_dir().
 */
#ifndef TEST_UNIT_HTTP_VECTOR_H
#define TEST_UNIT_HTTP_VECTOR_H

#include <stdlib.h>

#include "base/codec.h"
#include "base/http.h"
#include "test/unit/test.h"

#define HTTP_VECTOR_BYTES (2 << 20)

struct http_vector {
	char name[64], kind[32], result[32];
	struct slice bytes;
};

static inline size_t http_vector_escape(const char *p, char *out)
{
	uint8_t byte;

	switch (p[1]) {
	case 'r': *out = '\r'; return 2;
	case 'n': *out = '\n'; return 2;
	case 't': *out = '\t'; return 2;
	case 's': *out = ' '; return 2;
	case '\\': *out = '\\'; return 2;
	case 'x':
		CU_ASSERT_FATAL(hex_decode(slice_make(p + 2, 2), &byte, 1));
		*out = (char)byte;
		return 4;
	default: CU_FAIL_FATAL("unknown escape"); return 2;
	}
}

/* Into @p out; returns the length. */
static inline size_t http_vector_unescape(struct slice text, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n;) {
		if (text.p[i] != '\\') {
			out[n++] = text.p[i++];
		} else if (text.p[i + 1] == '(') {
			const char *star = memchr(text.p + i, '*', text.n - i);
			const char *end = memchr(text.p + i, ')', text.n - i);
			uint64_t times;
			size_t start = n, run;

			CU_ASSERT_FATAL(star && end && star < end);
			CU_ASSERT_FATAL(slice_to_u64(
				slice_make(star + 1, (size_t)(end - star - 1)),
				HTTP_VECTOR_BYTES, &times));
			run = http_vector_unescape(
				slice_make(text.p + i + 2,
					   (size_t)(star - text.p) - i - 2),
				out + n);
			for (; times > 0; times--, n += run)
				memmove(out + n, out + start, run);
			i = (size_t)(end - text.p) + 1;
		} else {
			i += http_vector_escape(text.p + i, &out[n++]);
		}
	}
	return n;
}

static inline void http_vector_word(struct slice *rest, char *out, size_t size)
{
	struct slice word;

	CU_ASSERT_FATAL(slice_next(rest, ' ', &word));
	CU_ASSERT_FATAL(word.n > 0 && word.n < size);
	memcpy(out, word.p, word.n);
	out[word.n] = '\0';
}

/** Call @p visit for each message of the table. @return how many there were */
static inline size_t http_vector_walk(void (*visit)(const struct http_vector *vector,
						    void *arg),
				      void *arg)
{
	char *path = NULL;
	FILE *file;
	char *out = malloc(HTTP_VECTOR_BYTES);
	char *line = NULL;
	size_t size = 0, count = 0;
	ssize_t n;

	CU_ASSERT_FATAL(asprintf(&path, "%s/test/vectors/http.txt", test_source_dir()) >
			0);
	file = fopen(path, "r");
	CU_ASSERT_FATAL(file != NULL && out != NULL);
	while ((n = getline(&line, &size, file)) > 0) {
		struct slice rest = slice_make(line, (size_t)n - 1);
		struct http_vector vector;

		if (rest.n == 0 || rest.p[0] == '#')
			continue;
		http_vector_word(&rest, vector.name, sizeof(vector.name));
		http_vector_word(&rest, vector.kind, sizeof(vector.kind));
		http_vector_word(&rest, vector.result, sizeof(vector.result));
		vector.bytes = slice_make(out, http_vector_unescape(rest, out));
		visit(&vector, arg);
		count++;
	}
	free(path);
	free(line);
	free(out);
	fclose(file);
	return count;
}

#endif
