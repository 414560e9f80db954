#include "auth/auth.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#define DNS_NAME_CHARS  253
#define DNS_LABEL_CHARS 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_alnum(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* ---- Equipment identifiers ---- */

#define IMEI_DIGITS 14 /* type allocation code and serial number */
#define MEID_DIGITS 14 /* manufacturer code and serial number, hex */

/* The check digit of an IMEI (3GPP TS 23.003, annex B). */
static int luhn_digit(const char digits[IMEI_DIGITS])
{
	int sum = 0;

	for (int i = 0; i < IMEI_DIGITS; i++) {
		int value = digits[i] - '0';
		if (i % 2 == 1)
			value = value * 2 / 10 + value * 2 % 10;
		sum += value;
	}
	return (10 - sum % 10) % 10;
}

/* RFC 7254, 4.2: `TTTTTTTT-SSSSSS-C`, no parameters. C is the spare digit 0 or the
 * check digit. */
static bool canonical_imei(struct slice text, char *out)
{
	char digits[IMEI_DIGITS];

	if (text.n != 17 || text.p[8] != '-' || text.p[15] != '-')
		return false;
	memcpy(digits, text.p, 8);
	memcpy(digits + 8, text.p + 9, 6);
	for (size_t i = 0; i < IMEI_DIGITS; i++)
		if (!is_digit(digits[i]))
			return false;
	char last = text.p[16];
	if (last != '0' && last - '0' != luhn_digit(digits))
		return false;
	memcpy(out, text.p, 16);
	out[16] = '0';
	out[17] = '\0';
	return true;
}

/* RFC 8464: eight and six hex digits, with or without a dash between them. */
static bool canonical_meid(struct slice text, char *out)
{
	size_t n = 0;

	if (text.n != MEID_DIGITS && !(text.n == MEID_DIGITS + 1 && text.p[8] == '-'))
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = lower(text.p[i]);
		if (i == 8 && text.n > MEID_DIGITS)
			continue;
		if (!is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* The kinds of identifiers; @p canonical takes and gives what follows the prefix. */
static const struct kind {
	struct slice prefix;
	bool (*canonical)(struct slice text, char *out);
} kinds[] = {
	{ SLICE("urn:gsma:imei:"), canonical_imei },
	{ SLICE("urn:device-id:meid:"), canonical_meid },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *kind_of(struct slice text)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		size_t n = kinds[i].prefix.n;
		if (text.n >= n &&
		    slice_eq_nocase(slice_make(text.p, n), kinds[i].prefix))
			return &kinds[i];
	}
	return NULL;
}

bool identity_canonical(struct slice text, char out[AUTH_DEV_CHARS + 1])
{
	const struct kind *kind = kind_of(text);

	if (!kind)
		return false;
	size_t n = kind->prefix.n;
	memcpy(out, kind->prefix.p, n);
	return kind->canonical(slice_make(text.p + n, text.n - n), out + n);
}

static enum auth_reason identity_of_names(const GENERAL_NAMES *names,
					  char out[AUTH_DEV_CHARS + 1])
{
	struct slice identifier = { NULL, 0 };

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		struct slice text = slice_make(ASN1_STRING_get0_data(uri),
					       (size_t)ASN1_STRING_length(uri));
		if (text.n > 0 && memchr(text.p, '\0', text.n))
			return REASON_IDENTIFIER_MALFORMED;
		if (!kind_of(text))
			continue;
		if (identifier.p)
			return REASON_IDENTIFIER_AMBIGUOUS;
		identifier = text;
	}
	if (!identifier.p)
		return REASON_IDENTIFIER_MISSING;
	return identity_canonical(identifier, out) ? REASON_NONE
						   : REASON_IDENTIFIER_MALFORMED;
}

enum auth_reason identity_of_certificate(const X509 *leaf, char out[AUTH_DEV_CHARS + 1])
{
	int state = 0;
	GENERAL_NAMES *names =
		X509_get_ext_d2i(leaf, NID_subject_alt_name, &state, NULL);

