#include "contrib/handset/screens_content.h"

#include <stdio.h>

#include "contrib/handset/provision.h"

void screen_build_menu(const struct handset *handset, struct view *view)
{
	(void)handset;
	view_add(view, "What do you want to set up?\n");
	view_add_choice(view, "Package");
	view_add_choice(view, "Features");
	view_add_choice(view, "Services");
	view->soft1 = "Select";
	view->soft2 = "Off";
}

/* The choice that a number key or OK means; -1: none. */
static int choice_of(const struct handset *handset, enum key key)
{
	int choice = key == KEY_OK || key == KEY_SOFT1 ? handset->view.marker
		     : key >= KEY_1 && key <= KEY_9    ? (int)key - KEY_1
						       : -1;

	return choice < handset->view.choices ? choice : -1;
}

void screen_menu_key(struct handset *handset, enum key key)
{
	static const enum screen chosen[] = { SCREEN_PACKAGES, SCREEN_FEATURES,
					      SCREEN_SERVICES };
	int choice = choice_of(handset, key);

	if (choice >= 0)
		screens_show(handset, chosen[choice]);
	else if (key == KEY_BACK || key == KEY_SOFT2)
		handset_power_off(handset);
}

static void build_offers(struct view *view, const char *what, size_t n)
{
	if (n == 0)
		view_addf(view, "No %s are offered to this phone at present.", what);
	else
		view_addf(view, "%zu %s are offered, but this phone cannot order %s.",
			  n, what, what);
	view->soft2 = "Back";
}

void screen_build_packages(const struct handset *handset, struct view *view)
{
	build_offers(view, "packages", handset->catalogue.packages);
}

void screen_build_services(const struct handset *handset, struct view *view)
{
	build_offers(view, "services", handset->catalogue.services);
}

void screen_offers_key(struct handset *handset, enum key key)
{
	if (key == KEY_BACK || key == KEY_SOFT2 || key == KEY_OK)
		screens_show(handset, SCREEN_MENU);
}

/* ---- Features, form ---- */

void screen_build_features(const struct handset *handset, struct view *view)
{
	const struct catalogue *catalogue = &handset->catalogue;
	char line[320];

	for (size_t i = 0; i < catalogue->n; i++) {
		snprintf(line, sizeof(line), "[%c] %s %s",
			 handset->is_ticked[i] ? 'x' : ' ', catalogue->features[i].name,
			 catalogue->features[i].version);
		view_add_choice(view, line);
	}
	if (catalogue->n == 0) {
		build_offers(view, "features", 0);
		return;
	}
	view_addf(
		view, "\n%s",
		catalogue->features[view->marker < (int)catalogue->n ? view->marker : 0]
			.description);
	view->soft1 = "Order";
	view->soft2 = "Back";
}

static bool tick(struct handset *handset, int choice)
{
	if (!handset->catalogue.features[choice].is_here) {
		snprintf(handset->notice, sizeof(handset->notice), "%s",
			 words_sentence(SLICE("other_server")));
		return false;
	}
	handset->is_ticked[choice] = !handset->is_ticked[choice];
	return true;
}

static bool is_any_ticked(const struct handset *handset)
{
	for (size_t i = 0; i < handset->catalogue.n; i++)
		if (handset->is_ticked[i])
			return true;
	return false;
}

/* Numbers tick; OK orders what is ticked, or what the marker is on. */
void screen_features_key(struct handset *handset, enum key key)
{
	int choice = choice_of(handset, key);

	if (key == KEY_BACK || key == KEY_SOFT2) {
		screens_show(handset, SCREEN_MENU);
	} else if (key == KEY_OK || key == KEY_SOFT1) {
		if (is_any_ticked(handset) || (choice >= 0 && tick(handset, choice)))
			screens_show(handset, SCREEN_FORM);
		else
			screens_refresh(handset);
	} else if (choice >= 0) {
		tick(handset, choice);
		screens_refresh(handset);
	}
}

void screen_build_form(const struct handset *handset, struct view *view)
{
	char line[REQUEST_NAME_BYTES + 64];

	for (int i = 0; i < FORM_N; i++) {
		snprintf(line, sizeof(line), "%s: %s",
			 form_field_label((enum form_field)i), handset->form.values[i]);
		view_add_choice(view, line);
	}
	view->soft1 = "Send";
	view->soft2 = "Back";
}

/* OK goes to the first field that cannot be sent as it is, or sends. */
void screen_form_key(struct handset *handset, enum key key)
{
	if (key == KEY_BACK || key == KEY_SOFT2) {
		screens_show(handset, SCREEN_FEATURES);
		return;
	}
	if (key != KEY_OK && key != KEY_SOFT1)
		return;
	for (int i = 0; i < FORM_N; i++) {
		const char *wrong = form_check(&handset->form, (enum form_field)i);

		if (wrong) {
			bool is_next = i != handset->view.marker &&
				       !handset->form.values[i][0];

			handset->view.marker = i;
			snprintf(handset->notice, sizeof(handset->notice), "%s: %s",
				 form_field_label((enum form_field)i), wrong);
			/* Going on to the next empty field is no mistake. */
			if (is_next)
				handset->notice[0] = '\0';
			screens_refresh(handset);
			return;
		}
	}
	provision_order(handset);
}
