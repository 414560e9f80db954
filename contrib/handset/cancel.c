#include "contrib/handset/cancel.h"

#include "base/log.h"
#include "contrib/handset/call.h"
#include "contrib/handset/provision.h"

bool cancel_is_possible(const struct handset *handset)
{
	return handset->request.id[0] && state_accepts(handset->state, EVENT_CANCEL) &&
	       (handset->state != STATE_SETTLING ||
		handset->request.state == REQUEST_ACCEPTED);
}

static void tell(struct handset *handset, const char *sentence)
{
	snprintf(handset->notice, sizeof(handset->notice), "%s", sentence);
	screens_refresh(handset);
}

/* How the request goes on after a refusal, the next poll tells. */
static void on_answer(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	handset->is_cancelling = false;
	if (state_is_final(handset->state))
		return;
	if (call_is_refused(answer)) {
		log_warn("cancel_refused", log_str("reason", answer->reason));
		tell(handset, words_sentence(slice_of(answer->reason)));
	} else if (provision_take_request(handset, answer) &&
		   handset_accepts(handset, EVENT_REQUEST_READ)) {
		provision_follow(handset);
	}
}

bool cancel_request(struct handset *handset)
{
	char target[CALL_TARGET_CHARS];

	if (!cancel_is_possible(handset))
		return false;
	if (handset->is_cancelling)
		return true;
	handset->is_cancelling = true;
	log_info("cancel", log_str("rid", handset->journal.id));
	call_delete(handset, call_target(handset, "", target), on_answer);
	tell(handset, "Your order is being cancelled.");
	return true;
}
