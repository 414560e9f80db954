#include "contrib/handset/load_inbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/radio.h"

#define MESSAGES_KEPT 4

struct load_inbox {
	struct loop *loop;
	struct radio *radio;
	struct sms *sms;
	struct sms_message messages[MESSAGES_KEPT];
	size_t n_messages;
	load_inbox_fn *fn;
	void *arg;
};

static void on_part(void *arg, const struct sms_part *part)
{
	struct load_inbox *inbox = arg;
	struct sms_message message;

	if (sms_receive(inbox->sms, part, loop_now_ms(inbox->loop), &message) !=
	    SMS_COMPLETE)
		return;
	if (inbox->n_messages == MESSAGES_KEPT) {
		evbuffer_free(message.text);
		return;
	}
	inbox->messages[inbox->n_messages++] = message;
	inbox->fn(inbox->arg, LOAD_INBOX_MESSAGE);
}

static void on_sent(void *arg, const char *error)
{
	struct load_inbox *inbox = arg;

	if (error)
		inbox->fn(inbox->arg, LOAD_INBOX_FAILED);
}

struct load_inbox *load_inbox_new(struct loop *loop,
				  const struct handset_config *config,
				  load_inbox_fn *fn, void *arg)
{
	struct load_inbox *inbox = calloc(1, sizeof(*inbox));

	BUG_ON(!inbox);
	*inbox = (struct load_inbox){ .loop = loop, .fn = fn, .arg = arg };
	inbox->sms = sms_new(config->part_timeout_ms);
	inbox->radio = radio_new(loop, &(struct radio_settings){
					       .path = config->radio,
					       .number = config->number,
					       .retry_delay_ms = config->retry_delay_ms,
					       .on_part = on_part,
					       .on_sent = on_sent,
					       .arg = inbox,
				       });
	return inbox;
}

void load_inbox_free(struct load_inbox *inbox)
{
	if (!inbox)
		return;
	radio_free(inbox->radio);
	sms_free(inbox->sms);
	for (size_t i = 0; i < inbox->n_messages; i++)
		evbuffer_free(inbox->messages[i].text);
	free(inbox);
}

bool load_inbox_find(const struct load_inbox *inbox, const struct request *request,
		     struct messages_terms *out)
{
	for (size_t i = 0; i < inbox->n_messages; i++) {
		const struct sms_message *message = &inbox->messages[i];
		struct slice text = slice_make(evbuffer_pullup(message->text, -1),
					       evbuffer_get_length(message->text));
		if (messages_read_terms(text, message->sender, request->terms_sha256,
					request->code_hint, out))
			return true;
	}
	return false;
}

bool load_inbox_accept(struct load_inbox *inbox, const struct messages_terms *terms)
{
	return radio_send(inbox->radio, slice_of(terms->sender),
			  slice_of(terms->reply.accept));
}
