/*
 * The narrow band of one device of a load: the messages that came for it, the terms
 * among them, and the answer that is sent where they came from. Nothing is stored, and
 * what the device does next is not known here.
 */
#ifndef CONTRIB_HANDSET_LOAD_INBOX_H
#define CONTRIB_HANDSET_LOAD_INBOX_H

#include "contrib/handset/handset_config.h"
#include "contrib/handset/messages.h"
#include "contrib/handset/request.h"

struct load_inbox;

enum load_inbox_event {
	LOAD_INBOX_MESSAGE, /* another one is there */
	LOAD_INBOX_FAILED,  /* the message centre did not take the answer */
};
typedef void load_inbox_fn(void *arg, enum load_inbox_event event);

/**
 * Attach to the message centre.
 *
 * @param config  borrowed for its life: radio, number, retry_delay_ms, part_timeout_ms
 * @param fn      never called from within a function of this header
 * @return taken by load_inbox_free()
 */
struct load_inbox *load_inbox_new(struct loop *loop,
				  const struct handset_config *config,
				  load_inbox_fn *fn, void *arg);
void load_inbox_free(struct load_inbox *inbox);

/**
 * Look for the terms of a request: they may come before the server was heard to have
 * offered, so the first few messages of a device are kept.
 *
 * @param request  borrowed; has terms
 * @param out      freed by messages_terms_free() when true
 * @return false when they have not come
 */
bool load_inbox_find(const struct load_inbox *inbox, const struct request *request,
		     struct messages_terms *out);
/** Say yes to them. @return false when an answer is on its way already */
bool load_inbox_accept(struct load_inbox *inbox, const struct messages_terms *terms);

#endif
