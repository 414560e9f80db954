#include "test/unit/test.h"

#include <jansson.h>
#include <stdlib.h>

#include "contrib/handset/request.h"

#define RID    "6f1f0c1e-2a0c-4c5d-9a70-0b0c7f3f0001"
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ITEM                                                              \
	"{\"id\":\"callscreen\",\"state\":\"ready\",\"kind\":\"module\"," \
	"\"version\":\"1.0.0\",\"content\":{\"sha256\":\"" DIGEST         \
	"\",\"size\":3,\"media_type\":\"application/octet-stream\"}}"
#define TERMS                                                                     \
	"\"offer\":{\"terms\":{\"sha256\":\"" DIGEST "\",\"version\":\"2026-1\"," \
	"\"language\":\"en\"},\"code_hint\":\"11\",\"notice\":\"queued\"}"

static struct request request;

static bool parses(const char *json)
{
	const char *why;

	return request_parse(slice_of(json), &request, &why);
}

static void reads_a_request(void)
{
	CU_ASSERT(parses("{\"id\":\"" RID "\",\"state\":\"accepted\",\"new\":1," TERMS
			 ",\"items\":[" ITEM ",{\"id\":\"x\",\"state\":\"unavailable\","
			 "\"reason\":\"feature_unknown\"}]}"));
	CU_ASSERT_EQUAL(request.state, REQUEST_ACCEPTED);
	CU_ASSERT(request.has_terms);
	CU_ASSERT_STRING_EQUAL(request.terms_version, "2026-1");
	CU_ASSERT_STRING_EQUAL(request.code_hint, "11");
	CU_ASSERT_EQUAL(request.n, 2);
	CU_ASSERT_STRING_EQUAL(request.items[0].what.version, "1.0.0");
	CU_ASSERT_EQUAL(request.items[0].size, 3);
	CU_ASSERT_STRING_EQUAL(request.items[1].reason, "feature_unknown");
	CU_ASSERT_PTR_EQUAL(request_next_item(&request), &request.items[0]);
}

static void reads_every_state(void)
{
	static const char *const states[] = { "received",   "verifying", "accepted",
					      "delivering", "done",      "declined",
					      "refused",    "failed",    "expired",
					      "cancelled" };
	char json[256];

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		snprintf(json, sizeof(json),
			 "{\"id\":\"" RID "\",\"state\":\"%s\",\"items\":[]}",
			 states[i]);
		CU_ASSERT(parses(json));
		CU_ASSERT_STRING_EQUAL(request_state_name(request.state), states[i]);
		CU_ASSERT_EQUAL(request_state_is_final(request.state), i >= 4);
		CU_ASSERT_PTR_NULL(request_next_item(&request));
	}
}

static void refuses_what_it_could_not_work_with(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"id\":\"not-a-uuid\",\"state\":\"done\",\"items\":[]}",
		"{\"id\":\"" RID "\",\"state\":\"dreaming\",\"items\":[]}",
		"{\"id\":\"" RID "\",\"state\":\"offered\",\"items\":[]}",
		"{\"id\":\"" RID "\",\"state\":\"done\"}",
		"{\"id\":\"" RID "\",\"state\":\"done\",\"items\":[{\"id\":\"../x\","
		"\"state\":\"failed\"}]}",
		"{\"id\":\"" RID "\",\"state\":\"accepted\",\"items\":[{\"id\":\"x\","
		"\"state\":\"ready\"}]}",
		"{\"id\":\"" RID "\",\"state\":\"accepted\",\"items\":[{\"id\":\"x\","
		"\"state\":\"ready\",\"kind\":\"module\",\"version\":\"1\",\"content\":"
		"{\"sha256\":\"" DIGEST "\",\"size\":-1}}]}",
		"{\"id\":\"" RID "\",\"id\":\"" RID
		"\",\"state\":\"done\",\"items\":[]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parses(bad[i]))
			fprintf(stderr, "taken: %s\n", bad[i]);
		CU_ASSERT_FALSE(parses(bad[i]));
	}
}

static void refuses_too_many_items(void)
{
	char json[8192];
	int n = snprintf(json, sizeof(json),
			 "{\"id\":\"" RID "\",\"state\":\"done\",\"items\":[");

	for (int i = 0; i <= REQUEST_ITEMS_LIMIT; i++)
		n += snprintf(json + n, sizeof(json) - (size_t)n,
			      "%s{\"id\":\"x%d\",\"state\":\"failed\"}", i ? "," : "",
			      i);
	snprintf(json + n, sizeof(json) - (size_t)n, "]}");
	CU_ASSERT_FALSE(parses(json));
}

