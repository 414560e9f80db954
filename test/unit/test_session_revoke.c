/* What becomes of sessions by what servers tell on their control streams. */
#include "gateway/session.h"

#include "test/unit/airnet_stage.h"

static const struct control_line blocked = { .dev = DEVICE, .is_blocked = true };
static const struct control_line changed = { .dev = DEVICE };
static const struct control_line blocked_all = { .is_blocked = true };
static const struct control_line blocked_other = {
	.dev = "urn:gsma:imei:35209900-176148-1",
	.is_blocked = true,
};

static size_t tell(struct airnet_stage *stage, const char *srv,
		   const struct control_line *line)
{
	const struct route *route = route_find(stage->airnet.routes, slice_of(srv));

	CU_ASSERT_PTR_NOT_NULL_FATAL(route);
	return session_revoke_all(&stage->airnet, route, line);
}

/* Two sessions of one device. */
static void every_session_of_a_blocked_device_ends(void)
{
	static const struct control_line *const lines[] = { &blocked, &blocked_all };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int64_t before =
			metrics_sum(GATEWAY_SESSION_ENDS + REASON_DEVICE_BLOCKED);
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		for (int n = 0; n < 2; n++) {
			handset_connect(&stage);
			CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
		}
		CU_ASSERT_EQUAL(tell(&stage, SRV, lines[i]), 2);
		STAGE_RUN_UNTIL(&stage.landnet, stage.n_hung_up == 2);
		airnet_stage_finish(&stage, 2);
		CU_ASSERT_EQUAL(
			metrics_sum(GATEWAY_SESSION_ENDS + REASON_DEVICE_BLOCKED) -
				before,
			2);
		CU_ASSERT_EQUAL(stage.n_ends, 2);
		CU_ASSERT_EQUAL(stage.told_reason, REASON_DEVICE_BLOCKED);
		airnet_stage_close(&stage);
	}
}

static void a_blocked_device_loses_the_answer_that_it_waits_for(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	handset_get_held(&stage, SRV);
	CU_ASSERT_EQUAL(tell(&stage, SRV, &blocked), 1);
	CU_ASSERT_EQUAL(stage.n_gone, 1);
	stage.is_holding = false;
	CU_ASSERT_EQUAL(handset_wait(&stage), 0);
	airnet_stage_finish(&stage, 1);
	CU_ASSERT_EQUAL(stage.told_reason, REASON_DEVICE_BLOCKED);
	airnet_stage_close(&stage);
}

/* What the server says is older than the change, or not: it serves this one request. */
static void a_device_that_is_blocked_while_it_authenticates_is_told(void)
{
	static const enum standing standings[] = { STANDING_BLOCKED, STANDING_ACTIVE };

	for (size_t i = 0; i < 2; i++) {
		struct airnet_stage stage;

		airnet_stage_open(&stage);
		stage.standing = standings[i];
		stage.answers[0].status = 403;
		stage.answers[0].body = "{\"reason\":\"device_blocked\"}";
		handset_connect(&stage);
		handset_get_held(&stage, SRV);
		CU_ASSERT_EQUAL(tell(&stage, SRV, &blocked), 1);
		CU_ASSERT_EQUAL(stage.n_gone, 0);
		airnet_stage_let_go(&stage);
		CU_ASSERT_EQUAL(handset_wait(&stage), 403);
		CU_ASSERT(handset_was_told(&stage, "device_blocked"));
		CU_ASSERT_EQUAL(stage.n_forwarded, i);
		airnet_stage_finish(&stage, 1);
		CU_ASSERT_EQUAL(stage.told_reason, REASON_DEVICE_BLOCKED);
		airnet_stage_close(&stage);
	}
}

static void a_changed_device_authenticates_again_and_goes_on(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(tell(&stage, SRV, &changed), 1);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT(airnet_stage_has_grant(&stage, 2));
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	CU_ASSERT_EQUAL(stage.n_gone, 0);
	airnet_stage_close(&stage);
}

/* A server speaks of what it granted itself, and of nothing else. */
static void nobody_else_is_meant(void)
{
	struct airnet_stage stage;

	airnet_stage_open(&stage);
	handset_connect(&stage);
	CU_ASSERT_EQUAL(tell(&stage, SRV, &blocked_all), 0);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(tell(&stage, SRV, &blocked_other), 0);
	CU_ASSERT_EQUAL(tell(&stage, OTHER_SRV, &blocked), 0);
	CU_ASSERT_EQUAL(tell(&stage, OTHER_SRV, &blocked_all), 0);
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 1);
	/* Where it has been before but is no more, it is only forgotten. */
	CU_ASSERT_EQUAL(handset_get_of(&stage, OTHER_SRV, CARE_PATH), 200);
	CU_ASSERT_EQUAL(tell(&stage, SRV, &blocked), 1);
	CU_ASSERT_EQUAL(handset_get_of(&stage, OTHER_SRV, CARE_PATH), 200);
	CU_ASSERT_EQUAL(stage.n_authentications, 2);
	stage.standing = STANDING_BLOCKED;
	CU_ASSERT_EQUAL(handset_get(&stage, CARE_PATH), 403);
	CU_ASSERT_EQUAL(stage.n_authentications, 3);
	airnet_stage_finish(&stage, 1);
	airnet_stage_close(&stage);
}

TEST_MAIN("session_revoke", TEST(every_session_of_a_blocked_device_ends),
	  TEST(a_blocked_device_loses_the_answer_that_it_waits_for),
	  TEST(a_device_that_is_blocked_while_it_authenticates_is_told),
	  TEST(a_changed_device_authenticates_again_and_goes_on),
	  TEST(nobody_else_is_meant))
