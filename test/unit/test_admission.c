#include "provisioning/admission.h"

#include "base/log.h"
#include "provisioning/server_metrics.h"
#include "test/unit/landnet_stage.h"

#define ID      "4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"
#define SESSION "/v1/sessions/AAECAwQFBgcICQoLDA0ODw/end"

static struct stage stage;
static struct api_call call; /* the last one that was checked */
static bool is_admitted;

/* What is admitted is answered 204: nothing after the check belongs to this test. */
static void on_exchange(struct exchange *exchange, enum exchange_event event, void *arg)
{
	(void)exchange, (void)event, (void)arg;
}

static void on_link(struct link *link, enum link_event event, struct exchange *exchange,
		    void *arg)
{
	(void)arg;
	if (event == LINK_CLOSED) {
		link_free(link);
		stage.peer.link = NULL;
	}
	if (event != LINK_REQUEST)
		return;
	call = (struct api_call){ .peer = &stage.peer, .exchange = exchange };
	exchange_on(exchange, on_exchange, NULL);
	is_admitted = admission_check(&call);
	CU_ASSERT_EQUAL(is_admitted, !exchange_head_sent(exchange));
	if (is_admitted)
		exchange_reply(exchange, 204, NULL, 0, SLICE(""));
}

/* Ask on the connection that is open. @p fields: lines, each with its end. */
static void ask_here(const char *line, const char *fields)
{
	static char request[8192];

	snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line,
		 fields);
	is_admitted = false;
	stage_say(&stage, request);
	stage_hear(&stage);
}

/* Ask as the first on a new connection, whose number is 0. */
static void ask(const char *line, const char *fields)
{
	stage_connect(&stage, on_link);
	ask_here(line, fields);
	stage_hang_up(&stage);
}

/* The fields of a device's call: number, grant, and what else it has. */
static const char *fields_with(const char *number, const char *grant, const char *more)
{
	static char fields[4096];

	snprintf(fields, sizeof(fields),
		 "Provbox-Exchange: %s\r\nProvbox-Grant: %s\r\n%s", number, grant,
		 more);
	return fields;
}

static const char *good_grant(void)
{
	struct grant grant = stage_grant();
	return stage_grant_text(&stage, &grant);
}

static const char *good_fields(const char *more)
{
	return fields_with("0", good_grant(), more);
}

/* Ask with this grant; whether it is refused so, and counted there and nowhere else. */
static bool is_grant_refused(const char *grant, const char *reason)
{
	bool is_expired = strcmp(reason, "grant_expired") == 0;
	int64_t expired = metrics_sum(SERVER_GRANTS_EXPIRED);
	int64_t invalid = metrics_sum(SERVER_GRANTS_INVALID);

	ask("GET /v1/device", fields_with("0", grant, ""));
	return !is_admitted && stage_is_refused(&stage, 401, reason) &&
	       stage_has_line(&stage, "WWW-Authenticate: Provbox-Grant") &&
	       metrics_sum(SERVER_GRANTS_EXPIRED) == expired + is_expired &&
	       metrics_sum(SERVER_GRANTS_INVALID) == invalid + !is_expired;
}

