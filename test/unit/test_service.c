#include "provisioning/service.h"

#include "base/log.h"
#include "test/unit/directory.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

static struct directory directory;
static struct pki *pki;
static char *certificate, *key, *other_key;

static char *write_key(EVP_PKEY *from, const char *name)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	PEM_write_PrivateKey(out, from, NULL, NULL, 0, NULL, NULL);
	fclose(out);
	char *path = strdup(directory_write(&directory, name, text, 0600));
	free(text);
	return path;
}

static void make_files(void)
{
	directory_open(&directory);
	pki = pki_new("Services");
	const struct pki_leaf *leaf =
		pki_issue(pki, "client", &(struct pki_options){ .san = NULL });
	const struct pki_leaf *other =
		pki_issue(pki, "other", &(struct pki_options){ .san = NULL });
	certificate = leaf->path;
	key = write_key(leaf->key, "key.pem");
	other_key = write_key(other->key, "other.pem");
}

static void remove_files(void)
{
	free(key);
	free(other_key);
	pki_free(pki);
	directory_close(&directory);
}

static struct service_config make_config(void)
{
	return (struct service_config){
		.url = (char *)(uintptr_t) "https://example.com/",
		.trust = pki->ca_path,
		.timeout_ms = 1000
	};
}

/* What is said of a configuration; "" when it is good. Static. */
static const char *complaint(const struct service_config *config)
{
	static char text[1024];
	memset(text, 0, sizeof(text));
	FILE *out = fmemopen(text, sizeof(text) - 1, "w");
	bool is_good = service_check(config, "billing", out);
	fclose(out);
	CU_ASSERT_EQUAL(is_good, *text == '\0');
	return text;
}

static void checks_what_belongs_together(void)
{
	make_files();
	struct service_config config = make_config();
	CU_ASSERT_STRING_EQUAL(complaint(&config), "");
	config.trust = NULL;
	CU_ASSERT_PTR_NOT_NULL(strstr(complaint(&config), "billing_trust: is missing"));
	config.trust = key;
	CU_ASSERT_PTR_NOT_NULL(
		strstr(complaint(&config), "billing_trust: holds no certificate"));
	config = make_config();
	config.certificate = certificate;
	CU_ASSERT_PTR_NOT_NULL(strstr(complaint(&config), "billing_key: is missing"));
	config.key = key;
	CU_ASSERT_STRING_EQUAL(complaint(&config), "");
	config.certificate = key;
	CU_ASSERT_PTR_NOT_NULL(strstr(complaint(&config),
				      "billing_certificate: holds no certificate"));
	config.certificate = NULL;
	CU_ASSERT_PTR_NOT_NULL(
		strstr(complaint(&config), "billing_certificate: is missing"));
	config = (struct service_config){ .url = (char *)(uintptr_t) "" };
	CU_ASSERT_STRING_EQUAL(complaint(&config), ""); /* there is none */
	remove_files();
}

static void free_service(struct service *service)
{
	free((void *)(uintptr_t)service->trust.p);
	free((void *)(uintptr_t)service->certificate.p);
	free((void *)(uintptr_t)service->key.p);
	free(service->authorization);
	free(service);
}

static void reads_its_files(void)
{
	make_files();
	struct service_config config = make_config();
	struct service *service = service_load(&config, "billing");
	CU_ASSERT_PTR_NOT_NULL_FATAL(service);
	CU_ASSERT_STRING_EQUAL(service->url, "https://example.com/");
	CU_ASSERT_EQUAL(service->timeout_ms, 1000);
	CU_ASSERT_TRUE(slice_starts(service->trust, SLICE("-----BEGIN CERTIFICATE")));
	CU_ASSERT_PTR_NULL(service->certificate.p);
	CU_ASSERT_PTR_NULL(service->key.p);
	CU_ASSERT_PTR_NULL(service->authorization);
	free_service(service);
	config.certificate = certificate;
	config.key = key;
	service = service_load(&config, "billing");
	CU_ASSERT_PTR_NOT_NULL_FATAL(service);
	CU_ASSERT_TRUE(
		slice_starts(service->certificate, SLICE("-----BEGIN CERTIFICATE")));
	CU_ASSERT_TRUE(slice_starts(service->key, SLICE("-----BEGIN PRIVATE KEY")));
	free_service(service);
	config.key = other_key;
	CU_ASSERT_PTR_NULL(service_load(&config, "billing"));
	remove_files();
}

static void there_may_be_none(void)
{
	make_files();
	struct service_config config = make_config();
	void *service;
	CU_ASSERT_TRUE(service_load_any(&config, "billing", &service));
	CU_ASSERT_PTR_NOT_NULL_FATAL(service);
	free_service(service);
	config.url = (char[]){ "" };
	CU_ASSERT_TRUE(service_load_any(&config, "billing", &service));
	CU_ASSERT_PTR_NULL(service);
	config = make_config();
	config.certificate = certificate;
	config.key = other_key;
	CU_ASSERT_FALSE(service_load_any(&config, "billing", &service));
	remove_files();
}

/* Source: RFC 6750, 2.1 */
static void reads_a_token(void)
{
	static char long_token[8192];
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "abc-._~+/09==\n", "Authorization: Bearer abc-._~+/09==" },
		{ "abc", "Authorization: Bearer abc" },
		{ "abc\r\n", "Authorization: Bearer abc" },
		{ "", NULL },
		{ "\n", NULL },
		{ "abc def\n", NULL },
		{ "abc\nX-More: yes\n", NULL },
		{ long_token, NULL },
	};
	make_files();
	memset(long_token, 'a', sizeof(long_token) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_config config = make_config();
		char name[16];
		snprintf(name, sizeof(name), "token-%zu", i);
		config.token_file = (char *)(uintptr_t)directory_write(
			&directory, name, cases[i].text, 0600);
		struct service *service = service_load(&config, "billing");
		CU_ASSERT_EQUAL(service != NULL, cases[i].line != NULL);
		if (service && cases[i].line)
			CU_ASSERT_STRING_EQUAL(service->authorization, cases[i].line);
		if (service)
			free_service(service);
	}
	remove_files();
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(checks_what_belongs_together),
		TEST(reads_its_files),
		TEST(there_may_be_none),
		TEST(reads_a_token),
	};
	log_open("test_service", LOG_LEVEL_ERROR);
	return test_main("service", cases, sizeof(cases) / sizeof(cases[0]));
}