	if (!names && state == -1)
		return REASON_IDENTIFIER_MISSING;
	if (!names) /* there twice, or not to be decoded */
		return state == -2 ? REASON_IDENTIFIER_AMBIGUOUS
				   : REASON_IDENTIFIER_MALFORMED;
	enum auth_reason reason = identity_of_names(names, out);
	GENERAL_NAMES_free(names);
	return reason;
}

/* ---- Names of servers ---- */

static bool is_label(struct slice label)
{
	if (label.n == 0 || label.n > DNS_LABEL_CHARS || label.p[0] == '-' ||
	    label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_alnum(label.p[i]) && label.p[i] != '-')
			return false;
	return true;
}

static bool is_numeric(struct slice label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!is_digit(label.p[i]))
			return false;
	return true;
}

/* The one spelling of a numeric address, or "" when it is none. */
static void canonical_address(int family, struct slice text, char out[INET6_ADDRSTRLEN])
{
	struct in6_addr address;
	char string[INET6_ADDRSTRLEN] = "";

	out[0] = '\0';
	if (text.n == 0 || text.n >= sizeof(string) || memchr(text.p, '\0', text.n))
		return;
	memcpy(string, text.p, text.n);
	if (inet_pton(family, string, &address) == 1)
		inet_ntop(family, &address, out, INET6_ADDRSTRLEN);
}

/* A DNS name or IPv4 address. What ends in a number is an address or nothing, or one
 * name would mean two things to different readers (RFC 3986, 3.2.2). */
static bool canonical_name(struct slice text, char *out, size_t out_size)
{
	struct slice rest = text, label = { NULL, 0 };
	char address[INET6_ADDRSTRLEN];

	if (text.n == 0 || text.n > DNS_NAME_CHARS || text.n >= out_size)
		return false;
	while (slice_next(&rest, '.', &label))
		if (!is_label(label))
			return false;
	for (size_t i = 0; i < text.n; i++)
		out[i] = lower(text.p[i]);
	out[text.n] = '\0';
	if (!is_numeric(label))
		return true;
	canonical_address(AF_INET, text, address);
	return address[0] && slice_eq(slice_of(address), text);
}

/* `[address]`, with what follows it left in @p rest. */
static bool canonical_ipv6(struct slice *rest, char *out, size_t out_size)
{
	char address[INET6_ADDRSTRLEN];
	const char *end = memchr(rest->p, ']', rest->n);

	if (!end)
		return false;
	size_t n = (size_t)(end - rest->p);
	canonical_address(AF_INET6, slice_make(rest->p + 1, n - 1), address);
	*rest = slice_make(end + 1, rest->n - n - 1);
	if (!address[0])
		return false;
	snprintf(out, out_size, "[%s]", address);
	return true;
}

bool identity_srv(struct slice host, unsigned default_port,
		  char out[AUTH_SRV_CHARS + 1])
{
	char name[DNS_NAME_CHARS + 1];
	uint64_t port = default_port;
	struct slice rest = host;

	if (host.n > 0 && host.p[0] == '[') {
		if (!canonical_ipv6(&rest, name, sizeof(name)))
			return false;
	} else {
		const char *colon = host.n ? memchr(host.p, ':', host.n) : NULL;
		size_t n = colon ? (size_t)(colon - host.p) : host.n;
		if (!canonical_name(slice_make(host.p, n), name, sizeof(name)))
			return false;
		rest = slice_make(host.p + n, host.n - n);
	}
	if (rest.n > 0) {
		struct slice digits = slice_make(rest.p + 1, rest.n - 1);
		if (rest.p[0] != ':' || !slice_to_u64(digits, UINT16_MAX, &port) ||
		    digits.p[0] == '0')
			return false;
	}
	snprintf(out, AUTH_SRV_CHARS + 1, "%s:%u", name, (unsigned)port);
	return port != 0;
}

void identity_srv_host(const char *srv, char out[AUTH_SRV_CHARS + 1])
{
	struct slice host = slice_make(srv, (size_t)(strrchr(srv, ':') - srv));

	if (host.p[0] == '[')
		host = slice_make(host.p + 1, host.n - 2);
	snprintf(out, AUTH_SRV_CHARS + 1, "%.*s", (int)host.n, host.p);
}
