/*
 * Fuzz target of DSNs: one that is accepted holds no password, and no name that would
 * have to be looked up.
 *
 * Parser: base/dsn.c
 */
#include "base/dsn.h"

#include <arpa/inet.h>

#include "test/fuzz/fuzz.h"

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val ? options->val : "";
	return "";
}

static void check_accepted(const PQconninfoOption *options)
{
	const char *host = value_of(options, "host");
	struct in6_addr address;

	REQUIRE(!*value_of(options, "password") && !*value_of(options, "service"));
	if (*value_of(options, "hostaddr") || strchr(host, ','))
		return;
	REQUIRE(!*host || *host == '/' || *host == '@' ||
		inet_pton(AF_INET, host, &address) == 1 ||
		inet_pton(AF_INET6, host, &address) == 1);
}

/* Only to where nobody can be: a fuzz target speaks to nobody. */
static void connect_nowhere(const char *dsn, const PQconninfoOption *options)
{
	if (strcmp(value_of(options, "host"), "/nonexistent") != 0 ||
	    *value_of(options, "hostaddr") || *value_of(options, "passfile") ||
	    strchr(value_of(options, "port"), ','))
		return;
	for (int64_t timeout_ms = 0; timeout_ms <= 1000; timeout_ms += 1000) {
		PGconn *pg = dsn_connect(dsn, "fuzz", timeout_ms);
		REQUIRE(pg && PQstatus(pg) == CONNECTION_BAD);
		PQfinish(pg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *dsn = malloc(size + 1), why[256] = "";

	REQUIRE(dsn != NULL);
	if (size > 0)
		memcpy(dsn, data, size);
	dsn[size] = '\0';
	bool is_accepted = dsn_check(dsn, why, sizeof(why));
	REQUIRE(is_accepted == !why[0]);
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	REQUIRE(options || !is_accepted);
	if (is_accepted) {
		check_accepted(options);
		connect_nowhere(dsn, options);
	} else if (!options) {
		REQUIRE(!dsn_connect(dsn, "fuzz", 0));
	}
	PQconninfoFree(options);
	free(dsn);
	return 0;
}
