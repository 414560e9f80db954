#include "gateway/gateway_config.h"
#include "gateway/gateway_config_check.h"

#include "test/unit/directory.h"
#include "test/unit/pki.h"
#include "test/unit/test.h"

static struct directory directory;
static struct pki *airnet, *landnet;
static const struct pki_leaf *front, *back; /* of the two legs */

static void make_files(void)
{
	directory_open(&directory);
	directory_write(&directory, "secret", "secret", 0600);
	directory_write(&directory, "key", "-----BEGIN PRIVATE KEY-----\n", 0600);
	airnet = pki_new("Airnet");
	landnet = pki_new("Landnet");
	front = pki_issue(airnet, "front",
			  &(struct pki_options){ .eku = "serverAuth" });
	back = pki_issue(landnet, "back", &(struct pki_options){ .eku = "clientAuth" });
	pki_write_crl(airnet, 3600);
	pki_write_crl(landnet, 3600);
}

static void remove_files(void)
{
	pki_free(airnet);
	pki_free(landnet);
	directory_close(&directory);
}

/* What a case writes differently; NULL: as it is good. */
struct change {
	const char *listen, *landnet_certificate, *route, *more;
};

static const char *or_good(const char *text, const char *good)
{
	return text ? text : good;
}

static struct config *read_config(const struct change *change, char **errors)
{
	static size_t size;
	FILE *out = open_memstream(errors, &size);
	char text[4096], route[512];

	snprintf(route, sizeof(route),
		 "route \"prov.example.com:8443\" {\n"
		 "address = {\"127.0.0.1:9443\"} proof_root = \"%s\" }\n",
		 landnet->ca_path);
	snprintf(text, sizeof(text),
		 "user = root\nairnet_listen = %s\nairnet_certificate = \"%s\"\n"
		 "airnet_key = secret\nairnet_trust = \"%s\"\nairnet_crl = \"%s\"\n"
		 "landnet_certificate = \"%s\"\nlandnet_key = secret\n"
		 "landnet_trust = \"%s\"\nlandnet_crl = \"%s\"\n%s%s",
		 or_good(change->listen, "{\"127.0.0.1:8443\"}"), front->path,
		 airnet->ca_path, airnet->crl_path,
		 or_good(change->landnet_certificate, back->path), landnet->ca_path,
		 landnet->crl_path, or_good(change->route, route),
		 or_good(change->more, ""));
	struct config *config = config_read(
		&gateway_config_spec,
		directory_write(&directory, "gateway.conf", text, 0644), out);
	if (config && !gateway_config_check(config_get(config), out)) {
		config_free(config);
		config = NULL;
	}
	fclose(out);
	return config;
}

static void expect_error(const struct change *change, const char *error)
{
	char *errors;

	CU_ASSERT_PTR_NULL(read_config(change, &errors));
	if (!strstr(errors, error)) {
		fprintf(stderr, "\nwanted %s\ngot %s", error, errors);
		CU_FAIL("another error");
	}
	free(errors);
}

static void expect_good(const struct change *change)
{
	char *errors;
	struct config *config = read_config(change, &errors);

	CU_ASSERT_PTR_NOT_NULL(config);
	CU_ASSERT_STRING_EQUAL(errors, "");
	config_free(config);
	free(errors);
}

