/*
 * Fuzz target of identities: what is accepted is canonical and the only one of its
 * certificate, and an authority judges it by its digits.
 *
 * Kinds: c a certificate, n the names of one (both DER), t the text of an identifier,
 * s of a server, a a line of an authority's prefix and one of an identifier.
 *
 * Parser: auth/authority.c auth/identity.c
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "auth/auth.h"
#include "test/fuzz/fuzz.h"

static void check_canonical(const char *dev)
{
	char again[AUTH_DEV_CHARS + 1];

	REQUIRE(strlen(dev) <= AUTH_DEV_CHARS);
	REQUIRE(identity_canonical(slice_of(dev), again) && strcmp(dev, again) == 0);
	REQUIRE(strspn(dev, "abcdefghijklmnopqrstuvwxyz0123456789:-") == strlen(dev));
}

static bool is_ours(const GENERAL_NAME *name)
{
	static const char *const prefixes[] = { "urn:gsma:imei:",
						"urn:device-id:meid:" };
	int type;
	const ASN1_STRING *uri = GENERAL_NAME_get0_value(name, &type);

	if (type != GEN_URI)
		return false;
	struct slice text =
		slice_make(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct slice prefix = slice_of(prefixes[i]);
		if (text.n >= prefix.n &&
		    slice_eq_nocase(slice_make(text.p, prefix.n), prefix))
			return true;
	}
	return false;
}

/* One extension, and in it one name that could be taken for an identifier. */
static void check_only_one(X509 *cert)
{
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1), n = 0;
	char dev[AUTH_DEV_CHARS + 1];

	REQUIRE(X509_get_ext_by_NID(cert, NID_subject_alt_name, at) < 0);
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		n += is_ours(sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	REQUIRE(n == 1);
	REQUIRE(X509_add_ext(cert, X509_get_ext(cert, at), -1) == 1);
	REQUIRE(identity_of_certificate(cert, dev) == REASON_IDENTIFIER_AMBIGUOUS);
}

static void on_certificate(X509 *cert)
{
	char dev[AUTH_DEV_CHARS + 1];

	switch (identity_of_certificate(cert, dev)) {
	case REASON_NONE:
		check_canonical(dev);
		check_only_one(cert);
		break;
	case REASON_IDENTIFIER_MISSING:
	case REASON_IDENTIFIER_AMBIGUOUS:
	case REASON_IDENTIFIER_MALFORMED: break;
	default: REQUIRE(false);
	}
}

static void on_der(struct slice der)
{
	const uint8_t *at = (const uint8_t *)der.p;
	X509 *cert = d2i_X509(NULL, &at, (long)der.n);

	if (cert)
		on_certificate(cert);
	X509_free(cert);
}

static void on_names(struct slice der)
{
	X509 *cert = X509_new();
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	REQUIRE(cert && value &&
		ASN1_OCTET_STRING_set(value, (const uint8_t *)der.p, (int)der.n) == 1);
	X509_EXTENSION *extension =
		X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	REQUIRE(extension && X509_add_ext(cert, extension, -1) == 1);
	on_certificate(cert);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	X509_free(cert);
}

static void on_text(struct slice text)
{
	char dev[AUTH_DEV_CHARS + 1];

	if (identity_canonical(text, dev))
		check_canonical(dev);
}

static void on_srv(struct slice text)
{
	char srv[AUTH_SRV_CHARS + 1], again[AUTH_SRV_CHARS + 1];

	if (!identity_srv(text, 8443, srv))
		return;
	REQUIRE(strlen(srv) <= AUTH_SRV_CHARS);
	REQUIRE(identity_srv(slice_of(srv), 0, again) && strcmp(srv, again) == 0);
	for (const char *p = srv; *p; p++)
		REQUIRE(*p > ' ' && *p < 0x7f && !(*p >= 'A' && *p <= 'Z') &&
			*p != '/' && *p != '@');
}

/* The digits of a canonical identifier, its kind left out. */
static void digits_of(const char *dev, char out[AUTH_DEV_CHARS + 1])
{
	size_t n = 0;

	for (const char *p = strrchr(dev, ':') + 1; *p; p++)
		if (*p != '-')
			out[n++] = *p;
	out[n] = '\0';
}

static void on_authority(struct slice text)
{
	char dev[AUTH_DEV_CHARS + 1], digits[AUTH_DEV_CHARS + 1], prefix[16] = "";
	const char *const list[] = { prefix };
	struct authority authority = { .spki = { 1 } };
	uint8_t cas[1][SHA256_BYTES] = { { 1 } };
	struct tls_chain chain = { .n_cas = 1 };
	struct slice line;

	if (!slice_next(&text, '\n', &line) || line.n >= sizeof(prefix) ||
	    !identity_canonical(text, dev))
		return;
	memcpy(prefix, line.p, line.n);
	memcpy(chain.cas, cas, sizeof(cas));
	bool is_meid = slice_starts(slice_of(dev), SLICE("urn:device-id:"));
	enum authority_kind kind = is_meid ? AUTHORITY_MEID : AUTHORITY_IMEI;
	char *said = NULL;
	size_t n_said = 0;
	FILE *errors = open_memstream(&said, &n_said);
	authority.may[kind] = (struct authority_prefixes){ list, 1 };
	bool is_valid = authority_check_prefixes("block", authority.may, errors);
	fclose(errors);
	REQUIRE(is_valid == (n_said == 0));
	free(said);
	REQUIRE(is_valid == authority_prefix_is_valid(kind, slice_of(prefix)));
	if (!is_valid)
		return;
	authority.may[kind] = (struct authority_prefixes){ list, 1 };
	digits_of(dev, digits);
	bool is_allowed = strcmp(prefix, "all") == 0 ||
			  strncmp(digits, prefix, strlen(prefix)) == 0;
	REQUIRE(authority_check(&authority, 1, &chain, dev) ==
		(is_allowed ? REASON_NONE : REASON_IDENTIFIER_NOT_ALLOWED));
	/* Rules of other authorities allow nothing. */
	authority.spki[0] = 2;
	REQUIRE(authority_check(&authority, 1, &chain, dev) ==
		REASON_IDENTIFIER_NOT_ALLOWED);
	REQUIRE(authority_check(NULL, 0, &chain, dev) == REASON_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *copy = fuzz_copy(data, size);
	struct slice text = slice_make(copy, size - 1);

	switch (data[0]) {
	case 'c': on_der(text); break;
	case 'n': on_names(text); break;
	case 't': on_text(text); break;
	case 's': on_srv(text); break;
	case 'a': on_authority(text); break;
	default: break;
	}
	ERR_clear_error();
	free(copy);
	return 0;
}
