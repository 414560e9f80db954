#include "base/tls_load.h"

#include "test/unit/tls_pair.h"

static void expect_refusal(const struct tls_settings *settings, const char *word)
{
	char why[256] = "";

	CU_ASSERT_PTR_NULL(tls_context_new(settings, why, sizeof(why)));
	if (!strstr(why, word))
		printf("\n\"%s\" without \"%s\"", why, word);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, word));
	CU_ASSERT_EQUAL(ERR_peek_error(), 0);
}

static void says_what_cannot_be_loaded(void)
{
	struct world w = world_new();
	const struct tls_settings good = settings_of(TLS_SERVER, w.airnet, w.server);
	struct tls_settings bad = good;

	bad.chain_path = "/nonexistent";
	expect_refusal(&bad, "/nonexistent");
	bad = good;
	bad.key = w.device->key;
	expect_refusal(&bad, w.server->path);
	bad = good;
	bad.trust_path = w.airnet->crl_path;
	expect_refusal(&bad, "no certificate");
	bad = good;
	bad.trust_path = "/nonexistent";
	expect_refusal(&bad, "/nonexistent: cannot be read: No such file");
	bad = good;
	bad.crl_path = NULL;
	expect_refusal(&bad, "no CRL");
	bad.no_crl = true;
	tls_context_free(context_new(&bad));
	bad = good;
	bad.crl_path = w.other->crl_path;
	expect_refusal(&bad, "/CN=Airnet");
	bad.crl_path = w.airnet->ca_path;
	expect_refusal(&bad, "/CN=Airnet");
	world_free(&w);
}

TEST_MAIN("tls_load", TEST(says_what_cannot_be_loaded))
