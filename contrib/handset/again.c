#include "contrib/handset/again.h"

#include <stdlib.h>

#include "base/log.h"
#include "contrib/handset/call.h"
#include "contrib/handset/provision.h"

bool again_may_help(const char *reason)
{
	static const char *const reasons[] = { "digest_mismatch", "storage_full",
					       "install_failed", "self_test_failed" };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reason, reasons[i]) == 0)
			return true;
	return false;
}

void again_decide(struct handset *handset, bool is_wanted)
{
	enum state_event event = is_wanted ? EVENT_AGAIN : EVENT_GIVEN_UP;

	if (handset_accepts(handset, event))
		handset_move(handset,
			     is_wanted ? STATE_RETRANSMITTING : STATE_CONFIRMING);
}

/* Too often, or too late: the request tells how it goes on. */
static void on_refused(struct handset *handset, const struct session_answer *answer)
{
	log_warn("retransmission_refused", log_str("item", handset->item.what.id),
		 log_str("reason", answer->reason));
	if (handset_accepts(handset, EVENT_REQUEST_READ))
		handset_move(handset, STATE_SETTLING);
}

static void on_answer(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (call_is_refused(answer))
		on_refused(handset, answer);
	else if (provision_take_request(handset, answer) &&
		 handset_accepts(handset, EVENT_REQUEST_READ))
		provision_follow(handset);
}

/* Nothing is kept of what came before. */
void again_request(struct handset *handset)
{
	const struct request_item *item = &handset->item;
	char target[CALL_TARGET_CHARS];
	json_t *json = json_pack("{s:s, s:I, s:s}", "item", item->what.id, "attempt",
				 (json_int_t)item->retransmissions + 1, "reason",
				 handset->item_reason);
	char *text = json_dumps(json, JSON_COMPACT);

	BUG_ON(!text);
	download_forget(item->what.sha256);
	log_info("retransmission", log_str("item", item->what.id),
		 log_num("attempt", item->retransmissions + 1),
		 log_str("reason", handset->item_reason));
	call_post(handset, call_target(handset, "/retransmission", target),
		  slice_of(text), on_answer);
	free(text);
	json_decref(json);
}
