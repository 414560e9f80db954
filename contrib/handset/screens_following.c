#include "contrib/handset/screens_content.h"

#include <stdlib.h>

#include "contrib/handset/again.h"
#include "contrib/handset/cancel.h"
#include "contrib/handset/terms.h"

/* ---- Waiting, terms ---- */

static void add_newest_message(struct view *view)
{
	char *text = messages_newest();

	if (text)
		view_addf(view, "\nLatest message:\n%s", text);
	free(text);
}

void screen_build_waiting(const struct handset *handset, struct view *view)
{
	const struct request *request = &handset->request;

	if (handset->state == STATE_ANSWERED) {
		view_add(view, "Your answer is on its way.");
		add_newest_message(view);
		view->soft1 = "Cancel";
		view->soft2 = "Terms";
	} else if (handset->state == STATE_OFFERED) {
		view_add(view, "The terms are on their way to you in a message.");
		view->soft1 = "Read online";
		view->soft2 = "Cancel";
	} else {
		view_add(view, request->id[0] ? words_state(slice_of(request_state_name(
							request->state)))
					      : "Your request is being sent.");
		view->soft1 = cancel_is_possible(handset) ? "Cancel" : NULL;
		view->soft2 = "Off";
	}
}

/* Off is BACK in each state; the soft keys do what they say. */
void screen_waiting_key(struct handset *handset, enum key key)
{
	bool is_offered = handset->state == STATE_OFFERED;
	bool is_cancel = key == KEY_NO || key == (is_offered ? KEY_SOFT2 : KEY_SOFT1);
	bool is_back = key == KEY_BACK || key == KEY_SOFT2;

	if (is_cancel && cancel_is_possible(handset))
		screens_show(handset, SCREEN_CANCEL);
	else if (is_back && handset->state == STATE_ANSWERED)
		handset_move(handset, STATE_DECIDING);
	else if (is_back)
		handset_power_off(handset);
	else if (key == KEY_SOFT1 && is_offered)
		terms_read(handset);
}

void screen_build_cancel(const struct handset *handset, struct view *view)
{
	(void)handset;
	view_add(view, "Shall your order be cancelled? Nothing will be set up, and "
		       "nothing charged.");
	view->soft1 = "Cancel it";
	view->soft2 = "Back";
}

void screen_cancel_key(struct handset *handset, enum key key)
{
	if (key == KEY_SOFT1 || key == KEY_OK || key == KEY_YES) {
		screens_show_state(handset);
		cancel_request(handset);
	} else if (key == KEY_SOFT2 || key == KEY_BACK || key == KEY_NO) {
		screens_show_state(handset);
	}
}

void screen_build_terms(const struct handset *handset, struct view *view)
{
	const struct messages_terms *terms = &handset->terms;

	view_add(view, terms->text ? terms->text : "");
	if (terms->sender)
		view_addf(view, "\nYES sends \"%s\" and NO sends \"%s\" to %s.",
			  terms->reply.accept, terms->reply.decline, terms->sender);
	else
		view_add(view, "\nPress YES or NO.");
	view->soft1 = "YES online";
	view->soft2 = "NO online";
}

void screen_terms_key(struct handset *handset, enum key key)
{
	switch (key) {
	case KEY_YES: terms_answer(handset, true, false); break;
	case KEY_NO: terms_answer(handset, false, false); break;
	case KEY_SOFT1: terms_answer(handset, true, true); break;
	case KEY_SOFT2: terms_answer(handset, false, true); break;
	case KEY_BACK: handset_power_off(handset); break;
	default: break;
	}
}

/* ---- Progress, ends ---- */

static const char *name_of_item(const struct handset *handset, const char *id)
{
	const struct feature *feature = catalogue_find(&handset->catalogue, id);

	return feature ? feature->name : id;
}

