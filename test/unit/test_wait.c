/*
 * Whether a device that asks to wait for a change is kept, how long, and what it is
 * told then; the call and its rows are played here.
 */
#include "provisioning/wait.h"

#include "provisioning/device_api.h"
#include "provisioning/header.h"
#include "test/unit/api_played.h"
#include "test/unit/test.h"

static struct landnet landnet;
static struct peer peer;
static const char *tag, *prefer;
static struct api_row row;
static struct {
	unsigned n, status;
	char applied[32];
} reply;

/* ---- Played ---- */

struct slice api_field(const struct api_call *its_call, const char *name)
{
	(void)its_call;
	return slice_of(strcmp(name, "Prefer") ? tag : prefer);
}

bool api_row_read(struct api_call *its_call, const PGresult *result,
		  struct api_row *out)
{
	(void)its_call, (void)result;
	*out = row;
	return row.status != 0;
}

void device_api_reply(struct api_call *its_call, const struct api_row *its_row,
		      const struct http_field *field)
{
	(void)its_call;
	reply.n++;
	reply.status = its_row->status;
	snprintf(reply.applied, sizeof(reply.applied), "%.*s",
		 field ? (int)field->value.n : 0, field ? field->value.p : "");
}

/* It asks once more, with the same parameters, and nothing has changed. */
void api_ask(struct api_call *its_call)
{
	n_params = 0;
	CU_ASSERT_TRUE(wait_fill(its_call, params, &n_params));
	wait_answer(its_call, NULL);
}

static void on_timer(void *arg)
{
	struct api_call *its_call = arg;

	its_call->on_timer(its_call);
}

/* ---- A call ---- */

static void begin(const char *its_tag, const char *its_prefer)
{
	arena = arena_new(4096);
	landnet.loop = loop_new();
	peer.landnet = &landnet;
	call = (struct api_call){ .peer = &peer };
	call.started_ms = loop_now_ms(landnet.loop);
	call.match.request_id = SLICE("4d9f4e6a-2b7c-4c1e-9f30-0a1b2c3d4e5f");
	timer_init(&call.timer, landnet.loop, on_timer, &call);
	tag = its_tag;
	prefer = its_prefer;
	memset(&reply, 0, sizeof(reply));
	n_params = 0;
	CU_ASSERT_TRUE(wait_fill(&call, params, &n_params));
	CU_ASSERT_EQUAL(n_params, 2);
}

static void end(void)
{
	timer_cancel(&call.timer);
	arena_free(arena);
	loop_free(landnet.loop);
}

static void answer(unsigned status)
{
	row = (struct api_row){ .status = status };
	wait_answer(&call, NULL);
}

/* ---- Tests ---- */

static void asks_with_the_tag_that_the_device_has(void)
{
	begin("\"17\"", "");
	CU_ASSERT(slice_eq(slice_make(params[1].p, (size_t)params[1].n),
			   SLICE("\"17\"")));
	end();
	begin("", "wait=5");
	CU_ASSERT_PTR_NULL(params[1].p);
	end();
}

static void answers_at_once_where_nobody_waits(void)
{
	begin("\"17\"", "");
	answer(304);
	CU_ASSERT(reply.n == 1 && reply.status == 304);
	CU_ASSERT_STRING_EQUAL(reply.applied, "");
	end();
	/* Without a tag there is no change to wait for. */
	begin("", "wait=5");
	answer(200);
	CU_ASSERT(reply.n == 1 && reply.status == 200);
	CU_ASSERT_STRING_EQUAL(reply.applied, "");
	end();
}

static void answers_a_change_at_once_and_says_that_it_would_have_waited(void)
{
	begin("\"17\"", "wait=3");
	answer(200);
	CU_ASSERT(reply.n == 1 && reply.status == 200);
	CU_ASSERT_STRING_EQUAL(reply.applied, "wait=3");
	CU_ASSERT_FALSE(timer_is_pending(&call.timer));
	end();
}

static void says_how_long_it_waits_at_most(void)
{
	begin("\"17\"", "wait=86400");
	answer(200);
	CU_ASSERT_STRING_EQUAL(reply.applied, "wait=5");
	end();
}

static void asks_again_until_something_changes(void)
{
	begin("\"17\"", "wait=5");
	answer(304);
	CU_ASSERT_EQUAL(reply.n, 0);
	CU_ASSERT_TRUE(timer_is_pending(&call.timer));
	row.status = 200; /* now */
	while (reply.n == 0 && timer_is_pending(&call.timer))
		event_base_loop(loop_base(landnet.loop), EVLOOP_ONCE);
	CU_ASSERT(reply.n == 1 && reply.status == 200);
	CU_ASSERT(slice_eq(slice_make(params[1].p, (size_t)params[1].n),
			   SLICE("\"17\"")));
	end();
}

static void waits_no_longer_than_it_said(void)
{
	begin("\"17\"", "wait=1");
	answer(304);
	while (reply.n == 0 && timer_is_pending(&call.timer))
		event_base_loop(loop_base(landnet.loop), EVLOOP_ONCE);
	CU_ASSERT(reply.n == 1 && reply.status == 304);
	CU_ASSERT_STRING_EQUAL(reply.applied, "wait=1");
	CU_ASSERT(loop_now_ms(landnet.loop) - call.started_ms >= 1000);
	end();
}

static void leaves_a_row_that_was_refused(void)
{
	begin("\"17\"", "wait=1");
	answer(0);
	CU_ASSERT_EQUAL(reply.n, 0);
	CU_ASSERT_FALSE(timer_is_pending(&call.timer));
	end();
}

int main(void)
{
	const struct test_case cases[] = {
		TEST(asks_with_the_tag_that_the_device_has),
		TEST(answers_at_once_where_nobody_waits),
		TEST(answers_a_change_at_once_and_says_that_it_would_have_waited),
		TEST(says_how_long_it_waits_at_most),
		TEST(asks_again_until_something_changes),
		TEST(waits_no_longer_than_it_said),
		TEST(leaves_a_row_that_was_refused),
	};

	return test_main("wait", cases, sizeof(cases) / sizeof(cases[0]));
}
