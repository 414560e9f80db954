#include "provisioning/server_config.h"

#include "test/unit/directory.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

static struct directory directory;
static struct pki *pki, *demo_pki;
static const struct pki_leaf *gateway, *server, *proof;

static void make_files(void)
{
	directory_open(&directory);
	directory_write(&directory, "secret", "secret", 0600);
	directory_write(&directory, "plain", "plain", 0644);
	pki = pki_new("Landnet");
	gateway = pki_issue(pki, "gateway", &(struct pki_options){ .san = NULL });
	server = pki_issue(pki, "server",
			   &(struct pki_options){ .san = "DNS:prov.example.com",
						  .eku = "serverAuth" });
	proof = pki_issue(pki, "proof", &(struct pki_options){ .san = NULL });
	pki_write_crl(pki, 3600);
}

static void remove_files(void)
{
	pki_free(pki);
	directory_close(&directory);
}

/* Read a configuration of good values and @p more lines; errors to @p errors. */
static struct config *read_config(const char *more, char **errors)
{
	static size_t size;
	FILE *out = open_memstream(errors, &size);
	char text[4096];
	snprintf(text, sizeof(text),
		 "user = root\nlisten = {\"127.0.0.1:9443\"}\n"
		 "certificate = \"%1$s\"\nkey = \"%2$s/secret\"\n"
		 "trust = \"%3$s\"\ncrl = \"%4$s\"\n"
		 "grant_key_file = \"%2$s/secret\"\n"
		 "proof_certificate = \"%5$s\"\nproof_key = \"%2$s/secret\"\n%6$s",
		 server->path, directory.path, pki->ca_path, pki->crl_path, proof->path,
		 more);
	const char *path = directory_write(&directory, "server.conf", text, 0644);
	struct config *config = config_read(&server_config_spec, path, out);
	if (config && !server_config_check(config_get(config), out)) {
		config_free(config);
		config = NULL;
	}
	fclose(out);
	return config;
}

#define URI "provisioning_uri = \"https://Prov.Example.com/\"\n"
#define DSN "dsn = \"host=/run/postgresql dbname=provbox\"\n"

static char *gateway_block(void)
{
	static char text[512];
	snprintf(text, sizeof(text),
		 URI DSN "gateway \"one\" { certificate = \"%s\" }\n", gateway->path);
	return text;
}

static void reads_a_whole_file(void)
{
	char *errors;
	make_files();
	struct config *config = read_config(gateway_block(), &errors);
	CU_ASSERT_STRING_EQUAL(errors, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	const struct server_config *c = config_get(config);
	char srv[AUTH_SRV_CHARS + 1];
	CU_ASSERT_TRUE(server_config_srv(c, srv));
	CU_ASSERT_STRING_EQUAL(srv, "prov.example.com:443");
	CU_ASSERT_TRUE(c->is_prepare);
	CU_ASSERT_EQUAL(c->database_timeout_ms, 5000);
	CU_ASSERT_EQUAL(c->authentication_timeout_ms, 5000);
	CU_ASSERT_EQUAL(c->handshake_timeout_ms, 10000);
	CU_ASSERT_EQUAL(c->head_timeout_ms, 10000);
	CU_ASSERT_EQUAL(c->body_timeout_ms, 30000);
	CU_ASSERT_EQUAL(c->write_timeout_ms, 30000);
	CU_ASSERT_EQUAL(c->idle_timeout_ms, 300000);
	CU_ASSERT_STRING_EQUAL(c->billing.url, "");

	uint8_t by_file[SHA256_BYTES], by_pin[SHA256_BYTES];
	CU_ASSERT_TRUE(server_config_gateway(c->gateways.items, by_file));
	char pin[BASE64URL_CHARS(SHA256_BYTES) + 1];
	base64url_encode(slice_make(by_file, sizeof(by_file)), pin);
	struct gateway_section pinned = { .certificate = NULL, .pin = pin };
	CU_ASSERT_TRUE(server_config_gateway(&pinned, by_pin));
	CU_ASSERT_EQUAL(memcmp(by_file, by_pin, SHA256_BYTES), 0);
	config_free(config);
	free(errors);
	remove_files();
}

static void reads_provisioning_uris(void)
{
	static const struct {
		const char *uri, *srv;
	} cases[] = {
		{ "https://prov.example.com", "prov.example.com:443" },
		{ "https://prov.example.com:8443/", "prov.example.com:8443" },
		{ "https://192.0.2.1:8443", "192.0.2.1:8443" },
		{ "http://prov.example.com/", NULL },
		{ "https://prov.example.com/path", NULL },
		{ "https://user@prov.example.com/", NULL },
		{ "https:///", NULL },
		{ "prov.example.com:8443", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct server_config c = { .provisioning_uri = (char *)cases[i].uri };
		char srv[AUTH_SRV_CHARS + 1] = "";
		CU_ASSERT_EQUAL(server_config_srv(&c, srv), cases[i].srv != NULL);
		CU_ASSERT_TRUE(!cases[i].srv || strcmp(srv, cases[i].srv) == 0);
	}
}

/* Each is refused, and the message says what and where. */
static void refuses_what_cannot_work(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "provisioning_uri = \"http://a/\"\n" DSN
		  "gateway \"g\" { pin = \"x\" }",
		  "provisioning_uri" },
		{ URI "dsn = \"host=db.example.com\"\ngateway \"g\" { pin = \"x\" }",
		  "dsn" },
		{ URI "dsn = \"host=/run password=x\"\ngateway \"g\" { pin = \"x\" }",
		  "password" },
		{ URI DSN, "gateway" },
		{ URI DSN "gateway \"g\" { }", "either certificate or pin" },
		{ URI DSN "gateway \"g\" { pin = \"AAAA\" }", "pin" },
		{ URI DSN "gateway \"g\" { certificate = \"/nowhere.pem\" }",
		  "/nowhere.pem: No such file" },
		{ URI DSN "gateway \"g\" { certificate = \"plain\" }",
		  "no PEM certificate" },
		{ URI DSN "billing_trust = \"/nowhere.pem\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "/nowhere.pem: No such file" },
		{ URI DSN "mail_url = \"https://a/\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`mail_url` is not smtp" },
		{ URI DSN "mail_url = \"smtp://\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`mail_url` is not smtp" },
		{ URI DSN "mail_url = \"smtp://u@a\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`mail_url` is not smtp" },
		{ URI DSN "mail_url = \"smtp://a/b\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`mail_url` is not smtp" },
		{ URI DSN "mail_url = \"smtps://a:465\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "mail_trust: is missing" },
		{ URI DSN "mail_url = \"smtp://a\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "mail_from: is missing" },
		{ URI DSN "mail_from = \"a@b\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`mail_from` is no address" },
		{ URI DSN "mail_credentials = \"plain\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "plain" },
		{ URI DSN "hook_url = \"http://a/\"\n"
			  "gateway \"g\" { pin = \"x\" }",
		  "`hook_url` is not an https" },
		{ URI DSN "billing_url = \"http://a/\"\ngateway \"g\" { pin = \"x\" }",
		  "billing_url" },
		{ URI DSN "log_level = \"loud\"\ngateway \"g\" { pin = \"x\" }",
		  "log_level" },
		{ URI DSN "colour = \"red\"\ngateway \"g\" { pin = \"x\" }", "colour" },
		{ URI DSN "workers = 0\ngateway \"g\" { pin = \"x\" }", "workers" },
	};
	make_files();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *errors;
		CU_ASSERT_PTR_NULL(read_config(cases[i].text, &errors));
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, cases[i].error));
		free(errors);
	}
	remove_files();
}

/* The host of URI is written in another case than that of the certificate. */
static void wants_a_certificate_for_its_own_name(void)
{
	char *errors;
	make_files();
	server = pki_issue(pki, "other",
			   &(struct pki_options){ .san = "DNS:other.example.com",
						  .eku = "serverAuth" });
	CU_ASSERT_PTR_NULL(read_config(gateway_block(), &errors));
	CU_ASSERT_STRING_EQUAL(errors,
			       "certificate: is not for prov.example.com, the host of "
			       "provisioning_uri; make one that has it in its "
			       "subjectAltName\n");
	free(errors);
	remove_files();
}

static void wants_a_certificate_for_its_side(void)
{
	char *errors;

	make_files();
	server = pki_issue(pki, "client",
			   &(struct pki_options){ .san = "DNS:prov.example.com",
						  .eku = "clientAuth" });
	CU_ASSERT_PTR_NULL(read_config(gateway_block(), &errors));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "is not issued for serverAuth"));
	free(errors);
	remove_files();
}

