/*
 * What the fuzz targets share. A target gives some bytes to a parser and requires what
 * must hold whatever they are; it names in a line `Parser: FILES` what it drives, of
 * which the samples in test/fuzz/corpus/fuzz_NAME must reach most lines (make
 * fuzz-coverage). Where a target has several kinds of input, the first byte says which.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding ends the process; libFuzzer prints the stack and keeps the input. */
#define REQUIRE(condition) \
	((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

__attribute__((noreturn)) static inline void fuzz_fail(const char *file, int line,
						       const char *condition)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
	abort();
}

/** An input without its first byte, in memory of its own, so that the sanitizer sees
 * each step over its end. Freed by the caller. */
static inline char *fuzz_copy(const uint8_t *data, size_t size)
{
	char *copy = malloc(size);

	REQUIRE(copy && size > 0);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	return copy;
}

#endif
