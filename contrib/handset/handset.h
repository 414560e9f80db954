/*
 * One handset that is switched on: what it knows, the state of its provisioning
 * application, and the engine that moves it. The steps are in provision.c (from the
 * first call to the end of the request) and deliver.c (from an item to its
 * confirmation), what is shown in screens.c.
 */
#ifndef CONTRIB_HANDSET_HANDSET_H
#define CONTRIB_HANDSET_HANDSET_H

#include "contrib/handset/download.h"
#include "contrib/handset/journal.h"
#include "contrib/handset/keypad.h"
#include "contrib/handset/messages.h"
#include "contrib/handset/program.h"
#include "contrib/handset/radio.h"
#include "contrib/handset/request.h"
#include "contrib/handset/screens.h"
#include "contrib/handset/state.h"
#include "contrib/handset/view.h"
#include "contrib/handset/words.h"

#define HANDSET_ETAG_CHARS 127

struct handset {
	struct loop *loop;
	const struct handset_config *config;
	struct session *session;
	struct radio *radio; /* NULL: none */
	struct sms *sms;
	void (*on_change)(void *arg); /* something on the display has changed */
	void *arg;

	enum state state;
	struct timer limit;
	char reason[REQUEST_WORD_CHARS + 1]; /* why it ended; empty: no reason */

	/* what the server said */
	struct device_answer device;
	struct catalogue catalogue;
	struct request request;
	char etag[HANDSET_ETAG_CHARS + 1];
	struct timer poll;
	bool is_polling;

	/* what the user chose, typed and is asked */
	bool is_ticked[REQUEST_ITEMS_LIMIT];
	struct form form;
	struct journal journal;
	struct messages_terms terms;
	const char *answer; /* sent by short message; of terms.reply */
	int64_t repeats;    /* how often it was sent again */
	struct timer repeat;
	bool is_cancelling; /* the server has not answered yet */
	char notice[160];   /* for the user, on the present screen */

	/* the item being provisioned */
	struct request_item item;
	const char *item_reason; /* why it failed; NULL: it did not */
	struct download *download;
	struct program *program;
	struct timer install;
	int test; /* which of the tests runs */

	/* what is shown */
	enum screen screen;
	struct view view;
	FILE *display;      /* NULL: not drawn */
	const char *footer; /* on a terminal: below each screen, which is drawn over
			       the one before; NULL: screens follow one another */
};

/** A handset that is off. @param config borrowed */
struct handset *handset_new(struct loop *loop, const struct handset_config *config,
			    char *why, size_t why_size);
void handset_free(struct handset *handset);
void handset_power_on(struct handset *handset);
/** End the run: the loop stops soon, when the session has been closed. */
void handset_power_off(struct handset *handset);
/** A key is pressed. */
void handset_press(struct handset *handset, enum key key);
/** Set a field of the form. @return false when the value does not fit */
bool handset_type(struct handset *handset, enum form_field field, struct slice value);

/* ---- For the steps ---- */

/** Does the present state accept it? Otherwise it is logged and must be ignored. */
bool handset_accepts(struct handset *handset, enum state_event event);
/** Go to another state: the one place where states change. */
void handset_move(struct handset *handset, enum state to);
/** It cannot go on. Ignored once it has ended. */
void handset_fail(struct handset *handset, const char *reason);
/** End in a final state. @param reason copied; empty or NULL: none */
void handset_end(struct handset *handset, enum state final, const char *reason);

#endif
