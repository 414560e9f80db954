/*
 * Fuzz target of the PROXY header: read as from a socket, by what is asked for each
 * time, and at once; both come to the same, within the bytes there are.
 *
 * Parser: base/proxy.c
 */
#include "base/proxy.h"

#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header, again;
	enum proxy_verdict verdict;
	size_t n = 0, missing;

	while ((verdict = proxy_read(slice_make(data, n), &header, &missing)) ==
	       PROXY_MORE) {
		REQUIRE(missing > 0 && n + missing <= PROXY_HEADER_BYTES);
		if (missing > size - n)
			return 0;
		n += missing;
	}
	REQUIRE(proxy_read(slice_make(data, n), &again, &missing) == verdict);
	if (verdict != PROXY_DONE)
		return 0;
	REQUIRE(missing == 0 && memcmp(&header, &again, sizeof(header)) == 0);
	REQUIRE(!header.is_local || header.source.ss_family == AF_UNSPEC);
	if (n < size)
		REQUIRE(proxy_read(slice_make(data, n + 1), &again, &missing) ==
			PROXY_MALFORMED);
	return 0;
}
