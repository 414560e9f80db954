#include "contrib/handset/handset.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/time.h"
#include "contrib/handset/again.h"
#include "contrib/handset/deliver.h"
#include "contrib/handset/provision.h"
#include "contrib/handset/terms.h"

/* What is done on entering a state; the others wait for the user. */
static void (*const enter[STATE_N])(struct handset *handset) = {
	[STATE_CONNECTING] = provision_connect,
	[STATE_DEVICE] = provision_read_device,
	[STATE_CATALOGUE] = provision_read_catalogue,
	[STATE_REQUESTING] = provision_request,
	[STATE_WAITING] = provision_await,
	[STATE_OFFERED] = provision_await_terms,
	[STATE_ANSWERED] = provision_await,
	[STATE_FETCHING] = deliver_fetch,
	[STATE_INSTALLING] = deliver_install,
	[STATE_TESTING] = deliver_test,
	[STATE_RETRANSMITTING] = again_request,
	[STATE_CONFIRMING] = deliver_confirm,
	[STATE_SETTLING] = provision_await,
};

bool handset_accepts(struct handset *handset, enum state_event event)
{
	if (state_accepts(handset->state, event))
		return true;
	log_warn("event_refused", log_str("state", state_name(handset->state)),
		 log_str("event", state_event_name(event)));
	return false;
}

void handset_move(struct handset *handset, enum state to)
{
	int64_t limit_ms = state_limit_ms(to, handset->config);

	BUG_ON(!state_may_move(handset->state, to));
	log_info("state", log_str("from", state_name(handset->state)),
		 log_str("to", state_name(to)), log_str("rid", handset->journal.id));
	handset->state = to;
	timer_cancel(&handset->limit);
	if (limit_ms > 0)
		timer_start(&handset->limit, limit_ms);
	screens_show_state(handset);
	if (enter[to])
		enter[to](handset);
}

void handset_end(struct handset *handset, enum state final, const char *reason)
{
	snprintf(handset->reason, sizeof(handset->reason), "%s", reason ? reason : "");
	timer_cancel(&handset->poll);
	timer_cancel(&handset->install);
	timer_cancel(&handset->repeat);
	log_info("ended", log_str("state", state_name(final)),
		 log_str("reason", handset->reason),
		 log_str("rid", handset->journal.id));
	handset_move(handset, final);
}

void handset_fail(struct handset *handset, const char *reason)
{
	if (!state_is_final(handset->state) && handset_accepts(handset, EVENT_FAILED))
		handset_end(handset, STATE_FAILED, reason);
}

static void on_limit(void *arg)
{
	struct handset *handset = arg;

	if (!handset_accepts(handset, EVENT_LIMIT))
		return;
	if (handset->state == STATE_ASKING) /* nobody says yes: that is a no */
		again_decide(handset, false);
	else
		handset_end(handset, STATE_FAILED, "state_limit");
}

/* ---- Session and radio ---- */

/* Later connections come and go without a change of state. */
static void on_progress(void *arg, enum session_progress progress)
{
	struct handset *handset = arg;

	if (progress == SESSION_CONNECTED && handset->state == STATE_CONNECTING)
		handset_move(handset, STATE_SESSION);
}

static void on_part(void *arg, const struct sms_part *part)
{
	struct handset *handset = arg;
	struct sms_message message;
	enum sms_result result =
		sms_receive(handset->sms, part, loop_now_ms(handset->loop), &message);

	log_info("part", log_slice("from", part->sender),
		 log_num("bytes", (int64_t)part->data.n),
		 log_str("result", sms_result_name(result)));
	if (result != SMS_COMPLETE)
		return;
	log_info("message", log_str("from", message.sender),
		 log_num("parts", message.parts), log_num("dcs", message.dcs));
	if (!messages_add(&message, time_now_ms()))
		log_error("message_not_stored", log_str("from", message.sender));
	evbuffer_free(message.text);
	if (handset->state == STATE_OFFERED)
		terms_find(handset);
	screens_refresh(handset);
}

static void on_sent(void *arg, const char *error)
{
	log_info("sent", log_str("error", error));
	terms_answer_sent(arg, error);
}

/* ---- Life ---- */

static void ignore_change(void *arg)
{
	(void)arg;
}

struct handset *handset_new(struct loop *loop, const struct handset_config *config,
			    char *why, size_t why_size)
{
	struct handset *handset = calloc(1, sizeof(*handset));
	struct radio_settings radio = { .path = config->radio,
					.number = config->number,
					.retry_delay_ms = config->retry_delay_ms,
					.on_part = on_part,
					.on_sent = on_sent,
					.arg = handset };

	BUG_ON(!handset);
	handset->loop = loop;
	handset->config = config;
	handset->on_change = ignore_change;
	timer_init(&handset->limit, loop, on_limit, handset);
	provision_init(handset);
	terms_init(handset);
	deliver_init(handset);
	handset->session =
		session_new(loop, config, on_progress, handset, why, why_size);
	if (!handset->session) {
		handset_free(handset);
		return NULL;
	}
	handset->sms = sms_new(config->part_timeout_ms);
	if (config->radio[0])
		handset->radio = radio_new(loop, &radio);
	return handset;
}

void handset_free(struct handset *handset)
{
	if (!handset)
		return;
	timer_cancel(&handset->limit);
	timer_cancel(&handset->poll);
	timer_cancel(&handset->install);
	timer_cancel(&handset->repeat);
	session_free(handset->session);
	download_free(handset->download);
	program_cancel(handset->program);
	radio_free(handset->radio);
	sms_free(handset->sms);
	messages_terms_free(&handset->terms);
	free(handset->journal.body);
	free(handset);
}

void handset_power_on(struct handset *handset)
{
	if (handset_accepts(handset, EVENT_POWER_ON))
		handset_move(handset, STATE_CONNECTING);
}

static void on_closed(void *arg)
{
	loop_stop(((struct handset *)arg)->loop);
}

void handset_power_off(struct handset *handset)
{
	if (!state_is_final(handset->state) && !handset->reason[0])
		snprintf(handset->reason, sizeof(handset->reason), "user_stopped");
	session_close(handset->session, on_closed, handset);
}

void handset_press(struct handset *handset, enum key key)
{
	log_info("key", log_str("name", key_name(key)),
		 log_str("screen", screen_name(handset->screen)));
	handset->notice[0] = '\0';
	screens_press(handset, key);
}

bool handset_type(struct handset *handset, enum form_field field, struct slice value)
{
	char *to = handset->form.values[field];

	if (value.n >= sizeof(handset->form.values[field]) ||
	    (value.n > 0 && memchr(value.p, '\0', value.n)))
		return false;
	if (value.n > 0)
		memcpy(to, value.p, value.n);
	to[value.n] = '\0';
	screens_refresh(handset);
	return true;
}
