/* A server that takes a grant for over: the gateway asks for another, once. */
#include "gateway/transaction.h"

#include "test/unit/airnet_stage.h"

#define SAYS(code) "{\"reason\":\"" code "\"}"

static const struct {
	const char *first, *second; /* that the server says of the grants; NULL: 200 */
	unsigned status;
	const char *reason;
	size_t n_authentications;
} renewals[] = {
	{ SAYS("grant_epoch"), NULL, 200, NULL, 2 },
	{ SAYS("grant_expired"), NULL, 200, NULL, 2 },
	/* Once. */
	{ SAYS("grant_epoch"), SAYS("grant_epoch"), 503, "server_unavailable", 2 },
	{ SAYS("grant_expired"), SAYS("grant_epoch"), 503, "server_unavailable", 2 },
	/* Not where another grant would be no better. */
	{ SAYS("grant_invalid"), NULL, 403, "authentication_failed", 1 },
};

static void a_grant_that_is_over_is_renewed_once(void)
{
	for (size_t i = 0; i < sizeof(renewals) / sizeof(renewals[0]); i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		stage.answers[0].status = 401;
		stage.answers[0].body = renewals[i].first;
		stage.answers[1].status = renewals[i].second ? 401 : 0;
		stage.answers[1].body = renewals[i].second;
		handset_connect(&stage);
		CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), renewals[i].status);
		if (renewals[i].reason)
			CU_ASSERT(handset_was_told(&stage, renewals[i].reason));
		CU_ASSERT_EQUAL(stage.n_authentications, renewals[i].n_authentications);
		CU_ASSERT_EQUAL(stage.n_forwarded, renewals[i].n_authentications);
		CU_ASSERT(
			airnet_stage_has_grant(&stage, renewals[i].n_authentications));
		airnet_stage_close(&stage);
	}
}

/* Which of the three it is, a HEAD is not told. */
static void a_head_renews_its_grant_too(void)
{
	const struct http_head head = { .method = HTTP_HEAD,
					.target = SLICE(CARE_PATH) };

	for (size_t n = 1; n <= 2; n++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		for (size_t i = 0; i < n; i++) {
			stage.answers[i].status = 401;
			stage.answers[i].body = SAYS("grant_epoch");
		}
		handset_connect(&stage);
		handset_send(&stage, head, NULL);
		CU_ASSERT_EQUAL(handset_wait(&stage), n == 1 ? 200 : 503);
		CU_ASSERT_EQUAL(stage.n_authentications, 2);
		CU_ASSERT_EQUAL(stage.n_forwarded, 2);
		airnet_stage_close(&stage);
	}
}

static void each_request_may_renew_anew(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	for (size_t i = 0; i < 4; i += 2) {
		stage.answers[i].status = 401;
		stage.answers[i].body = SAYS("grant_epoch");
	}
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 3);
	CU_ASSERT(airnet_stage_has_grant(&stage, 3));
	airnet_stage_close(&stage);
}

/* Bytes of it may have been taken: it cannot go twice. */
static void a_request_with_a_body_is_not_sent_again(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	stage.answers[0].status = 401;
	stage.answers[0].body = SAYS("grant_epoch");
	handset_connect(&stage);
	handset_send(
		&stage,
		(struct http_head){ .method = HTTP_PUT, .target = SLICE(CARE_PATH) },
		"hello");
	CU_ASSERT_EQUAL(handset_wait(&stage), 503);
	CU_ASSERT(handset_was_told(&stage, "server_unavailable"));
	CU_ASSERT_EQUAL(stage.n_authentications, 1);
	CU_ASSERT_EQUAL(stage.n_forwarded, 1);
	airnet_stage_close(&stage);
}

static void a_device_blocked_since_goes_no_further(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	stage.answers[1].status = 401;
	stage.answers[1].body = SAYS("grant_epoch");
	stage.standing = STANDING_BLOCKED;
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 403);
	CU_ASSERT(handset_was_told(&stage, "device_blocked"));
	CU_ASSERT_EQUAL(stage.n_forwarded, 2); /* not again with no grant */
	airnet_stage_close(&stage);
}

TEST_MAIN("transaction_renewal", TEST(a_grant_that_is_over_is_renewed_once),
	  TEST(a_head_renews_its_grant_too), TEST(each_request_may_renew_anew),
	  TEST(a_request_with_a_body_is_not_sent_again),
	  TEST(a_device_blocked_since_goes_no_further))
