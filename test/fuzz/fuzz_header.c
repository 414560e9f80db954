/*
 * Fuzz target of the request fields that the device API reads: what is taken from a
 * value lies within it, and within what was asked for.
 *
 * Kinds: t entity tags, p preferences, r a range of 1000 bytes.
 *
 * Parser: provisioning/header.c
 */
#include "provisioning/header.h"

#include <stdio.h>

#include "test/fuzz/fuzz.h"

#define CONTENT_BYTES 1000
#define WAIT_MAX_S    5

static void on_tags(struct slice value)
{
	struct slice tag = header_entity_tag(value);

	if (tag.n == 0)
		return;
	REQUIRE(tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"');
	REQUIRE(tag.p >= value.p && tag.p + tag.n <= value.p + value.n);
	REQUIRE(slice_eq(header_entity_tag(tag), tag));
	REQUIRE(header_matches_tag(tag, tag) || memchr(tag.p, ',', tag.n));
	REQUIRE(header_matches_tag(SLICE("*"), tag));
}

/* What is read of a range can be written, and is then read the same. */
static void on_range(struct slice value)
{
	uint64_t first = 0, last = 0, again_first, again_last;
	char text[64];

	if (header_range(value, CONTENT_BYTES, &first, &last) != HEADER_RANGE_PART)
		return;
	REQUIRE(first <= last && last < CONTENT_BYTES);
	snprintf(text, sizeof(text), "bytes=%llu-%llu", (unsigned long long)first,
		 (unsigned long long)last);
	REQUIRE(header_range(slice_of(text), CONTENT_BYTES, &again_first,
			     &again_last) == HEADER_RANGE_PART);
	REQUIRE(first == again_first && last == again_last);
	REQUIRE(header_range(value, 0, &first, &last) != HEADER_RANGE_PART);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice value = slice_make(copy, size - 1);

	switch (data[0]) {
	case 't': on_tags(value); break;
	case 'p': REQUIRE(header_prefer_wait(value, WAIT_MAX_S) <= WAIT_MAX_S); break;
	case 'r': on_range(value); break;
	default: break;
	}
	free(copy);
	return 0;
}