static void reads_a_catalogue(void)
{
	struct catalogue catalogue;

	CU_ASSERT(catalogue_parse(
		SLICE("{\"version\":7,\"features\":[{\"id\":\"a\",\"name\":\"A\","
		      "\"kind\":"
		      "\"module\",\"version\":\"1\",\"uri\":\"https://"
		      "prov.example.com:8443/"
		      "v1\"},{\"id\":\"b\",\"name\":\"B\",\"kind\":\"activation\","
		      "\"version\":\"2\",\"uri\":\"https://other.example.com/\"}]}"),
		"prov.example.com:8443", &catalogue));
	CU_ASSERT_EQUAL(catalogue.version, 7);
	CU_ASSERT_EQUAL(catalogue.n, 2);
	CU_ASSERT(catalogue.features[0].is_here);
	CU_ASSERT_FALSE(catalogue.features[1].is_here);
	CU_ASSERT_EQUAL(catalogue.features[1].kind, INSTALL_ACTIVATION);
	CU_ASSERT_EQUAL(catalogue.packages, 0);
	CU_ASSERT_PTR_EQUAL(catalogue_find(&catalogue, "b"), &catalogue.features[1]);
	CU_ASSERT_PTR_NULL(catalogue_find(&catalogue, "c"));
	CU_ASSERT_FALSE(catalogue_parse(SLICE("{\"version\":7}"), "x", &catalogue));
}

static void believes_terms_only_with_their_digest(void)
{
	uint8_t digest[SHA256_BYTES];
	char *text;

	sha256(SLICE("the terms"), digest);
	text = terms_parse(SLICE("{\"text\":\"the terms\",\"version\":\"1\"}"), digest);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_STRING_EQUAL(text, "the terms");
	free(text);
	CU_ASSERT_PTR_NULL(terms_parse(SLICE("{\"text\":\"the Terms\"}"), digest));
	CU_ASSERT_PTR_NULL(terms_parse(SLICE("{}"), digest));
}

static void reads_problems(void)
{
	char reason[REQUEST_WORD_CHARS + 1];

	CU_ASSERT(problem_parse(SLICE("{\"status\":403,\"reason\":\"device_blocked\"}"),
				reason));
	CU_ASSERT_STRING_EQUAL(reason, "device_blocked");
	CU_ASSERT_FALSE(problem_parse(SLICE("<html>"), reason));
	CU_ASSERT_FALSE(problem_parse(SLICE("{\"reason\":\"\"}"), reason));
}

static struct form form_of(const char *reference)
{
	struct form form = { { "Ada", "Lovelace", "N1 9GU" } };

	snprintf(form.values[FORM_REFERENCE], sizeof(form.values[0]), "%s", reference);
	return form;
}

static bool is_fine(const char *reference)
{
	struct form form = form_of(reference);

	return form_check(&form, FORM_REFERENCE) == NULL;
}

static void checks_what_was_typed(void)
{
	struct form form = form_of("acct-4711");

	for (int i = 0; i < FORM_N; i++)
		CU_ASSERT_PTR_NULL(form_check(&form, (enum form_field)i));
	form.values[FORM_POSTCODE][0] = '\0';
	CU_ASSERT_PTR_NOT_NULL(form_check(&form, FORM_POSTCODE));
	snprintf(form.values[FORM_GIVEN_NAME], sizeof(form.values[0]), "A\xff");
	CU_ASSERT_PTR_NOT_NULL(form_check(&form, FORM_GIVEN_NAME));
	snprintf(form.values[FORM_GIVEN_NAME], sizeof(form.values[0]), "Zoë\033[2J");
	CU_ASSERT_PTR_NOT_NULL(form_check(&form, FORM_GIVEN_NAME));
	memset(form.values[FORM_GIVEN_NAME], 'a', 101);
	form.values[FORM_GIVEN_NAME][101] = '\0';
	CU_ASSERT_PTR_NOT_NULL(form_check(&form, FORM_GIVEN_NAME));
}

/* A card number never leaves the handset, however it is written. */
static void never_takes_a_card_number(void)
{
	CU_ASSERT(is_fine("12345678"));
	CU_ASSERT(is_fine("123456789012"));
	CU_ASSERT(is_fine("a123456789012345"));
	CU_ASSERT_FALSE(is_fine("4111111111111111"));
	CU_ASSERT_FALSE(is_fine("4111-1111-1111-1111"));
	CU_ASSERT_FALSE(is_fine("4111.1111.1111.1"));
	CU_ASSERT_FALSE(is_fine("1234567"));
	CU_ASSERT_FALSE(is_fine("acct 4711"));
}

static void writes_a_request(void)
{
	struct form form = form_of("acct-4711");
	const char *const items[] = { "a", "b" };
	struct order order = { .form = &form,
			       .language = "en",
			       .dev = "urn:gsma:imei:35209900-176148-0",
			       .model = "M",
			       .firmware = "1",
			       .catalogue = 7,
			       .items = items,
			       .n_items = 2 };
	char *text = order_write(&order);

	CU_ASSERT_STRING_EQUAL(
		text,
		"{\"user\":{\"given_name\":\"Ada\",\"family_name\":\"Lovelace\","
		"\"postcode\":\"N1 9GU\",\"language\":\"en\"},\"accounting\":{"
		"\"reference\":\"acct-4711\"},\"device\":{\"dev\":\"urn:gsma:imei:"
		"35209900-176148-0\",\"model\":\"M\",\"firmware\":\"1\"},"
		"\"catalogue\":7,\"items\":[\"a\",\"b\"]}");
	free(text);
}

TEST_MAIN("request", TEST(reads_a_request), TEST(reads_every_state),
	  TEST(refuses_what_it_could_not_work_with), TEST(refuses_too_many_items),
	  TEST(reads_a_catalogue), TEST(believes_terms_only_with_their_digest),
	  TEST(reads_problems), TEST(checks_what_was_typed),
	  TEST(never_takes_a_card_number), TEST(writes_a_request))
