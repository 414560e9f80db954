/*
 * What the end of a session says, and what is stored of it; the call is played here.
 */
#include "provisioning/session_end.h"

#include "test/unit/claims.h"
#include "test/unit/test.h"

static struct arena *arena;
static const char *const all[] = { "all" };
static struct gateway gateway = { .devices = { { all, 1 }, { all, 1 } } };
static struct peer peer = { .gateway = &gateway };
static struct api_call call;
static struct db_param params[DB_PARAMS_MAX];
static size_t n_params;
static unsigned n_refused, status;

void api_refuse(struct api_call *its_call, enum api_refusal refusal, const char *detail)
{
	(void)its_call;
	CU_ASSERT_EQUAL(refusal, API_BODY_INVALID);
	CU_ASSERT_PTR_NOT_NULL(detail);
	n_refused++;
}

void api_reply(struct api_call *its_call, unsigned its_status,
	       const struct http_field *fields, size_t n_fields, struct slice body)
{
	(void)its_call, (void)fields;
	CU_ASSERT(n_fields == 0 && body.n == 0);
	status = its_status;
}

static bool fills(const char *path_sid, const char *body)
{
	struct auth_claims claims;

	claims_fill(&claims);
	arena = arena_new(16384);
	n_params = n_refused = status = 0;
	memset(peer.gw, 'p', sizeof(peer.gw));
	call = (struct api_call){ .peer = &peer };
	call.match.args[0] = slice_of(path_sid);
	call.body = slice_of(
		body ? body : auth_end_encode(&claims, REASON_CLIENT_CLOSED, arena));
	bool ok = session_end_fill(&call, params, &n_params);
	CU_ASSERT_EQUAL(n_refused, !ok);
	CU_ASSERT_EQUAL(n_params, ok ? 6 : 0);
	return ok;
}

static const char *own_sid(void)
{
	static char text[BASE64URL_CHARS(AUTH_SID_BYTES) + 1];
	struct auth_claims claims;

	claims_fill(&claims);
	base64url_encode(slice_make(claims.sid, AUTH_SID_BYTES), text);
	return text;
}

static bool is_text(size_t i, const char *text)
{
	return slice_eq(slice_make(params[i].p, (size_t)params[i].n), slice_of(text));
}

static void stores_who_it_was_and_why(void)
{
	struct auth_claims claims;

	claims_fill(&claims);
	CU_ASSERT_TRUE_FATAL(fills(own_sid(), NULL));
	CU_ASSERT_EQUAL(memcmp(params[0].p, claims.sid, AUTH_SID_BYTES), 0);
	CU_ASSERT(is_text(1, claims.dev));
	CU_ASSERT(is_text(2, AUTH_METHOD));
	CU_ASSERT_EQUAL(memcmp(params[3].p, claims.cred, SHA256_BYTES), 0);
	/* The gateway is who is connected. */
	CU_ASSERT_EQUAL(memcmp(params[4].p, peer.gw, SHA256_BYTES), 0);
	CU_ASSERT(is_text(5, "client_closed"));
	CU_ASSERT(slice_eq(call.reason, SLICE("client_closed")));
	session_end_answer(&call, NULL);
	CU_ASSERT_EQUAL(status, 204);
	arena_free(arena);
}

static void refuses_the_end_of_another_session(void)
{
	static const char *const others[] = { "", "AAAAAAAAAAAAAAAAAAAAAA", "c3Nz",
					      "c3Nzc3Nzc3Nzc3Nzc3Nzcw==", "!" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		CU_ASSERT_FALSE(fills(others[i], NULL));
		arena_free(arena);
	}
}

static void refuses_what_is_no_end(void)
{
	static const char *const bodies[] = { "", "{}", "[]", "{\"v\":1}" };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		CU_ASSERT_FALSE(fills(own_sid(), bodies[i]));
		arena_free(arena);
	}
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(stores_who_it_was_and_why),
		TEST(refuses_the_end_of_another_session),
		TEST(refuses_what_is_no_end),
	};

	return test_main("session_end", cases, sizeof(cases) / sizeof(cases[0]));
}
