#include "contrib/smscsim/mailbox.h"

#include <stdlib.h>

#include "test/unit/test.h"

static struct message *message_for(const char *number, uint64_t id)
{
	struct message *message = calloc(1, sizeof(*message));

	CU_ASSERT_PTR_NOT_NULL_FATAL(message);
	message->id = id;
	snprintf(message->sms.to, sizeof(message->sms.to), "%s", number);
	return message;
}

static bool put(struct mailboxes *boxes, const char *number, uint64_t id)
{
	struct message *message = message_for(number, id);
	bool is_taken = mailboxes_put(boxes, message);

	if (!is_taken)
		free(message);
	return is_taken;
}

/* Id of the oldest message of a number; 0: none. */
static uint64_t take(struct mailboxes *boxes, const char *number)
{
	struct message *message = mailboxes_take(boxes, number);
	uint64_t id = message ? message->id : 0;

	free(message);
	return id;
}

static void keeps_the_order_of_each_number(void)
{
	struct mailboxes *boxes = mailboxes_new();

	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 0);
	CU_ASSERT_TRUE(put(boxes, "+447700900001", 1));
	CU_ASSERT_TRUE(put(boxes, "+447700900002", 2));
	CU_ASSERT_TRUE(put(boxes, "+447700900001", 3));
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 1);
	CU_ASSERT_TRUE(put(boxes, "+447700900001", 4));
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 3);
	CU_ASSERT_EQUAL(take(boxes, "+447700900002"), 2);
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 4);
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 0);
	CU_ASSERT_EQUAL(take(boxes, "+447700900002"), 0);
	/* An emptied one is as one that never was. */
	CU_ASSERT_TRUE(put(boxes, "+447700900001", 5));
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 5);
	CU_ASSERT_TRUE(put(boxes, "+447700900002", 6));
	mailboxes_free(boxes); /* with what is in it */
}

static void is_bounded_for_each_number(void)
{
	struct mailboxes *boxes = mailboxes_new();

	for (uint64_t i = 1; i <= MAILBOX_MESSAGES; i++)
		CU_ASSERT_TRUE(put(boxes, "+447700900001", i));
	CU_ASSERT_FALSE(put(boxes, "+447700900001", 1000));
	CU_ASSERT_TRUE(put(boxes, "+447700900002", 1001));
	CU_ASSERT_EQUAL(take(boxes, "+447700900001"), 1);
	CU_ASSERT_TRUE(put(boxes, "+447700900001", 1002));
	CU_ASSERT_FALSE(put(boxes, "+447700900001", 1003));
	mailboxes_free(boxes);
}

static void is_bounded_in_all(void)
{
	struct mailboxes *boxes = mailboxes_new();
	char number[SMS_ADDRESS_MAX];
	size_t n = 0;

	for (; n < MAILBOX_MESSAGES_ALL; n++) {
		snprintf(number, sizeof(number), "+44770090%05zu",
			 n / MAILBOX_MESSAGES);
		if (!put(boxes, number, n + 1))
			break;
	}
	CU_ASSERT_EQUAL(n, MAILBOX_MESSAGES_ALL);
	CU_ASSERT_FALSE(put(boxes, "+447700999999", 1));
	CU_ASSERT_EQUAL(take(boxes, "+4477009000000"), 1);
	CU_ASSERT_TRUE(put(boxes, "+447700999999", 1));
	CU_ASSERT_FALSE(put(boxes, "+447700999999", 2));
	mailboxes_free(boxes);
}

TEST_MAIN("mailbox", TEST(keeps_the_order_of_each_number),
	  TEST(is_bounded_for_each_number), TEST(is_bounded_in_all))
