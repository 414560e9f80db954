/*
 * Fuzz target of the box protocol: whatever the bytes, the decoder stays within them,
 * and what it takes is written again as the same bytes, unless the encoder refuses it.
 */
#include "smsc/box.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_make(data, size);
	struct box_message message;
	size_t used;
	const char *why = NULL;

	while (box_read(rest, &message, &used, &why) == BOX_DONE) {
		struct evbuffer *out = evbuffer_new();
		require(used <= rest.n);
		if (box_write(&message, out)) {
			require(evbuffer_get_length(out) == used);
			require(memcmp(evbuffer_pullup(out, -1), rest.p, used) == 0);
		} else {
			require(evbuffer_get_length(out) == 0);
		}
		evbuffer_free(out);
		rest = slice_make(rest.p + used, rest.n - used);
	}
	return 0;
}