static void reads_a_whole_file(void)
{
	char *errors;

	make_files();
	struct config *config = read_config(&(struct change){ 0 }, &errors);
	CU_ASSERT_STRING_EQUAL(errors, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	const struct gateway_config *c = config_get(config);
	CU_ASSERT_EQUAL(c->pool_size, 64);
	/* All may ask at once, and nobody is told to come later for that. */
	CU_ASSERT(c->pool_queue >= c->sessions);
	CU_ASSERT_EQUAL(c->pool_wait_ms, 5000);
	CU_ASSERT_EQUAL(c->handshake_timeout_ms, 10000);
	CU_ASSERT_EQUAL(c->head_timeout_ms, 10000);
	CU_ASSERT_EQUAL(c->body_timeout_ms, 30000);
	CU_ASSERT_EQUAL(c->write_timeout_ms, 30000);
	CU_ASSERT_EQUAL(c->idle_timeout_ms, 300000);
	CU_ASSERT_EQUAL(c->authentication_timeout_ms, 5000);
	CU_ASSERT_FALSE(c->is_demo);
	CU_ASSERT_EQUAL_FATAL(c->routes.n, 1);
	const struct route_config *route = c->routes.items;
	CU_ASSERT_STRING_EQUAL(route->title, "prov.example.com:8443");
	CU_ASSERT_STRING_EQUAL(route->proof_root, landnet->ca_path);
	CU_ASSERT_EQUAL(route->care.n, 1);
	CU_ASSERT_EQUAL(route->provision.n, 3);
	config_free(config);
	free(errors);
	remove_files();
}

/* Each is refused, and the message says what and where. */
static void refuses_what_cannot_work(void)
{
#define ROUTE(title, keys) "route \"" title "\" { " keys " }\n"
#define ADDRESS            "address = {\"127.0.0.1:9443\"} "
#define PINS               "proof_pins = {\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"} "
#define PROXY(listen, from) \
	"proxy_listen = {\"" listen "\"}\nproxy_from = {\"" from "\"}\n"
	static const struct {
		struct change change;
		const char *error;
	} cases[] = {
		{ { .listen = "{}" }, "handsets need an address" },
		{ { .listen = "{\"localhost:8443\"}" }, "`airnet_listen` is no" },
		{ { .listen = "{\"::1:8443\"}" }, "write like" },
		{ { .listen = "{\"[::1]\"}" }, "`airnet_listen` is no" },
		{ { .listen = "{\"[fe80::1%lo]:1\"}" }, "`airnet_listen` is no" },
		{ { .listen = "{\"[::ffff:192.0.2.1]:1\"}" }, "write it as IPv4" },
		{ { .listen = "{\"[::1]:1\", \"[0::1]:1\"}" },
		  "[0::1]:1 is listed twice" },
		{ { .more = "proxy_listen = {\"127.0.0.1:1\"}\n" },
		  "proxy_from: is empty" },
		{ { .more = "proxy_from = {\"10.0.0.0/8\"}\n" },
		  "proxy_listen: is empty" },
		{ { .more = PROXY("127.0.0.1:8443", "10.0.0.0/8") },
		  "127.0.0.1:8443 is listed twice" },
		{ { .more = PROXY("127.0.0.1:1", "10.0.0.1/8") },
		  "gateway.conf:14: `proxy_from` has 10.0.0.1/8, which is no network" },
		{ { .route = "" }, "at least 1 block `route" },
		{ { .route = ROUTE("a:1", ADDRESS) },
		  "needs proof_root or proof_pins" },
		{ { .route = ROUTE("a:1", PINS) }, "`address` is missing" },
		{ { .route = ROUTE("a:1", "address = {} " PINS) },
		  "`address` has 0 elements" },
		{ { .route = ROUTE("a:1", "address = {\"unix:/a\"} " PINS) },
		  "`address` is no numeric address" },
		{ { .route = ROUTE("a:1", ADDRESS "proof_pins = {a, b, c}") },
		  "`proof_pins` has 3 elements" },
		{ { .route = ROUTE("a:1", ADDRESS "proof_root = none.pem") },
		  "`proof_root`" },
		{ { .route = ROUTE("Prov.Example.com:1", ADDRESS PINS) },
		  "lower-case" },
		{ { .route = ROUTE("prov.example.com", ADDRESS PINS) },
		  "with its port; write it as prov.example.com:8443" },
		{ { .route = ROUTE("a:1", ADDRESS PINS "care = {\"/v1\"}") },
		  "would let handsets use /v1/authentication" },
		{ { .route = ROUTE("a:1", ADDRESS PINS
				   "provision = {\"/v1/a\", \"/v1/sessions/x\"}") },
		  "would let handsets use /v1/sessions" },
		{ { .route = ROUTE("a:1", ADDRESS PINS "provision = {\"/v1/a/\"}") },
		  "/v1/a/ is no path prefix" },
		{ { .route = ROUTE("a:1", ADDRESS PINS "care = {\"v1\"}") },
		  "v1 is no path prefix" },
		{ { .landnet_certificate = "secret" }, "landnet_certificate: " },
		{ { .landnet_certificate = "key" },
		  "it holds a private key: are key and certificate swapped?" },
		{ { .more = "colour = red\n" }, "unknown key `colour`" },
		{ { .more = "airnet_crl_stale = ignore\n" },
		  "`airnet_crl_stale` is neither refuse nor warn" },
		{ { .more = "landnet_crl_stale = ignore\n" },
		  "`landnet_crl_stale` is neither" },
	};

	make_files();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(&cases[i].change, cases[i].error);
	expect_good(&(struct change){ .route = ROUTE("a:1", ADDRESS PINS) });
	expect_good(&(struct change){ .listen = "{\"0.0.0.0:1\", \"[::]:1\"}" });
	expect_good(&(struct change){ .listen = "{}",
				      .more = PROXY("[::1]:1", "::1/128") });
	remove_files();
}

/* A294 */
static void refuses_one_key_for_both_legs(void)
{
	make_files();
	expect_error(&(struct change){ .landnet_certificate = front->path },
		     "a key of its own for each leg");
	remove_files();
}

/* What is for the other side, or for none, every peer would refuse. */
static void wants_certificates_for_their_side(void)
{
	const struct pki_leaf *good;

	make_files();
	good = back;
	back = pki_issue(landnet, "server",
			 &(struct pki_options){ .eku = "serverAuth" });
	expect_error(&(struct change){ 0 }, "is not issued for clientAuth");
	back = pki_issue(landnet, "none", &(struct pki_options){ .san = NULL });
	expect_error(&(struct change){ 0 }, "is not issued for clientAuth");
	back = good;
	front = pki_issue(airnet, "client",
			  &(struct pki_options){ .eku = "clientAuth" });
	expect_error(&(struct change){ 0 }, "is not issued for serverAuth");
	remove_files();
}

/* Put a marked anchor behind those of a file. */
static void mark_file(const char *path)
{
	struct pki *demo = pki_new("Demo");

	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(demo->ca), "O", MBSTRING_UTF8,
		(const unsigned char *)"Provbox demo, not for production", -1, -1, 0);
	CU_ASSERT_FATAL(X509_sign(demo->ca, demo->key, EVP_sha256()) > 0);
	pki_write_cert(path, demo->ca);
	pki_free(demo);
}

