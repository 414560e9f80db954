#include "auth/auth.h"

#include "test/unit/test.h"

#define IMEI "urn:gsma:imei:35209900-176148-0"
#define MEID "urn:device-id:meid:a0000000002329"

#define PREFIXES(...)                                                                \
	((struct authority_prefixes){ (const char *const[]){ __VA_ARGS__ },          \
				      sizeof((const char *const[]){ __VA_ARGS__ }) / \
					      sizeof(char *) })
#define NONE ((struct authority_prefixes){ NULL, 0 })

enum ca {
	ROOT = 1,
	MAKER,
	STRANGER
};

/* The leaf's issuer first. */
static struct tls_chain chain_of(enum ca issuer, enum ca anchor)
{
	struct tls_chain chain = { .n_cas = issuer == anchor ? 1 : 2 };

	chain.cas[0][31] = issuer;
	if (issuer != anchor)
		chain.cas[1][31] = anchor;
	return chain;
}

static struct authority rule(enum ca ca, struct authority_prefixes imei,
			     struct authority_prefixes meid)
{
	struct authority authority = { .may = { imei, meid } };

	authority.spki[31] = ca;
	return authority;
}

static bool is_allowed(const struct authority *rules, size_t n, struct tls_chain chain,
		       const char *dev)
{
	return authority_check(rules, n, &chain, dev) == REASON_NONE;
}

static void restricts_nothing_without_rules(void)
{
	CU_ASSERT(is_allowed(NULL, 0, chain_of(ROOT, ROOT), IMEI));
	CU_ASSERT(is_allowed(NULL, 0, chain_of(MAKER, ROOT), MEID));
}

static void compares_first_digits(void)
{
	const struct {
		struct authority_prefixes imei;
		bool is_allowed;
	} cases[] = {
		{ PREFIXES("35209900"), true },
		{ PREFIXES("3"), true },
		{ PREFIXES("352099001761"), true },
		{ PREFIXES("35209900176148"), true },
		{ PREFIXES("1", "35"), true },
		{ PREFIXES("all"), true },
		{ PREFIXES("35209901"), false },
		{ PREFIXES("352099001762"), false },
		{ PREFIXES("35209900176149"), false },
		{ PREFIXES("5209900"), false },
		{ NONE, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct authority one = rule(ROOT, cases[i].imei, NONE);
		CU_ASSERT_EQUAL(is_allowed(&one, 1, chain_of(ROOT, ROOT), IMEI),
				cases[i].is_allowed);
	}
}

static void tells_kinds_apart(void)
{
	struct authority one = rule(ROOT, PREFIXES("all"), NONE);

	CU_ASSERT_FALSE(is_allowed(&one, 1, chain_of(ROOT, ROOT), MEID));
	one = rule(ROOT, NONE, PREFIXES("a0000000"));
	CU_ASSERT(is_allowed(&one, 1, chain_of(ROOT, ROOT), MEID));
	CU_ASSERT_FALSE(is_allowed(&one, 1, chain_of(ROOT, ROOT), IMEI));
}

static void demands_a_rule_once_there_is_one(void)
{
	const struct authority one = rule(MAKER, PREFIXES("all"), PREFIXES("all"));

	CU_ASSERT(is_allowed(&one, 1, chain_of(MAKER, ROOT), IMEI));
	CU_ASSERT(is_allowed(&one, 1, chain_of(MAKER, MAKER), IMEI));
	CU_ASSERT_FALSE(is_allowed(&one, 1, chain_of(STRANGER, ROOT), IMEI));
	CU_ASSERT_FALSE(is_allowed(&one, 1, (struct tls_chain){ .n_cas = 0 }, IMEI));
}

static void heeds_every_rule_of_the_chain(void)
{
	const struct authority both[] = {
		rule(ROOT, PREFIXES("35"), PREFIXES("all")),
		rule(MAKER, PREFIXES("all"), PREFIXES("b")),
	};

	CU_ASSERT(is_allowed(both, 2, chain_of(MAKER, ROOT), IMEI));
	CU_ASSERT_FALSE(is_allowed(both, 2, chain_of(MAKER, ROOT),
				   "urn:gsma:imei:49015420-323751-0"));
	CU_ASSERT_FALSE(is_allowed(both, 2, chain_of(MAKER, ROOT), MEID));
	CU_ASSERT(is_allowed(both, 2, chain_of(STRANGER, ROOT), MEID));
}

static void knows_what_a_prefix_is(void)
{
	static const struct {
		enum authority_kind kind;
		const char *prefix;
		bool is_valid;
	} cases[] = {
		{ AUTHORITY_IMEI, "35209900", true },
		{ AUTHORITY_IMEI, "3", true },
		{ AUTHORITY_IMEI, "35209900176148", true },
		{ AUTHORITY_IMEI, "all", true },
		{ AUTHORITY_MEID, "a000", true },
		{ AUTHORITY_MEID, "all", true },
		{ AUTHORITY_IMEI, "", false },
		{ AUTHORITY_IMEI, "352099001761480", false },
		{ AUTHORITY_IMEI, "35209900-1", false },
		{ AUTHORITY_IMEI, "a0", false },
		{ AUTHORITY_IMEI, "All", false },
		{ AUTHORITY_MEID, "A000", false },
		{ AUTHORITY_MEID, "ag", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(authority_prefix_is_valid(cases[i].kind,
							  slice_of(cases[i].prefix)),
				cases[i].is_valid);
}

TEST_MAIN("authority", TEST(restricts_nothing_without_rules),
	  TEST(compares_first_digits), TEST(tells_kinds_apart),
	  TEST(demands_a_rule_once_there_is_one), TEST(heeds_every_rule_of_the_chain),
	  TEST(knows_what_a_prefix_is))
