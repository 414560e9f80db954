/* The content and the keys of each screen; for screens.c alone. */
#ifndef CONTRIB_HANDSET_SCREENS_CONTENT_H
#define CONTRIB_HANDSET_SCREENS_CONTENT_H

#include "contrib/handset/handset.h"

/** Go to a screen. */
void screens_show(struct handset *handset, enum screen screen);

/* screens_choosing.c */
void screen_build_menu(const struct handset *handset, struct view *view);
void screen_menu_key(struct handset *handset, enum key key);
void screen_build_packages(const struct handset *handset, struct view *view);
void screen_build_services(const struct handset *handset, struct view *view);
void screen_offers_key(struct handset *handset, enum key key);
void screen_build_features(const struct handset *handset, struct view *view);
void screen_features_key(struct handset *handset, enum key key);
void screen_build_form(const struct handset *handset, struct view *view);
void screen_form_key(struct handset *handset, enum key key);

/* screens_following.c */
void screen_build_waiting(const struct handset *handset, struct view *view);
void screen_waiting_key(struct handset *handset, enum key key);
void screen_build_terms(const struct handset *handset, struct view *view);
void screen_terms_key(struct handset *handset, enum key key);
void screen_build_progress(const struct handset *handset, struct view *view);
void screen_progress_key(struct handset *handset, enum key key);
void screen_build_again(const struct handset *handset, struct view *view);
void screen_again_key(struct handset *handset, enum key key);
void screen_build_cancel(const struct handset *handset, struct view *view);
void screen_cancel_key(struct handset *handset, enum key key);
void screen_build_done(const struct handset *handset, struct view *view);
void screen_build_ended(const struct handset *handset, struct view *view);
void screen_end_key(struct handset *handset, enum key key);
void screen_build_phone(const struct handset *handset, struct view *view);
void screen_phone_key(struct handset *handset, enum key key);

#endif
