/*
 * Fuzz target of the lines of a control stream: what is read is a heartbeat, or an
 * identifier in its one form, and reads the same again.
 *
 * Parser: gateway/control_line.c
 */
#include "gateway/control_line.h"

#include "test/fuzz/fuzz.h"

static void check_line(const struct control_line *line)
{
	char canonical[AUTH_DEV_CHARS + 1];

	if (line->is_heartbeat) {
		REQUIRE(line->dev[0] == '\0' && line->epoch == 0 && !line->is_blocked);
		return;
	}
	REQUIRE(line->epoch >= 0);
	if (line->dev[0] == '\0')
		return;
	REQUIRE(identity_canonical(slice_of(line->dev), canonical));
	REQUIRE(strcmp(line->dev, canonical) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_line line, again;
	const struct slice text = slice_make(data, size);
	char why[128];

	if (!control_line_decode(text, &line, why, sizeof(why)))
		return 0;
	REQUIRE(size <= CONTROL_LINE_BYTES);
	check_line(&line);
	REQUIRE(control_line_decode(text, &again, why, sizeof(why)));
	REQUIRE(memcmp(&line, &again, sizeof(line)) == 0);
	return 0;
}
