/* The document hook (doc/offers.md): a kind of effect. */
#ifndef PROVISIONING_HOOK_H
#define PROVISIONING_HOOK_H

#include "provisioning/effect.h"

extern const struct effect_kind hook_kind;

#endif
