/* What the client is told of a message that it submitted. */
#include "contrib/smscsim/centre.h"

#include "test/unit/centre_stage.h"

static void sends_the_receipt_that_was_asked_for(void)
{
	char wanted[64];

	begin();
	submit("Hello", 1);
	snprintf(wanted, sizeof(wanted), "id:%s sub:001 dlvrd:001", sessions[0].id);
	CU_ASSERT(receipt_says(wanted));
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	CU_ASSERT_STRING_EQUAL(sessions[1].delivery->sms.from, TO);
	CU_ASSERT_STRING_EQUAL(sessions[1].delivery->sms.to, FROM);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(centre_counts(centre)->receipts, 1);
	/* One of failure is none of success. */
	submit("Hello", 2);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	end();
}

static void loses_each_nth_receipt(void)
{
	settings.drop_receipt_every = 2;
	begin();
	for (int i = 1; i <= 4; i++) {
		submit("Hello", 1);
		CU_ASSERT_EQUAL(sessions[1].delivery != NULL, i % 2 == 1);
		if (sessions[1].delivery)
			take(ESME_ROK);
	}
	CU_ASSERT_EQUAL(air.n_parts, 4);
	end();
}

static void repeats_each_nth_receipt(void)
{
	settings.repeat_receipt_every = 2;
	begin();
	for (int i = 1; i <= 4; i++) {
		submit("Hello", 1);
		take(ESME_ROK);
		CU_ASSERT_EQUAL(sessions[1].delivery != NULL, i % 2 == 0);
		if (sessions[1].delivery)
			take(ESME_ROK);
	}
	CU_ASSERT_EQUAL(centre_counts(centre)->receipts, 6);
	end();
}

static void writes_ids_in_the_base_of_each(void)
{
	static const struct {
		int64_t hex_ids;
		const char *answer, *receipt;
	} cases[] = {
		{ 0, "1", "id:1 " },
		{ 1, "a", "id:10 " },
		{ 2, "10", "id:a " },
		{ 3, "a", "id:a " },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		settings.hex_ids = cases[i].hex_ids;
		begin();
		submit("Hello", 1);
		CU_ASSERT_STRING_EQUAL(sessions[0].id, cases[i].answer);
		CU_ASSERT(receipt_says(cases[i].receipt));
		end();
	}
}

static void sends_receipts_late(void)
{
	settings.late_receipt_ms = LATE;
	begin();
	submit("Hello", 1);
	CU_ASSERT_EQUAL(air.n_parts, 1);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	wait_ms(2 * LATE);
	CU_ASSERT(receipt_says("stat:DELIVRD"));
	end();
}

/* A receipt that the link did not take waits for the next; the order stays. */
static void keeps_receipts_for_the_next_link(void)
{
	struct delivery *delivery;

	begin();
	submit("one", 1);
	submit("two", 1);
	delivery = sessions[1].delivery;
	CU_ASSERT_PTR_NOT_NULL_FATAL(delivery);
	uint64_t first = delivery->id;
	sessions[1].delivery = NULL;
	sessions[1].can_take = false;
	centre_undelivered(centre, delivery);
	CU_ASSERT_PTR_NULL(sessions[1].delivery);
	sessions[1].can_take = true;
	centre_pump(centre);
	CU_ASSERT_EQUAL(sessions[1].delivery->id, first);
	take(ESME_ROK);
	CU_ASSERT_EQUAL(sessions[1].delivery->id, first + 1);
	end();
}

TEST_MAIN("smscsim_receipts", TEST(sends_the_receipt_that_was_asked_for),
	  TEST(loses_each_nth_receipt), TEST(repeats_each_nth_receipt),
	  TEST(writes_ids_in_the_base_of_each), TEST(sends_receipts_late),
	  TEST(keeps_receipts_for_the_next_link))
