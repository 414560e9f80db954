#include "auth/auth.h"

#include "test/unit/cert.h"
#include "test/unit/test.h"

/* text and its canonical form; NULL: none. */
static const struct {
	struct slice text;
	const char *canonical;
} identifiers[] = {
	/* The check digit of 35-209900-176148 is 1, the spare digit is 0. */
	{ SLICE("urn:gsma:imei:35209900-176148-0"), "urn:gsma:imei:35209900-176148-0" },
	{ SLICE("urn:gsma:imei:35209900-176148-1"), "urn:gsma:imei:35209900-176148-0" },
	{ SLICE("URN:GSMA:IMEI:35209900-176148-1"), "urn:gsma:imei:35209900-176148-0" },
	{ SLICE("urn:gsma:imei:35209900-176148-2"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-9"), NULL },
	/* 49-015420-323751 has check digit 8 (3GPP TS 23.003, annex B). */
	{ SLICE("urn:gsma:imei:49015420-323751-8"), "urn:gsma:imei:49015420-323751-0" },
	{ SLICE("urn:gsma:imei:49015420-323751-7"), NULL },
	{ SLICE("urn:gsma:imei:00000000-000000-0"), "urn:gsma:imei:00000000-000000-0" },
	{ SLICE("urn:gsma:imei:35209900-176148"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-00"), NULL },
	{ SLICE("urn:gsma:imei:35209900176148-0"), NULL },
	{ SLICE("urn:gsma:imei:352099001761480"), NULL },
	{ SLICE("urn:gsma:imei:3520990-0176148-0"), NULL },
	{ SLICE("urn:gsma:imei:35209900-17614a-0"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-a"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-0;svn=42"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-0;vers=0"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-0\0"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-\0"), NULL },
	{ SLICE(" urn:gsma:imei:35209900-176148-0"), NULL },
	{ SLICE("urn:gsma:imei:35209900-176148-0 "), NULL },
	{ SLICE("urn:gsma:imei:"), NULL },
	{ SLICE("urn:gsma:imeisv:35209900-176148-01"), NULL },
	{ SLICE("35209900-176148-0"), NULL },
	{ SLICE(""), NULL },
	{ { NULL, 0 }, NULL },
	{ SLICE("urn:device-id:meid:a04b0d5602a7e3"),
	  "urn:device-id:meid:a04b0d5602a7e3" },
	{ SLICE("urn:device-id:meid:A04B0D5602A7E3"),
	  "urn:device-id:meid:a04b0d5602a7e3" },
	{ SLICE("URN:Device-ID:meid:A04B0D56-02A7E3"),
	  "urn:device-id:meid:a04b0d5602a7e3" },
	{ SLICE("urn:device-id:meid:A04B0D-5602A7E3"), NULL },
	{ SLICE("urn:device-id:meid:A04B0D5602A7E-"), NULL },
	{ SLICE("urn:device-id:meid:A04B0D5602A7EG"), NULL },
	{ SLICE("urn:device-id:meid:A04B0D5602A7E"), NULL },
	{ SLICE("urn:device-id:meid:A04B0D5602A7E30"), NULL },
	{ SLICE("urn:device-id:meid:"), NULL },
};

static void identifiers_have_one_form(void)
{
	for (size_t i = 0; i < sizeof(identifiers) / sizeof(identifiers[0]); i++) {
		char out[AUTH_DEV_CHARS + 1] = "", again[AUTH_DEV_CHARS + 1];
		const char *canonical = identifiers[i].canonical;
		bool ok = identity_canonical(identifiers[i].text, out);

		CU_ASSERT_EQUAL(ok, canonical != NULL);
		if (!ok)
			continue;
		CU_ASSERT_STRING_EQUAL(out, canonical);
		CU_ASSERT_TRUE(identity_canonical(slice_of(out), again));
		CU_ASSERT_STRING_EQUAL(again, out);
	}
}

static void every_other_check_digit_is_refused(void)
{
	char text[] = "urn:gsma:imei:49015420-323751-0", out[AUTH_DEV_CHARS + 1];

	for (char c = '0'; c <= '9'; c++) {
		text[sizeof(text) - 2] = c;
		CU_ASSERT_EQUAL(identity_canonical(slice_of(text), out),
				c == '0' || c == '8');
	}
}

#define IMEI       SLICE("urn:gsma:imei:35209900-176148-0")
#define OTHER_IMEI SLICE("urn:gsma:imei:49015420-323751-8")
#define MEID       SLICE("urn:device-id:meid:A04B0D5602A7E3")
#define WEB        SLICE("https://example.com/")

static const struct {
	struct cert_spec spec;
	enum auth_reason reason;
	const char *dev;
} certificates[] = {
	{ { .uris = { IMEI } }, REASON_NONE, "urn:gsma:imei:35209900-176148-0" },
	{ { .uris = { OTHER_IMEI } }, REASON_NONE, "urn:gsma:imei:49015420-323751-0" },
	{ { .uris = { MEID } }, REASON_NONE, "urn:device-id:meid:a04b0d5602a7e3" },
	{ { .uris = { WEB, IMEI }, .dns = "example.com" },
	  REASON_NONE,
	  "urn:gsma:imei:35209900-176148-0" },
	{ { 0 }, REASON_IDENTIFIER_MISSING, NULL },
	{ { .name = "urn:gsma:imei:35209900-176148-0" },
	  REASON_IDENTIFIER_MISSING,
	  NULL },
	{ { .dns = "urn:gsma:imei:35209900-176148-0" },
	  REASON_IDENTIFIER_MISSING,
	  NULL },
	{ { .uris = { WEB } }, REASON_IDENTIFIER_MISSING, NULL },
	{ { .uris = { IMEI, OTHER_IMEI } }, REASON_IDENTIFIER_AMBIGUOUS, NULL },
	{ { .uris = { IMEI, IMEI } }, REASON_IDENTIFIER_AMBIGUOUS, NULL },
	{ { .uris = { IMEI, MEID } }, REASON_IDENTIFIER_AMBIGUOUS, NULL },
	{ { .uris = { IMEI, SLICE("urn:gsma:imei:x") } },
	  REASON_IDENTIFIER_AMBIGUOUS,
	  NULL },
	{ { .uris = { IMEI }, .n_sans = 2 }, REASON_IDENTIFIER_AMBIGUOUS, NULL },
	{ { .uris = { SLICE("urn:gsma:imei:35209900-176148-2") } },
	  REASON_IDENTIFIER_MALFORMED,
	  NULL },
	{ { .uris = { SLICE("urn:gsma:imei:35209900-176148-0\0.example.com") } },
	  REASON_IDENTIFIER_MALFORMED,
	  NULL },
	{ { .uris = { IMEI, SLICE("https://example.com/\0") } },
	  REASON_IDENTIFIER_MALFORMED,
	  NULL },
};

static void certificates_name_one_identifier(void)
{
	EVP_PKEY *key = cert_key("P-256");

	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
		struct cert_spec spec = certificates[i].spec;
		char out[AUTH_DEV_CHARS + 1] = "";

		spec.key = key;
		spec.name = spec.name ? spec.name : "device";
		X509 *leaf = cert_make(&spec);
		CU_ASSERT_EQUAL(identity_of_certificate(leaf, out),
				certificates[i].reason);
		if (certificates[i].dev)
			CU_ASSERT_STRING_EQUAL(out, certificates[i].dev);
		X509_free(leaf);
	}
	EVP_PKEY_free(key);
}

static void names_that_cannot_be_decoded_are_malformed(void)
{
	EVP_PKEY *key = cert_key("P-256");
	X509 *leaf = cert_make(&(struct cert_spec){ .name = "device", .key = key });
	ASN1_OCTET_STRING *junk = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	char out[AUTH_DEV_CHARS + 1];

	ASN1_OCTET_STRING_set(junk, (const unsigned char *)"\x30\x05\x86", 3);
	extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, junk);
	X509_add_ext(leaf, extension, -1);
	CU_ASSERT_EQUAL(identity_of_certificate(leaf, out),
			REASON_IDENTIFIER_MALFORMED);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(junk);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static const struct {
	struct slice host;
	const char *srv;
} names[] = {
	{ SLICE("prov.example.com"), "prov.example.com:443" },
	{ SLICE("prov.example.com:443"), "prov.example.com:443" },
	{ SLICE("PROV.Example.COM:8443"), "prov.example.com:8443" },
	{ SLICE("localhost:1"), "localhost:1" },
	{ SLICE("a-b.example:65535"), "a-b.example:65535" },
	{ SLICE("127.0.0.1:8443"), "127.0.0.1:8443" },
	{ SLICE("[::1]:8443"), "[::1]:8443" },
	{ SLICE("[::1]"), "[::1]:443" },
	{ SLICE("[2001:DB8:0:0::1]:1"), "[2001:db8::1]:1" },
	{ SLICE(LABEL63 "." LABEL63 "." LABEL63 "." LABEL63), NULL }, /* 255 */
	{ SLICE(LABEL63), LABEL63 ":443" },
	{ SLICE(LABEL63 "4"), NULL },
	{ SLICE(""), NULL },
	{ { NULL, 0 }, NULL },
	{ SLICE(":443"), NULL },
	{ SLICE("example.com:"), NULL },
	{ SLICE("example.com:0"), NULL },
	{ SLICE("example.com:0443"), NULL },
	{ SLICE("example.com:65536"), NULL },
	{ SLICE("example.com:443:443"), NULL },
	{ SLICE("example.com:44a"), NULL },
	{ SLICE("example.com:+443"), NULL },
	{ SLICE("example.com."), NULL },
	{ SLICE(".example.com"), NULL },
	{ SLICE("exam..ple.com"), NULL },
	{ SLICE("-a.example"), NULL },
	{ SLICE("a-.example"), NULL },
	{ SLICE("a_b.example"), NULL },
	{ SLICE("user@example.com"), NULL },
	{ SLICE("example.com/"), NULL },
	{ SLICE("example.com\0"), NULL },
	{ SLICE("exam ple.com"), NULL },
	{ SLICE("ex\xc3\xa4mple.com"), NULL },
	{ SLICE("127.0.0.256"), NULL },
	{ SLICE("127.1"), NULL },
	{ SLICE("2130706433"), NULL },
	{ SLICE("127.0.0.01"), NULL },
	{ SLICE("::1"), NULL },
	{ SLICE("[::1"), NULL },
	{ SLICE("[]"), NULL },
	{ SLICE("["), NULL },
	{ SLICE("[::1]8443"), NULL },
	{ SLICE("[::1]:"), NULL },
	{ SLICE("[fe80::1%eth0]:1"), NULL },
	{ SLICE("[::1\0]:1"), NULL },
	{ SLICE("[example.com]:1"), NULL },
	{ SLICE("[127.0.0.1]:1"), NULL },
};

static void names_of_servers_have_one_form(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char out[AUTH_SRV_CHARS + 1] = "", again[AUTH_SRV_CHARS + 1] = "";
		bool ok = identity_srv(names[i].host, 443, out);

		CU_ASSERT_EQUAL(ok, names[i].srv != NULL);
		if (!ok)
			continue;
		CU_ASSERT_STRING_EQUAL(out, names[i].srv);
		CU_ASSERT_TRUE(identity_srv(slice_of(out), 1, again));
		CU_ASSERT_STRING_EQUAL(again, out);
	}
}

static void a_certificate_has_the_name_without_the_port(void)
{
	char host[AUTH_SRV_CHARS + 1];

	identity_srv_host("prov.example.com:8443", host);
	CU_ASSERT_STRING_EQUAL(host, "prov.example.com");
	identity_srv_host("192.0.2.1:443", host);
	CU_ASSERT_STRING_EQUAL(host, "192.0.2.1");
	identity_srv_host("[2001:db8::1]:443", host);
	CU_ASSERT_STRING_EQUAL(host, "2001:db8::1");
}

static void the_longest_name_fits(void)
{
	char name[254], text[260], out[AUTH_SRV_CHARS + 1];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 63; i < sizeof(name) - 1; i += 64)
		name[i] = '.';
	snprintf(text, sizeof(text), "%s:65535", name);
	CU_ASSERT_TRUE(identity_srv(slice_of(text), 443, out));
	CU_ASSERT_STRING_EQUAL(out, text);
	snprintf(text, sizeof(text), "%s:6553a", name);
	CU_ASSERT_FALSE(identity_srv(slice_of(text), 443, out));
}

TEST_MAIN("identity", TEST(identifiers_have_one_form),
	  TEST(every_other_check_digit_is_refused),
	  TEST(certificates_name_one_identifier),
	  TEST(names_that_cannot_be_decoded_are_malformed),
	  TEST(a_certificate_has_the_name_without_the_port),
	  TEST(names_of_servers_have_one_form), TEST(the_longest_name_fits))
