#include "contrib/smscsim/mailbox.h"

#include <search.h>
#include <stdlib.h>

#include "base/log.h"

struct mailbox {
	const char *number; /* first: the key; number_text */
	char number_text[SMS_ADDRESS_MAX];
	size_t n;
	STAILQ_HEAD(, message) messages;
};

struct mailboxes {
	void *by_number; /* tsearch(3) tree of struct mailbox */
	size_t n_messages;
};

static int compare(const void *a, const void *b)
{
	const struct mailbox *one = a, *other = b;
	return strcmp(one->number, other->number);
}

static struct mailbox *find(struct mailboxes *boxes, const char *number)
{
	struct mailbox key = { .number = number };
	struct mailbox *const *found = tfind(&key, &boxes->by_number, compare);
	return found ? *found : NULL;
}

static struct mailbox *add(struct mailboxes *boxes, const char *number)
{
	struct mailbox *box = calloc(1, sizeof(*box));
	BUG_ON(!box);
	memcpy(box->number_text, number, strlen(number) + 1);
	box->number = box->number_text;
	STAILQ_INIT(&box->messages);
	void *added = tsearch(box, &boxes->by_number, compare);
	BUG_ON(!added);
	return box;
}

static void free_mailbox(void *arg)
{
	struct mailbox *box = arg;
	struct message *message;
	while ((message = STAILQ_FIRST(&box->messages))) {
		STAILQ_REMOVE_HEAD(&box->messages, link);
		free(message);
	}
	free(box);
}

struct mailboxes *mailboxes_new(void)
{
	struct mailboxes *boxes = calloc(1, sizeof(*boxes));
	BUG_ON(!boxes);
	return boxes;
}

void mailboxes_free(struct mailboxes *boxes)
{
	tdestroy(boxes->by_number, free_mailbox);
	free(boxes);
}

bool mailboxes_put(struct mailboxes *boxes, struct message *message)
{
	struct mailbox *box = find(boxes, message->sms.to);
	if (boxes->n_messages >= MAILBOX_MESSAGES_ALL ||
	    (box && box->n >= MAILBOX_MESSAGES))
		return false;
	if (!box)
		box = add(boxes, message->sms.to);
	STAILQ_INSERT_TAIL(&box->messages, message, link);
	box->n++;
	boxes->n_messages++;
	return true;
}

struct message *mailboxes_take(struct mailboxes *boxes, const char *number)
{
	struct mailbox *box = find(boxes, number);
	if (!box)
		return NULL;
	struct message *message = STAILQ_FIRST(&box->messages);
	STAILQ_REMOVE_HEAD(&box->messages, link);
	boxes->n_messages--;
	if (--box->n == 0) {
		tdelete(box, &boxes->by_number, compare);
		free(box);
	}
	return message;
}
