/*
 * Vectors of test/vectors/NAME.json for unit tests: binary values are hex text,
 * an absent value is null.
 */
#ifndef TEST_UNIT_VECTOR_H
#define TEST_UNIT_VECTOR_H

#include <jansson.h>
#include <stdio.h>

#include "base/codec.h"
#include "test/unit/test.h"

/** Load a file; the caller's reference. Ends the test when there is none. */
static inline json_t *vector_load(const char *name)
{
	char path[4096];
	json_error_t error;

	snprintf(path, sizeof(path), "%s/test/vectors/%s", test_source_dir(), name);
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!file)
		fprintf(stderr, "%s: %s\n", path, error.text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	return file;
}

/** Bytes of a hex text, in the arena; {NULL, 0} for null. */
static inline struct slice vector_hex(const json_t *value, struct arena *arena)
{
	struct slice text = slice_of(json_string_value(value));
	struct slice bytes = { NULL, 0 };

	if (json_is_null(value))
		return bytes;
	CU_ASSERT_FATAL(json_is_string(value));
	bytes = slice_make(arena_alloc(arena, text.n / 2 + 1), text.n / 2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes.p);
	CU_ASSERT_FATAL(hex_decode(text, (uint8_t *)(uintptr_t)bytes.p, bytes.n));
	return bytes;
}

static inline struct slice vector_bytes(const json_t *object, const char *member,
					struct arena *arena)
{
	return vector_hex(json_object_get(object, member), arena);
}

static inline struct slice vector_element(const json_t *array, size_t i,
					  struct arena *arena)
{
	return vector_hex(json_array_get(array, i), arena);
}

/** A text member; borrowed from @p object. */
static inline const char *vector_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	return text;
}

#endif
