/*
 * The bodies of a device, read strictly, and the parameters that become of them; the
 * call they belong to is played here.
 */
#include "provisioning/device_api.h"

#include <string.h>

#include "test/unit/api_played.h"
#include "test/unit/test.h"

#define ID     "4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f"
#define DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define USER                                                             \
	"\"user\":{\"given_name\":\"Ada\",\"family_name\":\"Lovelace\"," \
	"\"postcode\":\"N1 9GU\",\"language\":\"en\"}"
#define ACCOUNTING "\"accounting\":{\"reference\":\"acct-4711\"}"
#define DEVICE                                                     \
	"\"device\":{\"dev\":\"urn:gsma:imei:35209900-176148-0\"," \
	"\"model\":\"M\",\"firmware\":\"1\"}"
#define REST "\"catalogue\":7,\"items\":[\"a\"]"
#define GOOD "{" USER "," ACCOUNTING "," DEVICE "," REST "}"

static int n_refused;
static struct {
	unsigned status;
	struct slice reason, body;
	struct http_field fields[API_FIELDS_MAX];
	size_t n_fields;
} reply;
static struct api_row row;

/* ---- Played ---- */

void api_refuse(struct api_call *its_call, enum api_refusal refusal, const char *detail)
{
	(void)its_call;
	CU_ASSERT_EQUAL(refusal, API_BODY_INVALID);
	CU_ASSERT_PTR_NOT_NULL(detail);
	n_refused++;
}

bool api_read_json(struct api_call *its_call, const struct json_member *members,
		   size_t n_members, void *out)
{
	char why[128];

	its_call->json = json_parse(its_call->body, why, sizeof(why));
	if (its_call->json &&
	    json_read(its_call->json, members, n_members, out, why, sizeof(why)))
		return true;
	api_refuse(its_call, API_BODY_INVALID, why);
	return false;
}

void api_reply(struct api_call *its_call, unsigned status,
	       const struct http_field *fields, size_t n_fields, struct slice body)
{
	(void)its_call;
	reply.status = status;
	reply.body = body;
	reply.n_fields = n_fields;
	memcpy(reply.fields, fields, n_fields * sizeof(*fields));
}

void api_problem(struct api_call *its_call, unsigned status, struct slice reason,
		 const char *detail)
{
	(void)its_call;
	(void)detail;
	reply.status = status;
	reply.reason = reason;
}

bool api_row_read(struct api_call *its_call, const PGresult *result,
		  struct api_row *out)
{
	(void)its_call;
	(void)result;
	*out = row;
	return true;
}

/* ---- A call ---- */

static bool fills(bool (*fill)(struct api_call *, struct db_param *, size_t *),
		  const char *body)
{
	bool ok;

	arena = arena_new(65536);
	n_params = 0;
	n_refused = 0;
	call = (struct api_call){ .body = slice_of(body) };
	call.match.request_id = SLICE(ID);
	call.match.args[1] = SLICE("callscreen");
	ok = fill(&call, params, &n_params);
	CU_ASSERT_EQUAL(n_refused, !ok);
	return ok;
}

static void end(void)
{
	json_decref(call.json);
	arena_free(arena);
}

static bool is_text(size_t i, const char *text)
{
	return i < n_params && params[i].p && !params[i].is_binary &&
	       slice_eq(slice_make(params[i].p, (size_t)params[i].n), slice_of(text));
}

/* ---- Tests ---- */

static void hands_over_a_request_with_its_hash(void)
{
	uint8_t hash[SHA256_BYTES];

	CU_ASSERT(fills(device_api_fill_request, GOOD));
	CU_ASSERT_EQUAL(n_params, 3);
	CU_ASSERT(is_text(0, ID));
	sha256(SLICE(GOOD), hash);
	CU_ASSERT(params[1].is_binary && params[1].n == SHA256_BYTES);
	CU_ASSERT_EQUAL(memcmp(params[1].p, hash, SHA256_BYTES), 0);
	CU_ASSERT(is_text(2, GOOD));
	end();
}

