/*
 * Kinds of effect whose payload is posted as it is: what begins each of them. Knows of
 * the answer only its status.
 */
#ifndef PROVISIONING_EFFECT_POST_H
#define PROVISIONING_EFFECT_POST_H

#include "provisioning/effect.h"
#include "provisioning/poster.h"

/** begin() of struct effect_kind; @p poster is what its open() has made. */
void effect_post(void *poster, struct effect *effect, struct slice payload);

#endif
