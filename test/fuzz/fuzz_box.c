/*
 * Fuzz target of the box protocol: whatever the bytes, the decoder stays within them,
 * and what it takes is written again as the same bytes, unless the encoder refuses it.
 *
 * Parser: smsc/box.c
 */
#include "smsc/box.h"

#include "test/fuzz/fuzz.h"

/* What is whole is not whole without its last byte, and says how much is missing. */
static void check_cut(struct slice frame)
{
	struct box_message message;
	size_t used;
	const char *why;

	REQUIRE(box_read(slice_make(frame.p, frame.n - 1), &message, &used, &why) ==
		BOX_MORE);
	REQUIRE(used == frame.n);
	REQUIRE(box_read(slice_make(frame.p, 3), &message, &used, &why) == BOX_MORE);
	REQUIRE(used == 4);
}

static void check_written(const struct box_message *message, struct slice frame)
{
	struct evbuffer *out = evbuffer_new();

	if (box_write(message, out)) {
		REQUIRE(evbuffer_get_length(out) == frame.n);
		REQUIRE(memcmp(evbuffer_pullup(out, -1), frame.p, frame.n) == 0);
	} else {
		REQUIRE(evbuffer_get_length(out) == 0);
	}
	evbuffer_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(data, size);
	struct box_message message;
	size_t used;
	const char *why = NULL;
	enum box_result result;

	while ((result = box_read(rest, &message, &used, &why)) == BOX_DONE) {
		REQUIRE(used >= 8 && used <= rest.n && used <= BOX_FRAME_LIMIT);
		check_cut(slice_make(rest.p, used));
		check_written(&message, slice_make(rest.p, used));
		rest = slice_make(rest.p + used, rest.n - used);
	}
	REQUIRE(result == BOX_BAD ? why != NULL : used > rest.n);
	return 0;
}
