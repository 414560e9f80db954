#include "contrib/handset/screens.h"

#include <stdio.h>

#include "base/log.h"
#include "contrib/handset/screens_content.h"

struct screen_row {
	const char *name, *title;
	void (*build)(const struct handset *handset, struct view *view);
	/* Keys but UP and DOWN, which move the marker, and MENU. */
	void (*on_key)(struct handset *handset, enum key key);
};
static const struct screen_row screens[SCREEN_N];

void screens_show(struct handset *handset, enum screen screen)
{
	if (screen != handset->screen) {
		log_info("screen", log_str("name", screens[screen].name),
			 log_str("state", state_name(handset->state)));
		handset->view.marker = 0;
		handset->view.top = 0;
	}
	handset->screen = screen;
	screens_refresh(handset);
}

static void draw(const struct handset *handset)
{
	static const char home_and_clear[] = "\033[H\033[J";

	if (!handset->display)
		return;
	if (handset->footer)
		fputs(home_and_clear, handset->display);
	view_draw(&handset->view, handset->display);
	if (handset->footer)
		fputs(handset->footer, handset->display);
	fflush(handset->display);
}

void screens_refresh(struct handset *handset)
{
	const struct screen_row *row = &screens[handset->screen];
	struct view *view = &handset->view;

	view_begin(view, row->title);
	if (handset->notice[0])
		view_addf(view, "! %s\n", handset->notice);
	row->build(handset, view);
	view_end(view);
	draw(handset);
	handset->on_change(handset->arg);
}

/* ---- Starting, menu ---- */

static void build_off(const struct handset *handset, struct view *view)
{
	(void)handset;
	view_add(view, "Switched off.");
}

static void build_starting(const struct handset *handset, struct view *view)
{
	static const char *const lines[STATE_N] = {
		[STATE_CONNECTING] = "Looking for the network...",
		[STATE_SESSION] = "The provisioning server proves itself...",
		[STATE_DEVICE] = "The server is genuine. Reading...",
		[STATE_CATALOGUE] = "The server is genuine. Reading what is offered...",
	};
	const char *line = lines[handset->state];

	view_add(view, line ? line : "One moment...");
}

static void on_no_key(struct handset *handset, enum key key)
{
	if (key == KEY_BACK || key == KEY_SOFT2)
		handset_power_off(handset);
}

/* ---- The table ---- */

static const struct screen_row screens[SCREEN_N] = {
	[SCREEN_OFF] = { "OFF", "Off", build_off, on_no_key },
	[SCREEN_STARTING] = { "STARTING", "Switching on", build_starting, on_no_key },
	[SCREEN_MENU] = { "MENU", "Provisioning", screen_build_menu, screen_menu_key },
	[SCREEN_PACKAGES] = { "PACKAGES", "Packages", screen_build_packages,
			      screen_offers_key },
	[SCREEN_FEATURES] = { "FEATURES", "Features", screen_build_features,
			      screen_features_key },
	[SCREEN_SERVICES] = { "SERVICES", "Services", screen_build_services,
			      screen_offers_key },
	[SCREEN_FORM] = { "FORM", "About you", screen_build_form, screen_form_key },
	[SCREEN_WAITING] = { "WAITING", "One moment", screen_build_waiting,
			     screen_waiting_key },
	[SCREEN_TERMS] = { "TERMS", "Terms and conditions", screen_build_terms,
			   screen_terms_key },
	[SCREEN_PROGRESS] = { "PROGRESS", "Setting up", screen_build_progress,
			      screen_progress_key },
	[SCREEN_AGAIN] = { "AGAIN", "It failed", screen_build_again, screen_again_key },
	[SCREEN_CANCEL] = { "CANCEL", "Cancel?", screen_build_cancel,
			    screen_cancel_key },
	[SCREEN_DONE] = { "DONE", "Done", screen_build_done, screen_end_key },
	[SCREEN_ENDED] = { "ENDED", "It did not happen", screen_build_ended,
			   screen_end_key },
	[SCREEN_PHONE] = { "PHONE", "This phone", screen_build_phone,
			   screen_phone_key },
};

static const enum screen screen_of_state[STATE_N] = {
	[STATE_OFF] = SCREEN_OFF,
	[STATE_CONNECTING] = SCREEN_STARTING,
	[STATE_SESSION] = SCREEN_STARTING,
	[STATE_DEVICE] = SCREEN_STARTING,
	[STATE_CATALOGUE] = SCREEN_STARTING,
	[STATE_CHOOSING] = SCREEN_MENU,
	[STATE_REQUESTING] = SCREEN_WAITING,
	[STATE_WAITING] = SCREEN_WAITING,
	[STATE_OFFERED] = SCREEN_WAITING,
	[STATE_DECIDING] = SCREEN_TERMS,
	[STATE_ANSWERED] = SCREEN_WAITING,
	[STATE_FETCHING] = SCREEN_PROGRESS,
	[STATE_INSTALLING] = SCREEN_PROGRESS,
	[STATE_TESTING] = SCREEN_PROGRESS,
	[STATE_ASKING] = SCREEN_AGAIN,
	[STATE_RETRANSMITTING] = SCREEN_PROGRESS,
	[STATE_CONFIRMING] = SCREEN_PROGRESS,
	[STATE_SETTLING] = SCREEN_PROGRESS,
	[STATE_DONE] = SCREEN_DONE,
	[STATE_DECLINED] = SCREEN_ENDED,
	[STATE_REFUSED] = SCREEN_ENDED,
	[STATE_FAILED] = SCREEN_ENDED,
};

const char *screen_name(enum screen screen)
{
	return screens[screen].name;
}

bool screen_parse(struct slice name, enum screen *out)
{
	for (int i = 0; i < SCREEN_N; i++)
		if (slice_eq_nocase(name, slice_of(screens[i].name))) {
			*out = (enum screen)i;
			return true;
		}
	return false;
}

void screens_show_state(struct handset *handset)
{
	screens_show(handset, screen_of_state[handset->state]);
}

void screens_press(struct handset *handset, enum key key)
{
	if (key == KEY_MENU) {
		screens_show(handset, SCREEN_PHONE);
	} else if (key == KEY_UP || key == KEY_DOWN) {
		view_move(&handset->view, key == KEY_UP ? -1 : 1);
		screens_refresh(handset);
	} else {
		screens[handset->screen].on_key(handset, key);
	}
}

bool screens_want_text(const struct handset *handset)
{
	return handset->screen == SCREEN_FORM;
}

int screens_field(const struct handset *handset)
{
	return handset->view.marker;
}
