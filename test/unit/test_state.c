#include "test/unit/test.h"

#include "contrib/handset/state.h"

static void every_state_and_event_has_a_name(void)
{
	enum state state;

	for (int i = 0; i < STATE_N; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(state_name((enum state)i));
		CU_ASSERT(state_parse(slice_of(state_name((enum state)i)), &state));
		CU_ASSERT_EQUAL(state, i);
	}
	for (int i = 0; i < EVENT_N; i++)
		CU_ASSERT_PTR_NOT_NULL(state_event_name((enum state_event)i));
	CU_ASSERT_FALSE(state_parse(SLICE("nowhere"), &state));
}

/* The whole table: what each state accepts; everything else is refused. */
static void accepts_exactly_what_it_should(void)
{
#define E(event) (1u << EVENT_##event)
	static const unsigned accepted[STATE_N] = {
		[STATE_OFF] = E(POWER_ON),
		[STATE_CONNECTING] = E(CONNECTED) | E(LIMIT) | E(FAILED),
		[STATE_SESSION] = E(PROVEN) | E(LIMIT) | E(FAILED),
		[STATE_DEVICE] = E(DEVICE_READ) | E(LIMIT) | E(FAILED),
		[STATE_CATALOGUE] = E(CATALOGUE_READ) | E(LIMIT) | E(FAILED),
		[STATE_CHOOSING] = E(ORDERED) | E(FAILED),
		[STATE_REQUESTING] = E(REQUEST_READ) | E(LIMIT) | E(FAILED),
		[STATE_WAITING] = E(REQUEST_READ) | E(CANCEL) | E(LIMIT) | E(FAILED),
		[STATE_OFFERED] =
			E(REQUEST_READ) | E(TERMS) | E(CANCEL) | E(LIMIT) | E(FAILED),
		[STATE_DECIDING] =
			E(REQUEST_READ) | E(ANSWER) | E(CANCEL) | E(LIMIT) | E(FAILED),
		[STATE_ANSWERED] = E(REQUEST_READ) | E(CANCEL) | E(LIMIT) | E(FAILED),
		[STATE_FETCHING] = E(FETCHED) | E(ITEM_FAILED) | E(LIMIT) | E(FAILED),
		[STATE_INSTALLING] = E(STAGED) | E(ITEM_FAILED) | E(LIMIT) | E(FAILED),
		[STATE_TESTING] = E(TESTED) | E(ITEM_FAILED) | E(LIMIT) | E(FAILED),
		[STATE_ASKING] = E(AGAIN) | E(GIVEN_UP) | E(LIMIT) | E(FAILED),
		[STATE_RETRANSMITTING] = E(REQUEST_READ) | E(LIMIT) | E(FAILED),
		[STATE_CONFIRMING] = E(CONFIRMED) | E(LIMIT) | E(FAILED),
		[STATE_SETTLING] = E(REQUEST_READ) | E(CANCEL) | E(LIMIT) | E(FAILED),
	};
#undef E

	for (int s = 0; s < STATE_N; s++)
		for (int e = 0; e < EVENT_N; e++)
			CU_ASSERT_EQUAL(
				state_accepts((enum state)s, (enum state_event)e),
				(accepted[s] & 1u << e) != 0);
}

/* Nothing personal is sent before the proof: the way to a request leads through it. */
static void no_way_leads_past_the_proof(void)
{
	for (int s = 0; s < STATE_N; s++) {
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_DEVICE),
				s == STATE_SESSION);
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_CATALOGUE),
				s == STATE_DEVICE);
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_CHOOSING),
				s == STATE_CATALOGUE);
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_REQUESTING),
				s == STATE_CHOOSING || s == STATE_DEVICE);
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_CONNECTING),
				s == STATE_OFF);
	}
}

static void only_a_tested_item_is_confirmed_as_installed(void)
{
	for (int s = 0; s < STATE_N; s++) {
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_TESTING),
				s == STATE_INSTALLING);
		CU_ASSERT_EQUAL(state_may_move((enum state)s, STATE_INSTALLING),
				s == STATE_FETCHING);
	}
}

static void final_states_lead_nowhere(void)
{
	int finals = 0;

	for (int s = 0; s < STATE_N; s++) {
		if (!state_is_final((enum state)s))
			continue;
		finals++;
		for (int to = 0; to < STATE_N; to++)
			CU_ASSERT_FALSE(state_may_move((enum state)s, (enum state)to));
	}
	CU_ASSERT_EQUAL(finals, 4);
}

static void every_state_can_be_left_and_reached(void)
{
	for (int s = 0; s < STATE_N; s++) {
		int in = 0, out = 0;

		for (int t = 0; t < STATE_N; t++) {
			in += state_may_move((enum state)t, (enum state)s);
			out += state_may_move((enum state)s, (enum state)t);
		}
		CU_ASSERT(in > 0 || s == STATE_OFF);
		CU_ASSERT(out > 0 || state_is_final((enum state)s));
	}
}

/* Who may fail may go there, and has a limit unless the user has it in hand. */
static void what_can_fail_can_end(void)
{
	struct handset_config config = { .connect_limit_ms = 1,
					 .server_limit_ms = 2,
					 .terms_limit_ms = 3,
					 .transfer_limit_ms = 4,
					 .again_limit_ms = 5 };

	for (int s = 0; s < STATE_N; s++) {
		enum state state = (enum state)s;

		CU_ASSERT_EQUAL(state_accepts(state, EVENT_FAILED),
				state_may_move(state, STATE_FAILED));
		CU_ASSERT_EQUAL(state_accepts(state, EVENT_LIMIT),
				state_limit_ms(state, &config) > 0);
	}
	CU_ASSERT_EQUAL(state_limit_ms(STATE_SESSION, &config), 1);
	CU_ASSERT_EQUAL(state_limit_ms(STATE_WAITING, &config), 2);
	CU_ASSERT_EQUAL(state_limit_ms(STATE_DECIDING, &config), 3);
	CU_ASSERT_EQUAL(state_limit_ms(STATE_FETCHING, &config), 4);
	CU_ASSERT_EQUAL(state_limit_ms(STATE_ASKING, &config), 5);
}

TEST_MAIN("state", TEST(every_state_and_event_has_a_name),
	  TEST(accepts_exactly_what_it_should), TEST(no_way_leads_past_the_proof),
	  TEST(only_a_tested_item_is_confirmed_as_installed),
	  TEST(final_states_lead_nowhere), TEST(every_state_can_be_left_and_reached),
	  TEST(what_can_fail_can_end))
