#include "provisioning/route.h"

#include "test/unit/test.h"

#define ID     "4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SID    "AAECAwQFBgcICQoLDA0ODw"

static bool finds(enum http_method method, const char *target, const char *pattern)
{
	struct route_match match;
	route_find(method, slice_of(target), &match);
	return match.route && strcmp(match.route->pattern, pattern) == 0;
}

static void finds_each_row(void)
{
	CU_ASSERT_TRUE(finds(HTTP_GET, "/v1/device", "/v1/device"));
	CU_ASSERT_TRUE(finds(HTTP_POST, "/v1/authentication", "/v1/authentication"));
	CU_ASSERT_TRUE(
		finds(HTTP_POST, "/v1/sessions/" SID "/end", "/v1/sessions/{sid}/end"));
	CU_ASSERT_TRUE(finds(HTTP_GET, "/v1/catalogue", "/v1/catalogue"));
	CU_ASSERT_TRUE(finds(HTTP_PUT, "/v1/requests/" ID, "/v1/requests/{uuid}"));
	CU_ASSERT_TRUE(finds(HTTP_GET, "/v1/requests/" ID, "/v1/requests/{uuid}"));
	CU_ASSERT_TRUE(finds(HTTP_GET, "/v1/requests/" ID "/terms",
			     "/v1/requests/{uuid}/terms"));
	CU_ASSERT_TRUE(finds(HTTP_PUT, "/v1/requests/" ID "/answer",
			     "/v1/requests/{uuid}/answer"));
	CU_ASSERT_TRUE(finds(HTTP_PUT, "/v1/requests/" ID "/items/voice-mail/result",
			     "/v1/requests/{uuid}/items/{item}/result"));
	CU_ASSERT_TRUE(finds(HTTP_POST, "/v1/requests/" ID "/retransmission",
			     "/v1/requests/{uuid}/retransmission"));
	CU_ASSERT_TRUE(finds(HTTP_GET, "/v1/content/" DIGEST, "/v1/content/{sha256}"));
}

static void takes_arguments_from_the_path(void)
{
	struct route_match match;
	route_find(HTTP_PUT, SLICE("/v1/requests/" ID "/items/voice-mail/result"),
		   &match);
	CU_ASSERT_PTR_NOT_NULL_FATAL(match.route);
	CU_ASSERT(slice_eq(match.args[0], SLICE(ID)));
	CU_ASSERT(slice_eq(match.args[1], SLICE("voice-mail")));
	CU_ASSERT(slice_eq(match.request_id, SLICE(ID)));
	route_find(HTTP_GET, SLICE("/v1/content/" DIGEST), &match);
	CU_ASSERT(slice_eq(match.args[0], SLICE(DIGEST)));
	CU_ASSERT_PTR_NULL(match.request_id.p);
}

static void knows_no_other_path(void)
{
	static const char *const targets[] = {
		"/",
		"/v1",
		"/v1/",
		"/v1/device/",
		"/v1/devices",
		"/v1/device?x=1",
		"/v1/Device",
		"//v1/device",
		"/v1/requests",
		"/v1/requests/",
		"/v1/requests/x",
		"/v1/requests/" ID "/",
		"/v1/requests/" ID "/terms/x",
		"/v1/requests/4D9F4E6A-2B7C-4C1E-9F30-0A1B2C3D4E5F",
		"/v1/requests/" ID "/items//result",
		"/v1/requests/" ID "/items/A/result",
		"/v1/requests/" ID "/items/a%20b/result",
		"/v1/content/" SID,
		"/v1/sessions/AAAA/end",
		"/v1/sessions/" SID "=/end",
		"v1/device",
	};
	struct route_match match;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		for (int method = 0; method < HTTP_N_METHODS; method++) {
			route_find((enum http_method)method, slice_of(targets[i]),
				   &match);
			CU_ASSERT_PTR_NULL(match.route);
			CU_ASSERT_STRING_EQUAL(match.allow, "");
		}
}

static void names_the_methods_of_a_path(void)
{
	struct route_match match;
	route_find(HTTP_POST, SLICE("/v1/requests/" ID), &match);
	CU_ASSERT_PTR_NULL(match.route);
	CU_ASSERT_STRING_EQUAL(match.allow, "PUT, GET, DELETE");
	route_find(HTTP_HEAD, SLICE("/v1/device"), &match);
	CU_ASSERT_PTR_NULL(match.route);
	CU_ASSERT_STRING_EQUAL(match.allow, "GET");
}

static const char *const of_gateways[] = { "/v1/authentication",
					   "/v1/sessions/{sid}/end", "/v1/control",
					   NULL };
/* What a limited device may ask, too. */
static const char *const for_care[] = { "/v1/device", NULL };

static bool is_one_of(const char *pattern, const char *const *patterns)
{
	while (*patterns)
		if (strcmp(pattern, *patterns++) == 0)
			return true;
	return false;
}

static void check(const struct route *route, bool is_right, const char *rule)
{
	if (!is_right)
		fprintf(stderr, "%s %s: a call %s\n", http_method_name(route->method),
			route->pattern, rule);
	CU_ASSERT_TRUE(is_right);
}

/* What every row must say; who may call is the point of the table. */
static void has_whole_rows(void)
{
	for (size_t i = 0; i < routes_count; i++) {
		const struct route *r = &routes[i];
		CU_ASSERT_PTR_NOT_NULL(r->fill);
		CU_ASSERT_PTR_NOT_NULL(r->answer);
		CU_ASSERT_EQUAL(r->body_limit > 0,
				r->method == HTTP_PUT || r->method == HTTP_POST);
		check(r,
		      r->access != ROUTE_DEVICE ||
			      r->permission == PERMISSION_PROVISION ||
			      is_one_of(r->pattern, for_care),
		      "is for_care unless a device in good standing alone may ask it");
		check(r,
		      (r->access == ROUTE_GATEWAY) ==
			      is_one_of(r->pattern, of_gateways),
		      "is one of_gateways when they ask it for themselves");
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_TRUE(r->method != routes[j].method ||
				       strcmp(r->pattern, routes[j].pattern) != 0);
	}
}

/* db_call() wants as many parameters as the SQL names. */
static void counts_parameters_of_statements(void)
{
	for (size_t i = 0; i < STATEMENT_N; i++) {
		const struct db_statement *s = &statements[i];
		CU_ASSERT_PTR_NOT_NULL_FATAL(s->sql);
		char mark[16];
		snprintf(mark, sizeof(mark), "$%d", s->n_params);
		CU_ASSERT_TRUE(s->n_params == 0 || strstr(s->sql, mark));
		snprintf(mark, sizeof(mark), "$%d", s->n_params + 1);
		CU_ASSERT_PTR_NULL(strstr(s->sql, mark));
	}
}

TEST_MAIN("server_route", TEST(finds_each_row), TEST(takes_arguments_from_the_path),
	  TEST(knows_no_other_path), TEST(names_the_methods_of_a_path),
	  TEST(has_whole_rows), TEST(counts_parameters_of_statements))
