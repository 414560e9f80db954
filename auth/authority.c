#include "auth/auth.h"

#define ANY "all"

/* By kind: how an identifier of it begins in the canonical form, how many digits an
 * authority's prefix may have, and which. */
static const struct kind {
	struct slice urn;
	size_t n_digits;
	bool is_hex;
} kinds[AUTHORITY_N_KINDS] = {
	[AUTHORITY_IMEI] = { SLICE("urn:gsma:imei:"), 14, false },
	[AUTHORITY_MEID] = { SLICE("urn:device-id:meid:"), 14, true },
};

static bool is_digit_of(const struct kind *kind, char c)
{
	return (c >= '0' && c <= '9') || (kind->is_hex && c >= 'a' && c <= 'f');
}

bool authority_prefix_is_valid(enum authority_kind kind, struct slice prefix)
{
	if (slice_eq(prefix, SLICE(ANY)))
		return true;
	if (prefix.n == 0 || prefix.n > kinds[kind].n_digits)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (!is_digit_of(&kinds[kind], prefix.p[i]))
			return false;
	return true;
}

/* The digits of a canonical identifier, its dashes passed over. */
static bool has_prefix(struct slice digits, struct slice prefix)
{
	size_t n = 0;

	if (slice_eq(prefix, SLICE(ANY)))
		return true;
	for (size_t i = 0; i < digits.n && n < prefix.n; i++)
		if (digits.p[i] != '-' && digits.p[i] != prefix.p[n++])
			return false;
	return n == prefix.n;
}

bool authority_check_prefixes(const char *block,
			      const struct authority_prefixes may[AUTHORITY_N_KINDS],
			      FILE *errors)
{
	static const struct {
		const char *key, *digits;
	} names[AUTHORITY_N_KINDS] = {
		[AUTHORITY_IMEI] = { "imei", "digits" },
		[AUTHORITY_MEID] = { "meid", "lower-case hex digits" },
	};
	bool is_good = true;

	for (size_t k = 0; k < AUTHORITY_N_KINDS; k++)
		for (size_t i = 0; i < may[k].n; i++) {
			if (authority_prefix_is_valid(k, slice_of(may[k].items[i])))
				continue;
			fprintf(errors, "%s: %s: %s is neither 1 to 14 %s nor all\n",
				block, names[k].key, may[k].items[i], names[k].digits);
			is_good = false;
		}
	return is_good;
}

bool authority_covers(const struct authority_prefixes may[AUTHORITY_N_KINDS],
		      const char *dev)
{
	struct slice text = slice_of(dev);

	for (size_t k = 0; k < AUTHORITY_N_KINDS; k++) {
		size_t n = kinds[k].urn.n;

		if (!slice_starts(text, kinds[k].urn))
			continue;
		for (size_t i = 0; i < may[k].n; i++)
			if (has_prefix(slice_make(text.p + n, text.n - n),
				       slice_of(may[k].items[i])))
				return true;
	}
	return false;
}

static bool vouches(const struct authority *authority, const struct tls_chain *chain)
{
	for (size_t i = 0; i < chain->n_cas; i++)
		if (memcmp(authority->spki, chain->cas[i], SHA256_BYTES) == 0)
			return true;
	return false;
}

enum auth_reason authority_check(const struct authority *authorities, size_t n,
				 const struct tls_chain *chain, const char *dev)
{
	bool is_ruled = n == 0;

	for (size_t i = 0; i < n; i++) {
		if (!vouches(&authorities[i], chain))
			continue;
		if (!authority_covers(authorities[i].may, dev))
			return REASON_IDENTIFIER_NOT_ALLOWED;
		is_ruled = true;
	}
	return is_ruled ? REASON_NONE : REASON_IDENTIFIER_NOT_ALLOWED;
}