static void add_items(const struct handset *handset, struct view *view)
{
	const struct request *request = &handset->request;

	for (size_t i = 0; i < request->n; i++) {
		const struct request_item *item = &request->items[i];

		view_addf(view, "* %s %s: %s", name_of_item(handset, item->what.id),
			  item->what.version,
			  words_state(slice_of(item_state_name(item->state))));
		if (item->reason[0])
			view_addf(view, "  %s", words_sentence(slice_of(item->reason)));
	}
}

void screen_build_progress(const struct handset *handset, struct view *view)
{
	static const char *const doing[STATE_N] = {
		[STATE_FETCHING] = "Downloading",
		[STATE_INSTALLING] = "Installing",
		[STATE_TESTING] = "Testing",
		[STATE_RETRANSMITTING] = "Asking again for",
		[STATE_CONFIRMING] = "Confirming",
	};
	const char *verb = doing[handset->state];

	if (verb)
		view_addf(view, "%s: %s %s\n", verb,
			  name_of_item(handset, handset->item.what.id),
			  handset->item.what.version);
	else if (request_awaits_content(&handset->request))
		view_add(view, "The network is getting it ready for you.\n");
	else
		view_add(view, "Almost done...\n");
	add_items(handset, view);
	view->soft1 = cancel_is_possible(handset) ? "Cancel" : NULL;
}

void screen_progress_key(struct handset *handset, enum key key)
{
	bool is_cancel = key == KEY_SOFT1 || key == KEY_NO;

	if (is_cancel && cancel_is_possible(handset))
		screens_show(handset, SCREEN_CANCEL);
	else if (key == KEY_BACK || key == KEY_SOFT2)
		handset_power_off(handset);
}

void screen_build_again(const struct handset *handset, struct view *view)
{
	const struct install_item *what = &handset->item.what;

	view_addf(view, "%s %s:", name_of_item(handset, what->id), what->version);
	view_addf(view, "%s\n", words_sentence(slice_of(handset->item_reason)));
	view_add(view, "Shall it be sent again?");
	view->soft1 = "Again";
	view->soft2 = "Give up";
}

void screen_again_key(struct handset *handset, enum key key)
{
	if (key == KEY_SOFT1 || key == KEY_OK || key == KEY_YES)
		again_decide(handset, true);
	else if (key == KEY_SOFT2 || key == KEY_BACK || key == KEY_NO)
		again_decide(handset, false);
}

void screen_build_done(const struct handset *handset, struct view *view)
{
	view_add(view, "This was set up:\n");
	add_items(handset, view);
	view->soft2 = "Off";
}

void screen_build_ended(const struct handset *handset, struct view *view)
{
	const struct handset_config *config = handset->config;

	view_addf(view, "%s\n", words_sentence(slice_of(handset->reason)));
	add_items(handset, view);
	if (config->care_number[0])
		view_addf(view, "Customer care: %s", config->care_number);
	if (config->care_uri[0])
		view_addf(view, "%s", config->care_uri);
	view_addf(view, "(%s)", handset->reason);
	view->soft2 = "Off";
}

void screen_end_key(struct handset *handset, enum key key)
{
	if (key == KEY_BACK || key == KEY_SOFT2 || key == KEY_OK)
		handset_power_off(handset);
}

void screen_build_phone(const struct handset *handset, struct view *view)
{
	const struct handset_config *config = handset->config;

	view_addf(view, "%s %s", config->model, config->firmware);
	view_addf(view, "Number: %s", config->number);
	view_addf(view, "%s", config->device);
	view_addf(view, "Standing: %s",
		  handset->device.standing[0] ? handset->device.standing : "not known");
	view_addf(view, "Narrow band: %s",
		  handset->radio && radio_is_attached(handset->radio) ? "in coverage"
								      : "none");
	view_addf(view, "Messages: %zu", messages_count());
	add_newest_message(view);
	view->soft2 = "Back";
}

void screen_phone_key(struct handset *handset, enum key key)
{
	if (key == KEY_BACK || key == KEY_SOFT2 || key == KEY_OK)
		screens_show_state(handset);
}