static void refuses_requests_that_are_not_whole(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{" ACCOUNTING "," DEVICE "," REST "}",
		"{" USER "," DEVICE "," REST "}",
		"{" USER "," ACCOUNTING "," REST "}",
		"{" USER "," ACCOUNTING "," DEVICE "}",
		"{" USER "," ACCOUNTING "," DEVICE
		",\"catalogue\":0,\"items\":[\"a\"]}",
		"{" USER "," ACCOUNTING "," DEVICE ",\"catalogue\":7,\"items\":[]}",
		"{" USER "," ACCOUNTING "," DEVICE "," REST ",\"more\":1}",
		"{\"user\":7," ACCOUNTING "," DEVICE "," REST "}",
		"{\"user\":{}," ACCOUNTING "," DEVICE "," REST "}",
		"{" USER ",\"accounting\":{\"reference\":\"\"}," DEVICE "," REST "}",
		"{" USER ",\"accounting\":{}," DEVICE "," REST "}",
		"{" USER "," ACCOUNTING ",\"device\":{\"model\":\"M\"}," REST "}",
		/* an identifier, but not in its canonical form */
		"{" USER "," ACCOUNTING ",\"device\":{\"dev\":\"URN:gsma:imei:"
		"35209900-176148-0\",\"model\":\"M\"}," REST "}",
		"{" USER "," ACCOUNTING ",\"device\":{\"dev\":\"352099001761480\","
		"\"model\":\"M\"}," REST "}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bool taken = fills(device_api_fill_request, bad[i]);

		if (taken)
			fprintf(stderr, "taken: %s\n", bad[i]);
		CU_ASSERT_FALSE(taken);
		CU_ASSERT_EQUAL(n_params, 0);
		end();
	}
}

static void takes_a_device_without_firmware(void)
{
	CU_ASSERT(fills(device_api_fill_request,
			"{" USER "," ACCOUNTING
			",\"device\":{\"dev\":\"urn:gsma:imei:35209900-176148-0\","
			"\"model\":\"M\"}," REST "}"));
	end();
}

static void hands_over_an_answer_and_its_session(void)
{
	static const uint8_t sum[2] = { 0xba, 0x78 };

	CU_ASSERT(fills(device_api_fill_answer,
			"{\"answer\":\"accept\",\"sha256\":\"" DIGEST "\"}"));
	CU_ASSERT_EQUAL(n_params, 6);
	CU_ASSERT(is_text(1, "accept"));
	CU_ASSERT(params[2].is_binary && params[2].n == SHA256_BYTES);
	CU_ASSERT_EQUAL(memcmp(params[2].p, sum, sizeof(sum)), 0);
	CU_ASSERT(is_text(3, "AAAAAAAAAAAAAAAAAAAAAA"));
	CU_ASSERT(params[4].is_binary && params[4].n == SHA256_BYTES);
	CU_ASSERT_PTR_EQUAL(params[4].p, call.claims.gw);
	CU_ASSERT(params[5].is_binary && params[5].n == SHA256_BYTES);
	CU_ASSERT_PTR_EQUAL(params[5].p, call.claims.cred);
	end();
	CU_ASSERT_FALSE(fills(device_api_fill_answer, "{\"answer\":\"accept\"}"));
	end();
	CU_ASSERT_FALSE(fills(device_api_fill_answer,
			      "{\"answer\":\"accept\",\"sha256\":\"g" DIGEST "\"}"));
	end();
	CU_ASSERT_FALSE(fills(device_api_fill_answer,
			      "{\"answer\":\"accept\",\"sha256\":"
			      "\"xx7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
			      "ff61f20015ad\"}"));
	CU_ASSERT_EQUAL(n_params, 0);
	end();
}

