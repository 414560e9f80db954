/*
 * Fuzz target of the server's routes: what is taken from a path lies in it and has its
 * form, and no path but that of a row is found.
 *
 * Input: the method, as a digit, then the target.
 *
 * Parser: provisioning/route.c
 */
#include "provisioning/route.h"

#include "test/fuzz/fuzz.h"

static size_t count_segments(struct slice path)
{
	struct slice segment;
	size_t n = 0;

	while (slice_next(&path, '/', &segment))
		n++;
	return n;
}

static void check_argument(struct slice arg, struct slice target)
{
	if (arg.n == 0)
		return;
	REQUIRE(arg.p > target.p && arg.p + arg.n <= target.p + target.n);
	REQUIRE(!memchr(arg.p, '/', arg.n) && arg.n <= 64);
	for (size_t i = 0; i < arg.n; i++)
		REQUIRE(arg.p[i] > ' ' && arg.p[i] < 0x7f &&
			!strchr("%'\";", arg.p[i]));
}

static void check_found(const struct route_match *match, enum http_method method,
			struct slice target)
{
	REQUIRE(match->route->method == method);
	REQUIRE(count_segments(target) ==
		count_segments(slice_of(match->route->pattern)));
	for (size_t i = 0; i < ROUTE_ARGS_MAX; i++)
		check_argument(match->args[i], target);
	REQUIRE(match->request_id.n == 0 || match->request_id.n == UUID_CHARS);
	/* A path without arguments is spelled as its row. */
	if (match->args[0].n == 0)
		REQUIRE(slice_eq(target, slice_of(match->route->pattern)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct route_match match;

	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice target = slice_make(copy, size - 1);
	enum http_method method = (enum http_method)(data[0] % HTTP_N_METHODS);

	route_find(method, target, &match);
	if (match.route)
		check_found(&match, method, target);
	else
		REQUIRE(!match.allow[0] || target.n > 1);
	free(copy);
	return 0;
}