static void takes_who_asks_from_the_grant(void)
{
	struct grant grant = stage_grant();

	stage_open(&stage);
	ask("GET /v1/device", good_fields(""));
	CU_ASSERT_TRUE(is_admitted);
	CU_ASSERT_EQUAL(stage.status, 204);
	CU_ASSERT_STRING_EQUAL(call.claims.dev, grant.claims.dev);
	CU_ASSERT_EQUAL(memcmp(call.claims.sid, grant.claims.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT_EQUAL(call.epoch, grant.epoch);
	CU_ASSERT_STRING_EQUAL(call.match.route->pattern, "/v1/device");
	stage_close(&stage);
}

/* The standing of now counts, which the statement reads; not that of the grant. */
static void leaves_the_standing_to_the_statement(void)
{
	stage_open(&stage);
	for (int standing = 0; standing < STANDING_N; standing++) {
		struct grant grant = stage_grant();

		grant.standing = (enum standing)standing;
		ask("GET /v1/catalogue",
		    fields_with("0", stage_grant_text(&stage, &grant), ""));
		CU_ASSERT_TRUE(is_admitted);
		CU_ASSERT_EQUAL(call.match.route->permission, PERMISSION_PROVISION);
	}
	stage_close(&stage);
}

static void refuses_a_grant_that_is_over(void)
{
	struct grant grant = stage_grant();

	stage_open(&stage);
	grant.issued_s -= AUTH_GRANT_SECONDS + 60;
	grant.expires_s -= AUTH_GRANT_SECONDS + 60;
	CU_ASSERT_TRUE(
		is_grant_refused(stage_grant_text(&stage, &grant), "grant_expired"));
	stage_close(&stage);
}

/* Of another gateway, of another server, not made by our keys. */
static void refuses_a_grant_of_others(void)
{
	struct grant grant = stage_grant();

	stage_open(&stage);
	grant.claims.gw[0] ^= 1;
	CU_ASSERT_TRUE(
		is_grant_refused(stage_grant_text(&stage, &grant), "grant_invalid"));
	grant = stage_grant();
	grant.claims.srv[0] ^= 1;
	CU_ASSERT_TRUE(
		is_grant_refused(stage_grant_text(&stage, &grant), "grant_invalid"));
	char forged[BASE64URL_CHARS(AUTH_GRANT_BYTES) + 1];
	snprintf(forged, sizeof(forged), "%s", good_grant());
	forged[strlen(forged) - 3] ^= 1; /* in the MAC */
	CU_ASSERT_TRUE(is_grant_refused(forged, "grant_invalid"));
	stage_close(&stage);
}

static void refuses_what_is_no_grant(void)
{
	static char longest[BASE64URL_CHARS(AUTH_GRANT_BYTES) + 5];
	static const char *const texts[] = { "", "A", "AAAA", "not base64url",
					     longest };

	stage_open(&stage);
	memset(longest, 'A', sizeof(longest) - 1);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CU_ASSERT_TRUE(is_grant_refused(texts[i], "grant_invalid"));
	ask("GET /v1/device", "Provbox-Exchange: 0\r\n"); /* none at all */
	CU_ASSERT_TRUE(stage_is_refused(&stage, 401, "grant_invalid"));
	/* Two of them are none: whose call would it be? */
	char second[2048];
	snprintf(second, sizeof(second), "Provbox-Grant: %s\r\n", good_grant());
	ask("GET /v1/device", good_fields(second));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 401, "grant_invalid"));
	stage_close(&stage);
}

/* With a grant somebody is asking on behalf of a device. */
static void lets_no_device_speak_for_its_gateway(void)
{
	static const char *const lines[] = { "POST /v1/authentication",
					     "POST " SESSION };
	static const char json[] = "Content-Type: application/json\r\n"
				   "Content-Length: 0\r\n";

	stage_open(&stage);
	for (size_t i = 0; i < 2; i++) {
		char fields[256];

		ask(lines[i], good_fields(json));
		CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "grant_unexpected"));
		snprintf(fields, sizeof(fields),
			 "Provbox-Exchange: 0\r\nProvbox-Grant: \r\n%s", json);
		ask(lines[i], fields); /* an empty one is one */
		CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "grant_unexpected"));
		snprintf(fields, sizeof(fields), "Provbox-Exchange: 0\r\n%s", json);
		ask(lines[i], fields);
		CU_ASSERT_TRUE(is_admitted);
		CU_ASSERT_STRING_EQUAL(call.claims.dev, "");
	}
	stage_close(&stage);
}

static void counts_exchanges_with_the_gateway(void)
{
	static const char *const wrong[] = { "1", "", "-1", "0x0", "0, 0", "00", "+0" };

	stage_open(&stage);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ask("GET /v1/device", fields_with(wrong[i], good_grant(), ""));
		CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "exchange_mismatch"));
		CU_ASSERT_TRUE(stage_has_line(&stage, "Provbox-Exchange: 0"));
	}
	ask("GET /v1/device", good_fields("Provbox-Exchange: 0\r\n"));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "exchange_mismatch"));

	stage_connect(&stage, on_link);
	ask_here("GET /v1/device", good_fields(""));
	CU_ASSERT_TRUE(is_admitted);
	ask_here("GET /v1/device", fields_with("1", good_grant(), ""));
	CU_ASSERT_TRUE(is_admitted);
	ask_here("GET /v1/device", fields_with("1", good_grant(), "")); /* again */
	CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "exchange_mismatch"));
	CU_ASSERT_TRUE(stage_has_line(&stage, "Provbox-Exchange: 2"));
	stage_hang_up(&stage);
	stage_close(&stage);
}