static void hands_over_a_result_with_or_without_its_reason(void)
{
	CU_ASSERT(fills(device_api_fill_result,
			"{\"result\":\"installed\",\"version\":\"1.0\"}"));
	CU_ASSERT_EQUAL(n_params, 5);
	CU_ASSERT(is_text(0, ID));
	CU_ASSERT(is_text(1, "callscreen"));
	CU_ASSERT(is_text(2, "installed"));
	CU_ASSERT(is_text(3, "1.0"));
	CU_ASSERT_PTR_NULL(params[4].p);
	end();
	CU_ASSERT(fills(device_api_fill_result,
			"{\"result\":\"failed\",\"reason\":\"storage_full\"}"));
	CU_ASSERT_PTR_NULL(params[3].p);
	CU_ASSERT(is_text(4, "storage_full"));
	end();
	CU_ASSERT_FALSE(fills(device_api_fill_result, "{\"version\":\"1.0\"}"));
	end();
	CU_ASSERT_FALSE(fills(device_api_fill_result,
			      "{\"result\":\"installed\",\"version\":\"\"}"));
	end();
}

static void hands_over_what_is_wanted_again(void)
{
	static const char *const bad[] = {
		"{\"item\":\"compass\",\"attempt\":0,\"reason\":\"digest_mismatch\"}",
		"{\"item\":\"compass\",\"attempt\":\"1\",\"reason\":\"x\"}",
		"{\"item\":\"\",\"attempt\":1,\"reason\":\"digest_mismatch\"}",
		"{\"item\":\"compass\",\"attempt\":1}",
	};

	CU_ASSERT(fills(device_api_fill_retransmission,
			"{\"item\":\"compass\",\"attempt\":2,"
			"\"reason\":\"digest_mismatch\"}"));
	CU_ASSERT_EQUAL(n_params, 4);
	CU_ASSERT(is_text(0, ID));
	CU_ASSERT(is_text(1, "compass"));
	CU_ASSERT(is_text(2, "2"));
	CU_ASSERT(is_text(3, "digest_mismatch"));
	end();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_FALSE(fills(device_api_fill_retransmission, bad[i]));
		end();
	}
}

static void answers_with_the_row_as_it_is(void)
{
	row = (struct api_row){ .status = 201,
				.etag = SLICE("\"7\""),
				.body = SLICE("{}") };
	device_api_answer(&call, NULL);
	CU_ASSERT_EQUAL(reply.status, 201);
	CU_ASSERT_EQUAL(reply.n_fields, 2);
	CU_ASSERT(slice_eq(reply.fields[0].name, SLICE("Content-Type")));
	CU_ASSERT(slice_eq(reply.fields[1].value, SLICE("\"7\"")));
	CU_ASSERT(slice_eq(reply.body, SLICE("{}")));
	/* Nothing has no type. */
	row = (struct api_row){ .status = 304, .etag = SLICE("\"7\"") };
	device_api_answer(&call, NULL);
	CU_ASSERT_EQUAL(reply.n_fields, 1);
	CU_ASSERT(slice_eq(reply.fields[0].name, SLICE("ETag")));
}

static void answers_with_a_problem_from_400_on(void)
{
	row = (struct api_row){ .status = 400,
				.reason = SLICE("request_conflict"),
				.body = SLICE("{\"secret\":1}") };
	reply.body = (struct slice){ NULL, 0 };
	device_api_answer(&call, NULL);
	CU_ASSERT_EQUAL(reply.status, 400);
	CU_ASSERT(slice_eq(reply.reason, SLICE("request_conflict")));
	CU_ASSERT_EQUAL(reply.body.n, 0);
}

TEST_MAIN("device_api", TEST(hands_over_a_request_with_its_hash),
	  TEST(refuses_requests_that_are_not_whole),
	  TEST(takes_a_device_without_firmware),
	  TEST(hands_over_an_answer_and_its_session),
	  TEST(hands_over_a_result_with_or_without_its_reason),
	  TEST(hands_over_what_is_wanted_again), TEST(answers_with_the_row_as_it_is),
	  TEST(answers_with_a_problem_from_400_on))
