/*
 * Fuzz target of files of devices: cut into pieces that are read one by one, a file
 * says what it says when it is read as a whole.
 *
 * Input: the file.
 *
 * Parser: provctl/csv.c provctl/cutter.c
 */
#include <jansson.h>

#include "base/arena.h"
#include "provctl/csv.h"
#include "provctl/cutter.h"
#include "test/fuzz/fuzz.h"

#define MEMORY_LIMIT (16U << 20)
#define MARK         SLICE("\xef\xbb\xbf")

/* As an array of objects; NULL when it is none. */
static json_t *read_whole(struct slice text)
{
	json_t *whole = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *device;
	size_t i;
	bool is_array = json_is_array(whole);

	json_array_foreach (whole, i, device)
		is_array = is_array && json_is_object(device);
	if (is_array)
		return whole;
	json_decref(whole);
	return NULL;
}

static void check_json(struct cutter *cutter, struct slice text)
{
	json_t *whole = read_whole(text);
	struct slice piece;
	size_t n = 0;
	bool is_whole = true;

	while (cutter_next(cutter, &piece)) {
		json_t *device =
			json_loadb(piece.p, piece.n, JSON_REJECT_DUPLICATES, NULL);
		REQUIRE(!whole || json_equal(device, json_array_get(whole, n)));
		n++;
		is_whole = is_whole && device;
		json_decref(device);
	}
	REQUIRE(!whole || (!cutter->error && n == json_array_size(whole)));
	REQUIRE(whole || cutter->error || !is_whole);
	json_decref(whole);
}

static bool are_same(const char *const *a, const char *const *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

/* A file that has an error as a whole may have it elsewhere, or none, in pieces. */
static void check_csv(struct cutter *cutter, struct slice text)
{
	const char *one[CSV_FIELDS_MAX], *other[CSV_FIELDS_MAX];
	struct arena *arena = arena_new(MEMORY_LIMIT);
	struct csv whole, record;
	struct slice piece;
	size_t n;

	csv_open(&whole, text);
	while ((n = csv_next(&whole, arena, one)) > 0) {
		REQUIRE(cutter_next(cutter, &piece));
		REQUIRE(cutter->line == whole.line);
		csv_open(&record, piece);
		REQUIRE(csv_next(&record, arena, other) == n);
		REQUIRE(are_same(one, other, n));
		REQUIRE(csv_next(&record, arena, other) == 0 && !record.error);
		arena_reset(arena);
	}
	while (cutter_next(cutter, &piece)) {
		REQUIRE(whole.error);
		csv_open(&record, piece);
		(void)csv_next(&record, arena, other);
		arena_reset(arena);
	}
	REQUIRE(whole.error || !cutter->error);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cutter cutter;
	struct slice text = slice_make(data, size);
	FILE *file = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;

	if (!file)
		return 0;
	cutter_open(&cutter, file);
	if (slice_starts(text, MARK))
		text = slice_make(text.p + MARK.n, text.n - MARK.n);
	if (cutter.is_json && !cutter.error)
		check_json(&cutter, text);
	/* What is white at the front of a file is passed over. */
	else if (!cutter.error && text.n > 0 && !memchr(" \t\r\n", text.p[0], 4))
		check_csv(&cutter, text);
	fclose(file);
	return 0;
}
