/*
 * One device of a load: a whole provisioning without screens and storage, from the
 * handshake to the confirmation of the last item, and how long each part of it took.
 * The terms are accepted, the content is checked against its digest and thrown away.
 */
#ifndef CONTRIB_HANDSET_LOAD_DEVICE_H
#define CONTRIB_HANDSET_LOAD_DEVICE_H

#include "contrib/handset/handset_config.h"
#include "contrib/handset/request.h"

/** What is measured; each part begins where the one before ended. */
enum load_part {
	LOAD_SESSION,   /* connection, handshake, proof of the server */
	LOAD_CATALOGUE, /* record of the device, and catalogue */
	LOAD_OFFER,     /* request, until it is offered */
	LOAD_TERMS,     /* until their text is there, by SMS or over the wide band */
	LOAD_ANSWER,    /* until the server has accepted it */
	LOAD_CONTENT,   /* all items fetched, checked and confirmed; request done */
	LOAD_N_PARTS,
};
const char *load_part_name(enum load_part part);

struct load_device;

struct load_plan {
	struct loop *loop;
	const struct handset_config *config; /* all but what is the device's own */
	bool is_online;           /* terms are read and answered over the wide band */
	const char *const *items; /* ends with NULL; none: the catalogue's first */
	/** Called once for each device, not from within load_device_new(); then free
	 * it. */
	void (*on_end)(void *arg, struct load_device *device);
	void *arg;
};

/**
 * Switch it on.
 *
 * @param plan    borrowed for its life
 * @param serial  of the fleet (load_fleet.h)
 * @param why     on failure one sentence
 */
struct load_device *load_device_new(const struct load_plan *plan, unsigned serial,
				    char *why, size_t why_size);
void load_device_free(struct load_device *device);

/** Reason why it is not done, "interrupted" while it is under way; NULL: it is. */
const char *load_device_reason(const struct load_device *device);
/** Microseconds of a part that was reached to its end, else -1. */
int64_t load_device_us(const struct load_device *device, enum load_part part);

#endif