static void wants_anchors_for_billing(void)
{
	char text[1024], *errors;
	make_files();
	snprintf(text, sizeof(text),
		 "%sbilling_url = \"https://billing.example.com/\"\n", gateway_block());
	CU_ASSERT_PTR_NULL(read_config(text, &errors));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "billing_trust: is missing"));
	free(errors);
	strncat(text, "billing_trust = \"plain\"\n", sizeof(text) - strlen(text) - 1);
	CU_ASSERT_PTR_NULL(read_config(text, &errors));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "billing_trust: holds no certificate"));
	free(errors);
	remove_files();
}

/* F62: anchors that were made for a demonstration open nothing else. */
/* F62: in each of the places that hold anchors. */
static void refuses_demonstration_anchors(void)
{
	static const char *const keys[] = { "billing_trust", "mail_trust", "hook_trust",
					    "verification_trust", "fetch_trust" };
	char text[1024], *errors;
	make_files();
	demo_pki = pki_new("Demo");
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(demo_pki->ca), "O", MBSTRING_UTF8,
		(const unsigned char *)"Provbox demo, not for production", -1, -1, 0);
	CU_ASSERT_FATAL(X509_sign(demo_pki->ca, demo_pki->key, EVP_sha256()) > 0);
	pki_write_cert(demo_pki->ca_path, demo_pki->ca);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), "%s%s = \"%s\"\n", gateway_block(),
			 keys[i], demo_pki->ca_path);
		CU_ASSERT_PTR_NULL(read_config(text, &errors));
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, keys[i]));
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, "demo = yes"));
		free(errors);

		snprintf(text, sizeof(text), "%s%s = \"%s\"\ndemo = yes\n",
			 gateway_block(), keys[i], demo_pki->ca_path);
		struct config *config = read_config(text, &errors);
		CU_ASSERT_PTR_NOT_NULL(config);
		CU_ASSERT_STRING_EQUAL(errors, "");
		config_free(config);
		free(errors);
	}
	/* One behind those that gateways are known by. */
	pki_write_cert(pki->ca_path, demo_pki->ca);
	CU_ASSERT_PTR_NULL(read_config(gateway_block(), &errors));
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "demo = yes"));
	free(errors);
	pki_free(demo_pki);
	remove_files();
}

TEST_MAIN("server_config", TEST(reads_a_whole_file), TEST(reads_provisioning_uris),
	  TEST(refuses_what_cannot_work), TEST(wants_a_certificate_for_its_own_name),
	  TEST(wants_a_certificate_for_its_side), TEST(wants_anchors_for_billing),
	  TEST(refuses_demonstration_anchors))
