#include "base/pem.h"

#include "test/unit/directory.h"
#include "test/unit/test.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\n"
#define REQUEST     "-----BEGIN CERTIFICATE REQUEST-----\n"
#define KEY         "-----BEGIN PRIVATE KEY-----\n"
#define EC_KEY      "-----BEGIN EC PRIVATE KEY-----\n"

static const struct {
	const char *text;
	enum pem_kind wanted;
	const char *expected; /* a part of it; NULL: nothing */
} samples[] = {
	{ CERTIFICATE, PEM_CERTIFICATE, NULL },
	{ CERTIFICATE, PEM_KEY, "; it holds a certificate: are key and" },
	{ "first\n" CERTIFICATE, PEM_KEY, "; it holds a certificate" },
	{ KEY, PEM_KEY, NULL },
	{ KEY, PEM_CERTIFICATE, "; it holds a private key: are key and" },
	{ EC_KEY, PEM_CERTIFICATE, "; it holds a private key" },
	/* Both in one file are for both. */
	{ CERTIFICATE EC_KEY, PEM_KEY, NULL },
	{ KEY CERTIFICATE, PEM_CERTIFICATE, NULL },
	{ REQUEST, PEM_CERTIFICATE, "; it holds a request: have" },
	{ "0\x82\x01\x01\x02", PEM_CERTIFICATE, "; it is DER: openssl x509 " },
	{ "0\x82\x01\x01\x02", PEM_KEY, "; it is DER: openssl pkey " },
	{ "0123456789abcdef", PEM_KEY, NULL },
	{ "", PEM_KEY, NULL },
	{ "something", PEM_CERTIFICATE, NULL },
};

static void tells_what_was_taken_for_it(void)
{
	struct directory directory;

	directory_open(&directory);
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const char *said = pem_mistake(
			directory_write(&directory, "file", samples[i].text, 0600),
			samples[i].wanted);
		CU_ASSERT_TRUE(samples[i].expected
				       ? strstr(said, samples[i].expected) != NULL
				       : *said == '\0');
	}
	CU_ASSERT_STRING_EQUAL(pem_mistake(directory.path, PEM_KEY), "");
	CU_ASSERT_STRING_EQUAL(pem_mistake("/nonexistent", PEM_KEY), "");
	directory_close(&directory);
}

TEST_MAIN("pem", TEST(tells_what_was_taken_for_it))
