#include "contrib/handset/terms.h"

#include "base/log.h"
#include "contrib/handset/call.h"
#include "contrib/handset/provision.h"

void terms_find(struct handset *handset)
{
	const struct request *request = &handset->request;

	if (!request->has_terms ||
	    !messages_find_terms(request->terms_sha256, request->code_hint,
				 handset->journal.made_ms, &handset->terms))
		return;
	log_info("terms", log_str("by", "sms"),
		 log_str("version", request->terms_version));
	if (handset_accepts(handset, EVENT_TERMS))
		handset_move(handset, STATE_DECIDING);
}

static void on_terms(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (handset->state != STATE_OFFERED)
		return;
	if (answer->failure || answer->status != CALL_OK) {
		call_fail(handset, answer);
		return;
	}
	handset->terms.text = terms_parse(answer->body, handset->request.terms_sha256);
	if (!handset->terms.text) {
		handset_fail(handset, "terms_mismatch");
		return;
	}
	log_info("terms", log_str("by", "wide_band"),
		 log_str("version", handset->request.terms_version));
	if (handset_accepts(handset, EVENT_TERMS))
		handset_move(handset, STATE_DECIDING);
}

void terms_read(struct handset *handset)
{
	char target[CALL_TARGET_CHARS];

	call_get(handset, call_target(handset, "/terms", target), on_terms);
}

/* What the server refuses to hear, the poll that goes on will explain. */
static void on_answered(void *arg, const struct session_answer *answer)
{
	struct handset *handset = arg;

	if (handset->state != STATE_ANSWERED || handset->is_polling)
		return;
	if (!call_is_refused(answer)) {
		timer_cancel(&handset->poll);
		if (provision_take_request(handset, answer))
			provision_follow(handset);
		return;
	}
	log_warn("answer_refused", log_str("reason", answer->reason));
	snprintf(handset->notice, sizeof(handset->notice), "%s",
		 words_sentence(slice_of(answer->reason)));
	screens_refresh(handset);
}

static void answer_online(struct handset *handset, bool is_accepted)
{
	char target[CALL_TARGET_CHARS], digest[2 * SHA256_BYTES + 1], body[160];

	hex_encode(slice_make(handset->request.terms_sha256, SHA256_BYTES), digest);
	snprintf(body, sizeof(body), "{\"answer\":\"%s\",\"sha256\":\"%s\"}",
		 is_accepted ? "accept" : "decline", digest);
	call_put(handset, call_target(handset, "/answer", target), slice_of(body),
		 on_answered);
}

static bool send_answer(struct handset *handset)
{
	bool is_sent = handset->radio &&
		       radio_send(handset->radio, slice_of(handset->terms.sender),
				  slice_of(handset->answer));

	if (is_sent)
		timer_start(&handset->repeat, handset->config->answer_repeat_ms);
	return is_sent;
}

static void on_repeat(void *arg)
{
	struct handset *handset = arg;

	if (handset->state != STATE_ANSWERED ||
	    handset->repeats >= handset->config->retries)
		return;
	log_info("answer_again", log_num("attempt", ++handset->repeats));
	send_answer(handset);
}

void terms_init(struct handset *handset)
{
	timer_init(&handset->repeat, handset->loop, on_repeat, handset);
}

void terms_answer(struct handset *handset, bool is_accepted, bool is_online)
{
	const struct messages_terms *terms = &handset->terms;

	if (!handset_accepts(handset, EVENT_ANSWER))
		return;
	is_online = is_online || !terms->sender;
	handset->answer = is_accepted ? terms->reply.accept : terms->reply.decline;
	handset->repeats = 0;
	timer_cancel(&handset->repeat);
	if (is_online) {
		answer_online(handset, is_accepted);
	} else if (!send_answer(handset)) {
		snprintf(handset->notice, sizeof(handset->notice),
			 "The message could not be sent. You can answer online.");
		screens_refresh(handset);
		return;
	}
	log_info("answer", log_str("answer", is_accepted ? "accept" : "decline"),
		 log_str("by", is_online ? "wide_band" : "sms"));
	handset_move(handset, STATE_ANSWERED);
}

void terms_answer_sent(struct handset *handset, const char *error)
{
	if (!error || handset->state != STATE_ANSWERED)
		return;
	snprintf(handset->notice, sizeof(handset->notice),
		 "The message was not sent (%s). Press YES or NO again, or answer "
		 "online.",
		 error);
	handset_move(handset, STATE_DECIDING);
}