/* F62: in each of the three places that hold anchors. */
static void refuses_demonstration_anchors(void)
{
	char path[512], route[1024];

	make_files();
	snprintf(path, sizeof(path), "%s",
		 directory_write(&directory, "proof.pem", "", 0644));
	mark_file(path);
	snprintf(route, sizeof(route), ROUTE("a:1", ADDRESS "proof_root = \"%s\""),
		 path);
	expect_error(&(struct change){ .route = route }, "demo = yes");
	expect_good(&(struct change){ .route = route, .more = "demo = yes\n" });
	mark_file(landnet->ca_path);
	expect_error(&(struct change){ 0 }, "demo = yes");
	remove_files();

	make_files();
	mark_file(airnet->ca_path);
	expect_error(&(struct change){ 0 }, "demo = yes");
	remove_files();
}

/* Sections for two CAs, with what they may assert. */
static void expect_authorities(const char *first, const char *second, const char *error)
{
	char text[1024];
	const struct change change = { .more = text };

	snprintf(text, sizeof(text),
		 "authority maker { certificate = \"%s\" %s }\n"
		 "authority operator { %s }\n",
		 airnet->ca_path, first, second);
	if (error)
		expect_error(&change, error);
	else
		expect_good(&change);
}

static void checks_authorities(void)
{
	char other[256], same[256], key[256];

	make_files();
	snprintf(other, sizeof(other), "certificate = \"%s\" imei = {\"35\"}",
		 landnet->ca_path);
	snprintf(same, sizeof(same), "certificate = \"%s\" imei = {\"35\"}",
		 airnet->ca_path);
	snprintf(key, sizeof(key), "certificate = \"%s\" imei = {\"35\"}",
		 airnet->crl_path);
	expect_authorities("imei = {\"35209900\", \"3520\"}", other, NULL);
	expect_authorities("imei = {\"all\"} meid = {\"a0000000\"}", other, NULL);
	expect_authorities("", other, "authority \"maker\": may assert nothing");
	expect_authorities("imei = {\"3520990x\"}", other,
			   "imei: 3520990x is neither 1 to 14 digits");
	expect_authorities("imei = {\"\"}", other, "imei:  is neither");
	expect_authorities("meid = {\"A000\"}", other, "meid: A000 is neither");
	expect_authorities("imei = {\"35\"}", same,
			   "has the key of authority \"maker\"");
	expect_authorities("imei = {\"35\"}", key, "holds no PEM certificate");
	expect_authorities("imei = {\"35\"}", "imei = {\"35\"}", "`certificate`");
	remove_files();
}

static void names_what_ends(void)
{
	static struct expiry_plan plan;
	char *errors;

	make_files();
	struct config *config = read_config(&(struct change){ 0 }, &errors);
	CU_ASSERT_PTR_NOT_NULL_FATAL(config);
	gateway_config_expiring(config_get(config), &plan);
	CU_ASSERT_EQUAL(plan.warning_ms, 14LL * 86400000);
	/* The root of proofs is the anchor of the landnet here: a file is told once. */
	CU_ASSERT_EQUAL_FATAL(plan.n, 6);
	CU_ASSERT_STRING_EQUAL(plan.files[0].key, "airnet_certificate");
	CU_ASSERT_STRING_EQUAL(plan.files[2].path, airnet->crl_path);
	CU_ASSERT_STRING_EQUAL(plan.files[5].key, "landnet_crl");
	config_free(config);
	free(errors);
	remove_files();
}

TEST_MAIN("gateway_config", TEST(checks_authorities), TEST(names_what_ends),
	  TEST(reads_a_whole_file), TEST(refuses_what_cannot_work),
	  TEST(refuses_one_key_for_both_legs), TEST(wants_certificates_for_their_side),
	  TEST(refuses_demonstration_anchors))
