/*
 * The screens of the provisioning application, as a table: what each shows and what
 * its keys do. A state has one screen, or several between which the user goes.
 */
#ifndef CONTRIB_HANDSET_SCREENS_H
#define CONTRIB_HANDSET_SCREENS_H

#include "contrib/handset/keypad.h"

struct handset;

enum screen {
	SCREEN_OFF,
	SCREEN_STARTING,
	SCREEN_MENU, /* 1 package, 2 features, 3 services */
	SCREEN_PACKAGES,
	SCREEN_FEATURES,
	SCREEN_SERVICES,
	SCREEN_FORM,
	SCREEN_WAITING,
	SCREEN_TERMS,
	SCREEN_PROGRESS,
	SCREEN_AGAIN,  /* an item failed */
	SCREEN_CANCEL, /* shall the request be taken back? */
	SCREEN_DONE,
	SCREEN_ENDED,
	SCREEN_PHONE, /* about this phone; from anywhere by MENU */
	SCREEN_N,
};

/** Upper case: "TERMS". */
const char *screen_name(enum screen screen);
bool screen_parse(struct slice name, enum screen *out);
/** Show the screen that belongs to the handset's state. */
void screens_show_state(struct handset *handset);
/** Show the present screen anew, because something on it has changed. */
void screens_refresh(struct handset *handset);
/** A key does what it does on the present screen. */
void screens_press(struct handset *handset, enum key key);
/** Is text typed on the present screen? */
bool screens_want_text(const struct handset *handset);
/** The field of the form that text goes to. */
int screens_field(const struct handset *handset);

#endif