/* The step before says it: nobody learns of what lies behind the step that stops him.
 */
static void refuses_in_order(void)
{
	stage_open(&stage);
	ask("GET /nowhere", fields_with("1", "x", ""));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "exchange_mismatch"));
	ask("GET /nowhere", fields_with("0", "x", ""));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 401, "grant_invalid"));
	ask("GET /nowhere", good_fields("Content-Length: 0\r\n"));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 404, "path_unknown"));
	ask("POST /v1/requests/" ID, good_fields(""));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 405, "method_not_allowed"));
	CU_ASSERT_TRUE(stage_has_line(&stage, "Allow: PUT, GET, DELETE"));
	stage_close(&stage);
}

static void serves_no_stranger(void)
{
	stage_open(&stage);
	stage_connect(&stage, on_link);
	stage.peer.gateway = NULL;
	ask_here("GET /v1/device", good_fields(""));
	CU_ASSERT_FALSE(is_admitted);
	CU_ASSERT_TRUE(stage_is_refused(&stage, 403, "gateway_unknown"));
	stage_hang_up(&stage);
	stage_close(&stage);
}

static void wants_a_body_of_json_within_its_limit(void)
{
	static const char line[] = "PUT /v1/requests/" ID;
	static const struct {
		const char *type;
		unsigned status;
	} types[] = {
		{ "", 415 },
		{ "Content-Type: text/plain\r\n", 415 },
		{ "Content-Type: application/jsonp\r\n", 415 },
		{ "Content-Type: application/json\r\n", 204 },
		{ "Content-Type: Application/JSON ; charset=utf-8\r\n", 204 },
	};
	struct route_match match;
	char more[256];

	stage_open(&stage);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		snprintf(more, sizeof(more), "%sContent-Length: 0\r\n", types[i].type);
		ask(line, good_fields(more));
		CU_ASSERT_EQUAL(stage.status, types[i].status);
	}
	route_find(HTTP_PUT, SLICE("/v1/requests/" ID), &match);
	for (size_t over = 0; over < 2; over++) {
		snprintf(more, sizeof(more),
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n",
			 match.route->body_limit + over);
		ask(line, good_fields(more));
		CU_ASSERT_EQUAL(is_admitted, over == 0);
	}
	CU_ASSERT_TRUE(stage_is_refused(&stage, 413, "body_too_large"));
	stage_close(&stage);
}

static void wants_no_body_where_none_belongs(void)
{
	stage_open(&stage);
	ask("GET /v1/device", good_fields("Content-Length: 0\r\n"));
	CU_ASSERT_TRUE(is_admitted);
	ask("GET /v1/device", good_fields("Content-Length: 1\r\n"));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "body_unexpected"));
	ask("GET /v1/device", good_fields("Transfer-Encoding: chunked\r\n"));
	CU_ASSERT_TRUE(stage_is_refused(&stage, 400, "body_unexpected"));
	stage_close(&stage);
}

int main(void)
{
	static const struct test_case cases[] = {
		TEST(takes_who_asks_from_the_grant),
		TEST(leaves_the_standing_to_the_statement),
		TEST(refuses_a_grant_that_is_over),
		TEST(refuses_a_grant_of_others),
		TEST(refuses_what_is_no_grant),
		TEST(lets_no_device_speak_for_its_gateway),
		TEST(counts_exchanges_with_the_gateway),
		TEST(refuses_in_order),
		TEST(serves_no_stranger),
		TEST(wants_a_body_of_json_within_its_limit),
		TEST(wants_no_body_where_none_belongs),
	};
	log_open("test_admission", LOG_LEVEL_ERROR);
	metrics_open(server_metrics, SERVER_N_METRICS, 1);
	return test_main("admission", cases, sizeof(cases) / sizeof(cases[0]));
}
