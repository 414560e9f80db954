#include "contrib/handset/device_certificate.h"

#include <openssl/x509v3.h>

#include "test/unit/test.h"

#define SERIAL 42

static struct device_certificate authority, device;

static void make(void)
{
	CU_ASSERT_TRUE_FATAL(device_certificate_make(&authority, NULL, 0));
	CU_ASSERT_TRUE_FATAL(device_certificate_make(&device, &authority, SERIAL));
}

static void end(void)
{
	device_certificate_free(&device);
	device_certificate_free(&authority);
	CU_ASSERT_PTR_NULL(device.key);
}

static void names_the_device_as_the_gateway_reads_it(void)
{
	char wanted[AUTH_DEV_CHARS + 1], found[AUTH_DEV_CHARS + 1];

	make();
	device_certificate_dev(SERIAL, wanted);
	CU_ASSERT_STRING_EQUAL(wanted, "urn:gsma:imei:35209900-000042-0");
	CU_ASSERT_EQUAL(identity_of_certificate(device.certificate, found),
			REASON_NONE);
	CU_ASSERT_STRING_EQUAL(found, wanted);
	end();
}

/* As a gateway verifies it that trusts the authority, and as it would not be. */
static void is_signed_by_its_authority(void)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();

	make();
	X509_STORE_add_cert(store, authority.certificate);
	X509_STORE_CTX_init(context, store, device.certificate, NULL);
	X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
	CU_ASSERT_EQUAL(X509_verify_cert(context), 1);
	CU_ASSERT_EQUAL(X509_check_private_key(device.certificate, device.key), 1);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	end();
}

static void is_no_authority_itself(void)
{
	make();
	CU_ASSERT_EQUAL(X509_check_ca(authority.certificate), 1);
	CU_ASSERT_EQUAL(X509_check_ca(device.certificate), 0);
	CU_ASSERT_EQUAL(X509_get_key_usage(device.certificate), KU_DIGITAL_SIGNATURE);
	end();
}

TEST_MAIN("device_certificate", TEST(names_the_device_as_the_gateway_reads_it),
	  TEST(is_signed_by_its_authority), TEST(is_no_authority_itself))
